//! The kind `Transformation`.

use std::borrow::Cow;
use std::time::Duration;

use artifact_crd::{GROUP, TRANSFORMATION_KIND, TRANSFORMATION_PLURAL, VERSION};
use flux_api::GoDuration;
use flux_transform::spec::Spec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::Resource;
use kube::core::NamespaceResourceScope;
use serde::{Deserialize, Serialize};

/// The name of the controller: field manager, reporter of events, and `app.kubernetes.io/managed-by` of its Artifacts.
pub const CONTROLLER: &str = "openflux-transformation";

/// Artifacts that are made out of others.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Transformation {
    /// Name and namespace.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is made, and of what.
    pub spec: Spec,
    /// What became of it.
    #[serde(default)]
    pub status: Status,
}

/// What became of a transformation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// The generation that the conditions speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and what else there is to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The last request (`reconcile.fluxcd.io/requestedAt`) that was followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// What the outputs were made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputStatus>,
    /// What was made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputStatus>,
}

/// An input, as it was when it was last used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct InputStatus {
    /// Its name in the specification.
    pub name: String,
    /// The object that it is.
    pub key: String,
    /// Its revision.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// Its digest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
}

/// An output, as it was last made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OutputStatus {
    /// Name of the Artifact.
    pub artifact_name: String,
    /// Its revision.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// Its digest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// What decided what came out: another build of the same key gives the same.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub build_key: String,
    /// Why it could not be made anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Resource for Transformation {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        TRANSFORMATION_KIND.into()
    }
    fn group((): &()) -> Cow<'_, str> {
        GROUP.into()
    }
    fn version((): &()) -> Cow<'_, str> {
        VERSION.into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        TRANSFORMATION_PLURAL.into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// `group/version` of the kind.
pub(crate) fn api_version() -> String {
    format!("{GROUP}/{VERSION}")
}

/// Whether an output, by its place among them, is what a reference to its transformation means.
pub(crate) fn is_first(spec: &Spec, at: usize) -> bool {
    at == 0 && spec.discover.is_none()
}

/// A duration of the specification, if there is one.
pub(crate) fn duration(text: Option<&String>) -> Option<Duration> {
    let duration = text?.parse::<GoDuration>().ok()?.to_std();
    (!duration.is_zero()).then_some(duration)
}
