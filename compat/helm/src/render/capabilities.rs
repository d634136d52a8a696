//! `.Capabilities`: what the cluster can do.

use std::sync::Arc;

use gotmpl::{Func, List, NamedType, Object, Str, Type, Value};

/// What a chart may ask about the cluster and about Helm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The version of Kubernetes.
    pub kube_version: KubeVersion,
    /// The API versions that the cluster serves: `group/version`, from a live cluster also `group/version/Kind`.
    pub api_versions: Vec<String>,
    /// The version that Helm claims to be, such as `v4.2.4`.
    pub helm_version: String,
}

/// A version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// The version in full, such as `v1.33.4-gke.1245000`.
    pub version: String,
    /// The version without its suffixes; empty if it was read from a live cluster.
    pub normalized: String,
    /// The first number, as text.
    pub major: String,
    /// The second number, as text; clusters may add a `+`.
    pub minor: String,
}

/// A text that is not a version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKubeVersion {
    /// There is no number where a version starts.
    #[error("could not parse {0} as version")]
    NotVersion(String),
    /// The numbers are too few or malformed.
    #[error("illegal version string {0}")]
    Illegal(String),
}

impl Default for Capabilities {
    /// Those that Helm 4.2.4 assumes without a cluster: Kubernetes 1.36 with all APIs that its client knows.
    fn default() -> Self {
        Self {
            kube_version: KubeVersion {
                version: "v1.36.0".to_owned(),
                normalized: "v1.36.0".to_owned(),
                major: "1".to_owned(),
                minor: "36".to_owned(),
            },
            api_versions: DEFAULT_API_VERSIONS
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            helm_version: "v4.2.4".to_owned(),
        }
    }
}

impl KubeVersion {
    /// Reads a version such as `1.33` or `v1.33.4-gke.1`; what is not given is zero.
    pub fn parse(text: &str) -> Result<Self, InvalidKubeVersion> {
        let trimmed = text.trim_start();
        let bare = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let end = bare
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(bare.len());
        let mut numbers = bare.get(..end).unwrap_or_default();
        // `1..2` is version 1 followed by something else.
        numbers = numbers
            .find("..")
            .and_then(|at| numbers.get(..at))
            .unwrap_or(numbers)
            .trim_end_matches('.');
        if numbers.is_empty() || numbers.starts_with('.') {
            return Err(InvalidKubeVersion::NotVersion(go_std::quote(text)));
        }
        let parts: Vec<u64> = numbers.split('.').filter_map(|part| part.parse().ok()).collect();
        let zero_prefixed = numbers.starts_with('0') && parts.first() != Some(&0);
        if parts.len() < 2 || parts.len() != numbers.split('.').count() || zero_prefixed {
            return Err(InvalidKubeVersion::Illegal(go_std::quote(text)));
        }
        let shown: Vec<String> = parts.iter().map(u64::to_string).collect();
        Ok(Self {
            version: if text.starts_with('v') {
                text.to_owned()
            } else {
                format!("v{text}")
            },
            normalized: format!("v{}", shown.join(".")),
            major: parts.first().map(u64::to_string).unwrap_or_default(),
            minor: parts.get(1).map(u64::to_string).unwrap_or_default(),
        })
    }

    /// The version that charts see and that their `kubeVersion` is compared with.
    pub fn comparable(&self) -> &str {
        if self.normalized.is_empty() {
            &self.version
        } else {
            &self.normalized
        }
    }
}

/// The version of Go that Helm 4.2.4 is built with here.
pub const GO_VERSION: &str = "go1.26.8";
/// The version of the Kubernetes client in Helm 4.2.4.
pub const KUBE_CLIENT_VERSION: &str = "v1.36";

static CAPABILITIES: NamedType = NamedType::new("*common.Capabilities", Type::Pointer);
static KUBE_VERSION: NamedType = NamedType::new("common.KubeVersion", Type::Struct);
static BUILD_INFO: NamedType = NamedType::new("version.BuildInfo", Type::Struct);
static VERSION_SET: NamedType =
    NamedType::with_methods("common.VersionSet", Type::STRINGS, version_set_method);

/// The object that templates see as `.Capabilities`.
pub(crate) fn object(capabilities: &Capabilities) -> Value {
    Value::object(CapabilitiesObject {
        kube_version: Value::object(KubeVersionObject {
            version: Arc::new(capabilities.kube_version.clone()),
            addressable: true,
        }),
        api_versions: List::strings(capabilities.api_versions.iter()).with_type(Type::Named(&VERSION_SET)),
        helm_version: Value::object(BuildInfo {
            version: Str::from(&capabilities.helm_version),
        }),
    })
}

#[derive(Debug)]
struct CapabilitiesObject {
    kube_version: Value,
    api_versions: List,
    helm_version: Value,
}

impl Object for CapabilitiesObject {
    fn type_info(&self) -> &'static NamedType {
        &CAPABILITIES
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "KubeVersion" => Some(self.kube_version.clone()),
            "APIVersions" => Some(self.api_versions.clone().into()),
            "HelmVersion" => Some(self.helm_version.clone()),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("KubeVersion", copied(&self.kube_version)),
            ("APIVersions", self.api_versions.clone().into()),
            ("HelmVersion", self.helm_version.clone()),
        ]
    }
}

/// `common.KubeVersion`: as a field of the capabilities it has the methods of its pointer, as a copy it has none.
#[derive(Debug, Clone)]
struct KubeVersionObject {
    version: Arc<KubeVersion>,
    addressable: bool,
}

