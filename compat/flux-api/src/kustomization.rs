//! `Kustomization`, `kustomize.toolkit.fluxcd.io/v1`, as kustomize-controller 1.9.5 defines it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::{Deserialize, Serialize};

use crate::decode::{UnknownFields, first_below, is_default, or_default};
use crate::inventory::Inventory;
use crate::kind::api_kind;
use crate::{
    CrossNamespaceSourceReference, DependencyReference, Duration, DurationError, GoDuration, History,
    KubeConfigReference, LocalObjectReference, NamespacedObjectKindReference,
};

api_kind! {
    /// A set of objects that is built from a source and applied to a cluster.
    Kustomization {
        spec: KustomizationSpec,
        status: KustomizationStatus,
        group: "kustomize.toolkit.fluxcd.io",
        version: "v1",
        plural: "kustomizations"
    }
}

/// What to build, from where, and how to apply it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KustomizationSpec {
    /// Labels and annotations put on every object.
    #[serde(skip_serializing_if = "is_default")]
    pub common_metadata: Option<CommonMetadata>,
    /// Kustomizations that must be ready first.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub depends_on: Vec<DependencyReference>,
    /// How to decrypt encrypted files.
    #[serde(skip_serializing_if = "is_default")]
    pub decryption: Option<Decryption>,
    /// Time between two reconciliations. `0s` means no timed one.
    pub interval: Duration,
    /// Time between a failure and the next attempt; absent means `interval`.
    #[serde(skip_serializing_if = "is_default")]
    pub retry_interval: Option<Duration>,
    /// Credentials of the cluster to apply to; absent means the controller's own cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub kube_config: Option<KubeConfigReference>,
    /// Directory in the artifact; empty means its root.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// Variable substitution after the build.
    #[serde(skip_serializing_if = "is_default")]
    pub post_build: Option<PostBuild>,
    /// Whether objects that left the source are deleted.
    pub prune: bool,
    /// What happens to the objects when the Kustomization is deleted; see [`Kustomization::deletion_policy`].
    #[serde(skip_serializing_if = "is_default")]
    pub deletion_policy: String,
    /// Objects whose health is awaited when `wait` is off.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub health_checks: Vec<NamespacedObjectKindReference>,
    /// Prefix of all object names.
    #[serde(skip_serializing_if = "is_default")]
    pub name_prefix: String,
    /// Suffix of all object names.
    #[serde(skip_serializing_if = "is_default")]
    pub name_suffix: String,
    /// Patches added to those of the kustomization file.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub patches: Vec<Patch>,
    /// Image replacements, merged with those of the kustomization file.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub images: Vec<Image>,
    /// Service account to impersonate, in the Kustomization's namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub service_account_name: String,
    /// The source.
    pub source_ref: CrossNamespaceSourceReference,
    /// Whether reconciliation is switched off.
    #[serde(skip_serializing_if = "is_default")]
    pub suspend: bool,
    /// Namespace that overrides that of the kustomization file.
    #[serde(skip_serializing_if = "is_default")]
    pub target_namespace: String,
    /// Limit for health checks; see [`Kustomization::timeout`].
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<Duration>,
    /// Whether objects with changed immutable fields are recreated.
    #[serde(skip_serializing_if = "is_default")]
    pub force: bool,
    /// Whether the health of all applied objects is awaited.
    #[serde(skip_serializing_if = "is_default")]
    pub wait: bool,
    /// Build metadata annotations to keep: `originAnnotations`, `transformerAnnotations`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub build_metadata: Vec<String>,
    /// Relative paths of kustomize components.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub components: Vec<String>,
    /// Whether components that do not exist are left out instead of failing the build.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_missing_components: bool,
    /// CEL expressions for the health of custom kinds.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub health_check_exprs: Vec<CustomHealthCheck>,
    /// Fields that drift detection leaves alone.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub ignore: Vec<IgnoreRule>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Labels and annotations put on every object; they override existing keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CommonMetadata {
    /// Annotations to add.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
    /// Labels to add.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// How to decrypt encrypted files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Decryption {
    /// The engine; stock knows `sops`.
    pub provider: String,
    /// Service account for workload identity with a key service.
    #[serde(skip_serializing_if = "is_default")]
    pub service_account_name: String,
    /// Secret that holds the keys.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Variable substitution after the build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PostBuild {
    /// `WithVariables` (the default) substitutes only when there is a variable, `Always` in any case.
    #[serde(skip_serializing_if = "is_default")]
    pub substitute_strategy: String,
    /// Variables by name; they win over those of `substitute_from`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub substitute: BTreeMap<String, String>,
    /// ConfigMaps and Secrets whose keys are variables; later ones win.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub substitute_from: Vec<SubstituteReference>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

