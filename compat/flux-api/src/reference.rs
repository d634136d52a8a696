//! References from one object to another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::decode::{UnknownFields, is_default};

/// Names an object in the namespace of the object that holds the reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LocalObjectReference {
    /// Name of the referent.
    pub name: String,
}

/// Names a key of a Secret in the namespace of the object that holds the reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecretKeyReference {
    /// Name of the Secret.
    pub name: String,
    /// Key in the Secret; empty means the reader's default key.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub key: String,
}

/// Names an object of any kind, in any namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NamespacedObjectKindReference {
    /// API version of the referent; empty leaves the choice to the reader.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Kind of the referent.
    pub kind: String,
    /// Name of the referent.
    pub name: String,
    /// Namespace of the referent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Names the source of a Kustomization.
///
/// Stock Flux reads only the kind; Open Flux honours `apiVersion` and allows any kind. `artifact-consumer` resolves
/// both dialects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CrossNamespaceSourceReference {
    /// API version of the source; often empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Kind of the source.
    pub kind: String,
    /// Name of the source.
    pub name: String,
    /// Namespace of the source; empty means that of the Kustomization.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

impl fmt::Display for CrossNamespaceSourceReference {
    /// Writes `Kind/name`, or `Kind/namespace/name` when a namespace is given, as Flux does in messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{}/{}", self.kind, self.name),
            namespace => write!(f, "{}/{namespace}/{}", self.kind, self.name),
        }
    }
}

/// Names an object of the same kind that must be ready first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DependencyReference {
    /// Name of the dependency.
    pub name: String,
    /// Namespace of the dependency; empty means that of the dependant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// CEL expression over `self` and `dep` that replaces the built-in readiness check.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ready_expr: String,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

impl fmt::Display for DependencyReference {
    /// Writes `[namespace/]name[@readyExpr]`, as Flux does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)?;
        if !self.ready_expr.is_empty() {
            write!(f, "@{}", self.ready_expr)?;
        }
        Ok(())
    }
}

/// Says where to find the credentials of another cluster; exactly one of the two is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KubeConfigReference {
    /// A ConfigMap for workload identity with a cloud provider.
    #[serde(skip_serializing_if = "is_default")]
    pub config_map_ref: Option<LocalObjectReference>,
    /// A Secret that holds a kubeconfig.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_ref: Option<SecretKeyReference>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

impl KubeConfigReference {
    /// Gives kind and name of what holds the credentials.
    pub(crate) fn configs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let map = self
            .config_map_ref
            .iter()
            .map(|map| ("ConfigMap", map.name.as_str()));
        map.chain(
            self.secret_ref
                .iter()
                .map(|secret| ("Secret", secret.name.as_str())),
        )
    }
}