impl Object for KubeVersionObject {
    fn type_info(&self) -> &'static NamedType {
        &KUBE_VERSION
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let version = &self.version;
        vec![
            ("Version", Value::from(version.version.as_str())),
            ("normalizedVersion", Value::from(version.normalized.as_str())),
            ("Major", Value::from(version.major.as_str())),
            ("Minor", Value::from(version.minor.as_str())),
        ]
    }

    fn method(&self, name: &str) -> Option<Func> {
        let text = match name {
            "String" => self.version.comparable(),
            "GitVersion" => &self.version.version,
            _ => return None,
        };
        let text = Str::from(text);
        self.addressable.then(|| Func::new(move || text.clone()))
    }

    fn text(&self) -> Option<Str> {
        self.addressable.then(|| Str::from(self.version.comparable()))
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let other = (other as &dyn std::any::Any).downcast_ref::<Self>()?;
        Some(self.version == other.version)
    }

    fn copied(&self) -> Option<Value> {
        self.addressable.then(|| {
            Value::object(Self {
                version: Arc::clone(&self.version),
                addressable: false,
            })
        })
    }
}

fn copied(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.copied().unwrap_or_else(|| value.clone()),
        other => other.clone(),
    }
}

#[derive(Debug)]
struct BuildInfo {
    version: Str,
}

impl Object for BuildInfo {
    fn type_info(&self) -> &'static NamedType {
        &BUILD_INFO
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", self.version.clone().into()),
            ("GitCommit", Value::from("")),
            ("GitTreeState", Value::from("")),
            ("GoVersion", Value::from(GO_VERSION)),
            ("KubeClientVersion", Value::from(KUBE_CLIENT_VERSION)),
        ]
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let other = (other as &dyn std::any::Any).downcast_ref::<Self>()?;
        Some(self.version == other.version)
    }

    /// Those that are empty are left out.
    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("version", Value::from(self.version.clone())),
            ("go_version", Value::from(GO_VERSION)),
            ("kube_client_version", Value::from(KUBE_CLIENT_VERSION)),
        ]
    }
}

fn version_set_method(receiver: &Value, name: &str) -> Option<Func> {
    let Value::List(versions) = receiver else {
        return None;
    };
    let versions = versions.clone();
    (name == "Has").then(|| {
        Func::new(move |version: Str| {
            versions
                .items()
                .any(|known| known.as_str().is_some_and(|known| *known == version))
        })
    })
}

/// The API versions that the client of Helm 4.2.4 knows, in its order.
const DEFAULT_API_VERSIONS: &str = "
    v1
    admissionregistration.k8s.io/v1 admissionregistration.k8s.io/v1alpha1 admissionregistration.k8s.io/v1beta1
    internal.apiserver.k8s.io/v1alpha1
    apps/v1 apps/v1beta1 apps/v1beta2
    authentication.k8s.io/v1 authentication.k8s.io/v1alpha1 authentication.k8s.io/v1beta1
    authorization.k8s.io/v1 authorization.k8s.io/v1beta1
    autoscaling/v1 autoscaling/v2
    batch/v1 batch/v1beta1
    certificates.k8s.io/v1 certificates.k8s.io/v1beta1 certificates.k8s.io/v1alpha1
    coordination.k8s.io/v1alpha2 coordination.k8s.io/v1beta1 coordination.k8s.io/v1
    discovery.k8s.io/v1 discovery.k8s.io/v1beta1
    events.k8s.io/v1 events.k8s.io/v1beta1
    extensions/v1beta1
    flowcontrol.apiserver.k8s.io/v1 flowcontrol.apiserver.k8s.io/v1beta1 flowcontrol.apiserver.k8s.io/v1beta2
    flowcontrol.apiserver.k8s.io/v1beta3
    networking.k8s.io/v1 networking.k8s.io/v1beta1
    node.k8s.io/v1 node.k8s.io/v1alpha1 node.k8s.io/v1beta1
    policy/v1 policy/v1beta1
    rbac.authorization.k8s.io/v1 rbac.authorization.k8s.io/v1beta1 rbac.authorization.k8s.io/v1alpha1
    resource.k8s.io/v1 resource.k8s.io/v1beta2 resource.k8s.io/v1beta1 resource.k8s.io/v1alpha3
    scheduling.k8s.io/v1alpha2 scheduling.k8s.io/v1beta1 scheduling.k8s.io/v1
    storage.k8s.io/v1beta1 storage.k8s.io/v1 storage.k8s.io/v1alpha1
    storagemigration.k8s.io/v1beta1
    apiextensions.k8s.io/v1beta1 apiextensions.k8s.io/v1
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kube_versions_are_normalized() {
        for (text, version, normalized) in [
            ("1.33", "v1.33", "v1.33"),
            ("v1.02.x", "v1.02.x", "v1.2"),
            (" 1.2.", "v 1.2.", "v1.2"),
            ("v1.33.4-gke.1245000", "v1.33.4-gke.1245000", "v1.33.4"),
            ("1.20.15", "v1.20.15", "v1.20.15"),
        ] {
            let parsed = KubeVersion::parse(text).unwrap();
            assert_eq!(
                (parsed.version.as_str(), parsed.comparable()),
                (version, normalized)
            );
        }
        for (text, error) in [
            ("1", "illegal version string \"1\""),
            ("1..2", "illegal version string \"1..2\""),
            ("abc", "could not parse \"abc\" as version"),
            ("V1.2", "could not parse \"V1.2\" as version"),
        ] {
            assert_eq!(KubeVersion::parse(text).unwrap_err().to_string(), error);
        }
    }
}