impl PostBuild {
    /// Returns whether to substitute even without any variable.
    pub fn always(&self) -> bool {
        self.substitute_strategy == "Always"
    }
}

/// A ConfigMap or Secret that holds variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SubstituteReference {
    /// `ConfigMap` or `Secret`.
    pub kind: String,
    /// Name, in the namespace of the Kustomization.
    pub name: String,
    /// Whether it may be absent.
    #[serde(skip_serializing_if = "is_default")]
    pub optional: bool,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// A patch for the objects that a selector matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Patch {
    /// Strategic merge patch or JSON 6902 patch, as YAML.
    pub patch: String,
    /// What it applies to; absent means the object that the patch itself names.
    #[serde(skip_serializing_if = "is_default")]
    pub target: Option<Selector>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Selects objects by regular expressions and by label selectors; an empty field matches anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Selector {
    /// API group.
    #[serde(skip_serializing_if = "is_default")]
    pub group: String,
    /// API version.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
    /// Kind.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: String,
    /// Namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Selector over annotations, in the syntax of label selectors.
    #[serde(skip_serializing_if = "is_default")]
    pub annotation_selector: String,
    /// Label selector.
    #[serde(skip_serializing_if = "is_default")]
    pub label_selector: String,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// A replacement for an image's name, tag or digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Image {
    /// The image's name in the manifests.
    pub name: String,
    /// The name to use instead.
    #[serde(skip_serializing_if = "is_default")]
    pub new_name: String,
    /// The tag to use instead.
    #[serde(skip_serializing_if = "is_default")]
    pub new_tag: String,
    /// The digest to use instead of a tag.
    #[serde(skip_serializing_if = "is_default")]
    pub digest: String,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// CEL expressions that tell the health of a custom kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CustomHealthCheck {
    /// API version of the kind.
    pub api_version: String,
    /// The kind; empty means the whole API group.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: String,
    /// True when the object is healthy.
    pub current: String,
    /// True while the object is on its way.
    #[serde(skip_serializing_if = "is_default")]
    pub in_progress: String,
    /// True when the object failed.
    #[serde(skip_serializing_if = "is_default")]
    pub failed: String,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// JSON pointers that drift detection leaves alone, on the objects that a selector matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IgnoreRule {
    /// JSON pointers (RFC 6901).
    #[serde(deserialize_with = "or_default")]
    pub paths: Vec<String>,
    /// The objects; absent means all.
    #[serde(skip_serializing_if = "is_default")]
    pub target: Option<Selector>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// What the controller did last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KustomizationStatus {
    /// The `reconcile.fluxcd.io/requestedAt` value that was handled last.
    #[serde(skip_serializing_if = "is_default")]
    pub last_handled_reconcile_at: String,
    /// The last generation that was reconciled; -1 before the first.
    #[serde(skip_serializing_if = "is_default")]
    pub observed_generation: i64,
    /// `Ready`, `Reconciling`, `Stalled` and `Healthy`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub conditions: Vec<Condition>,
    /// The last revision that was applied with success.
    #[serde(skip_serializing_if = "is_default")]
    pub last_applied_revision: String,
    /// The origin of that revision, such as the Git commit behind an OCI artifact.
    #[serde(skip_serializing_if = "is_default")]
    pub last_applied_origin_revision: String,
    /// The last revision that was tried.
    #[serde(skip_serializing_if = "is_default")]
    pub last_attempted_revision: String,
    /// The objects that were applied.
    #[serde(skip_serializing_if = "is_default")]
    pub inventory: Option<Inventory>,
    /// The last attempts, newest first.
    #[serde(skip_serializing_if = "is_default")]
    pub history: History,
}

impl KustomizationSpec {
    /// Returns the path of a field that these types do not have, because a newer definition added it.
    pub fn unknown_field(&self) -> Option<String> {
        let own = self.unknown.first("");
        let metadata = || self.common_metadata.as_ref()?.unknown.first("commonMetadata.");
        let source = || self.source_ref.unknown.first("sourceRef.");
        let decryption = || self.decryption.as_ref()?.unknown.first("decryption.");
        let post_build = || {
            let post_build = self.post_build.as_ref()?;
            let sources = first_below(
                "postBuild.substituteFrom",
                &post_build.substitute_from,
                |source, at| source.unknown.first(at),
            );
            post_build.unknown.first("postBuild.").or(sources)
        };
        let dependency = || first_below("dependsOn", &self.depends_on, |item, at| item.unknown.first(at));
        let remote = || self.kube_config.as_ref()?.unknown.first("kubeConfig.");
        let check = || {
            first_below("healthChecks", &self.health_checks, |item, at| {
                item.unknown.first(at)
            })
        };
        let expressions = || {
            let checks = &self.health_check_exprs;
            first_below("healthCheckExprs", checks, |item, at| item.unknown.first(at))
        };
        let ignored = || {
            first_below("ignore", &self.ignore, |rule, at| {
                let target = || rule.target.as_ref()?.unknown.first(&format!("{at}target."));
                rule.unknown.first(at).or_else(target)
            })
        };
        let image = || first_below("images", &self.images, |item, at| item.unknown.first(at));
        let patch = || {
            first_below("patches", &self.patches, |patch, at| {
                let target = || patch.target.as_ref()?.unknown.first(&format!("{at}target."));
                patch.unknown.first(at).or_else(target)
            })
        };
        own.or_else(metadata)
            .or_else(source)
            .or_else(decryption)
            .or_else(post_build)
            .or_else(dependency)
            .or_else(remote)
            .or_else(check)
            .or_else(expressions)
            .or_else(ignored)
            .or_else(image)
            .or_else(patch)
    }
}

/// What happens to the applied objects when their Kustomization is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Delete them when `prune` is on, leave them otherwise. The default.
    MirrorPrune,
    /// Delete them.
    Delete,
    /// Delete them and wait until they are gone.
    WaitForTermination,
    /// Leave them.
    Orphan,
}

/// The shortest timeout; a smaller value is raised to it.
pub(crate) const MIN_TIMEOUT: GoDuration = GoDuration::from_nanos(30_000_000_000);

impl Kustomization {
    /// Returns the health check timeout: `timeout`, else `interval` less 30 s; at least 30 s.
    pub fn timeout(&self) -> Result<GoDuration, &DurationError> {
        let timeout = match &self.spec.timeout {
            Some(timeout) => timeout.get()?,
            None => GoDuration::from_nanos(
                self.spec
                    .interval
                    .get()?
                    .as_nanos()
                    .saturating_sub(MIN_TIMEOUT.as_nanos()),
            ),
        };
        Ok(timeout.max(MIN_TIMEOUT))
    }

    /// Returns the time to wait after a failure: `retryInterval`, else `interval`.
    pub fn retry_interval(&self) -> Result<GoDuration, &DurationError> {
        self.spec
            .retry_interval
            .as_ref()
            .unwrap_or(&self.spec.interval)
            .get()
    }

    /// Returns the deletion policy; an empty one is [`DeletionPolicy::MirrorPrune`].
    ///
    /// An unknown value cannot be stored with the stock CRD. Should one arrive all the same, nothing is deleted:
    /// it counts as [`DeletionPolicy::Orphan`].
    pub fn deletion_policy(&self) -> DeletionPolicy {
        match self.spec.deletion_policy.as_str() {
            "" | "MirrorPrune" => DeletionPolicy::MirrorPrune,
            "Delete" => DeletionPolicy::Delete,
            "WaitForTermination" => DeletionPolicy::WaitForTermination,
            _ => DeletionPolicy::Orphan,
        }
    }
}
