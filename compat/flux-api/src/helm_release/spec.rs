//! The spec of a HelmRelease, except for what it says about single actions and about the chart.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ChartReference, DriftDetection, HelmChartTemplate, HelmRelease, Install, Rollback, Test, Uninstall,
    Upgrade,
};
use crate::decode::{UnknownFields, first_below, is_default, or_default};
use crate::{
    CommonMetadata, CustomHealthCheck, DependencyReference, Duration, DurationError, GoDuration, Image,
    KubeConfigReference, Patch,
};

/// What to release, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmReleaseSpec {
    /// The HelmChart to make; exactly one of this and `chart_ref` is set.
    #[serde(skip_serializing_if = "is_default")]
    pub chart: Option<HelmChartTemplate>,
    /// The object whose artifact is the chart.
    #[serde(skip_serializing_if = "is_default")]
    pub chart_ref: Option<ChartReference>,
    /// Time between two reconciliations.
    pub interval: Duration,
    /// Credentials of the cluster to release to; absent means the controller's own cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub kube_config: Option<KubeConfigReference>,
    /// Whether reconciliation is switched off.
    #[serde(skip_serializing_if = "is_default")]
    pub suspend: bool,
    /// Name of the release; see [`HelmRelease::release_name`].
    #[serde(skip_serializing_if = "is_default")]
    pub release_name: String,
    /// Namespace of the release; see [`HelmRelease::release_namespace`].
    #[serde(skip_serializing_if = "is_default")]
    pub target_namespace: String,
    /// Namespace of the release records; see [`HelmRelease::storage_namespace`].
    #[serde(skip_serializing_if = "is_default")]
    pub storage_namespace: String,
    /// HelmReleases that must be ready first.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub depends_on: Vec<DependencyReference>,
    /// Limit for each operation; see [`HelmRelease::timeout`].
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<Duration>,
    /// How many records Helm keeps; see [`HelmRelease::max_history`].
    #[serde(skip_serializing_if = "is_default")]
    pub max_history: Option<i64>,
    /// Service account to impersonate, in the namespace of the HelmRelease.
    #[serde(skip_serializing_if = "is_default")]
    pub service_account_name: String,
    /// Whether what is known of the cluster's kinds is kept for a whole run; absent means that it is.
    #[serde(skip_serializing_if = "is_default")]
    pub persistent_client: Option<bool>,
    /// What happens when applied objects were changed by somebody else.
    #[serde(skip_serializing_if = "is_default")]
    pub drift_detection: Option<DriftDetection>,
    /// How to install; see [`HelmReleaseSpec::install`].
    #[serde(skip_serializing_if = "is_default")]
    pub install: Option<Install>,
    /// How to upgrade.
    #[serde(skip_serializing_if = "is_default")]
    pub upgrade: Option<Upgrade>,
    /// Whether and how to run the tests of the chart.
    #[serde(skip_serializing_if = "is_default")]
    pub test: Option<Test>,
    /// How to roll back.
    #[serde(skip_serializing_if = "is_default")]
    pub rollback: Option<Rollback>,
    /// How to uninstall.
    #[serde(skip_serializing_if = "is_default")]
    pub uninstall: Option<Uninstall>,
    /// ConfigMaps and Secrets that hold values; later ones win.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub values_from: Vec<ValuesReference>,
    /// Values; they win over those of `values_from`.
    #[serde(skip_serializing_if = "is_default")]
    pub values: Option<Value>,
    /// Labels and annotations put on every object.
    #[serde(skip_serializing_if = "is_default")]
    pub common_metadata: Option<CommonMetadata>,
    /// What is done to rendered manifests; an empty list is not the same as none, for its digest is another.
    #[serde(skip_serializing_if = "is_default")]
    pub post_renderers: Option<Vec<PostRendererSpec>>,
    /// How hooks go through the post-renderers: `combined` (also when empty), `separate` or `nohooks`.
    #[serde(skip_serializing_if = "is_default")]
    pub post_render_strategy: String,
    /// How readiness is judged.
    #[serde(skip_serializing_if = "is_default")]
    pub wait_strategy: Option<WaitStrategy>,
    /// CEL expressions for the health of custom kinds.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub health_check_exprs: Vec<CustomHealthCheck>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// A ConfigMap or Secret that holds values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ValuesReference {
    /// `ConfigMap` or `Secret`.
    pub kind: String,
    /// Name, in the namespace of the HelmRelease.
    pub name: String,
    /// Key of the values; empty means `values.yaml`.
    #[serde(skip_serializing_if = "is_default")]
    pub values_key: String,
    /// Where the value goes, in the syntax of `helm --set`; empty means that a whole file of values is merged.
    #[serde(skip_serializing_if = "is_default")]
    pub target_path: String,
    /// Whether the object may be absent.
    #[serde(skip_serializing_if = "is_default")]
    pub optional: bool,
    /// Whether the value is taken as it is, as with `helm --set-literal`.
    #[serde(skip_serializing_if = "is_default")]
    pub literal: bool,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// One step of post-rendering.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PostRendererSpec {
    /// Patches and images, as kustomize applies them.
    #[serde(skip_serializing_if = "is_default")]
    pub kustomize: Option<KustomizePostRenderer>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Patches and images, as kustomize applies them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KustomizePostRenderer {
    /// Strategic merge and JSON 6902 patches.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub patches: Vec<Patch>,
    /// Image replacements.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub images: Vec<Image>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// How readiness is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct WaitStrategy {
    /// `poller` (kstatus) or `legacy` (as Helm 3).
    pub name: String,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// The timeout when none is given.
pub(super) const DEFAULT_TIMEOUT: GoDuration = GoDuration::from_nanos(300_000_000_000);
/// How many records are kept when nothing is said.
const DEFAULT_MAX_HISTORY: i64 = 5;

impl HelmReleaseSpec {
    /// Returns the path of a field that these types do not have, because a newer definition added it.
    pub fn unknown_field(&self) -> Option<String> {
        let own = self.unknown.first("");
        let chart = || self.chart.as_ref()?.unknown_field("chart.");
        let reference = || self.chart_ref.as_ref()?.unknown.first("chartRef.");
        let metadata = || self.common_metadata.as_ref()?.unknown.first("commonMetadata.");
        let wait = || self.wait_strategy.as_ref()?.unknown.first("waitStrategy.");
        let drift = || self.drift_detection.as_ref()?.unknown_field("driftDetection.");
        let dependency = || first_below("dependsOn", &self.depends_on, |item, at| item.unknown.first(at));
        let remote = || self.kube_config.as_ref()?.unknown.first("kubeConfig.");
        let expressions = || {
            let checks = &self.health_check_exprs;
            first_below("healthCheckExprs", checks, |item, at| item.unknown.first(at))
        };
        let values = || first_below("valuesFrom", &self.values_from, |item, at| item.unknown.first(at));
        let post_renderer = || {
            let steps = self.post_renderers.as_deref().unwrap_or_default();
            first_below("postRenderers", steps, PostRendererSpec::unknown_field)
        };
        let actions = || {
            let install = || self.install.as_ref()?.unknown_field("install.");
            let upgrade = || self.upgrade.as_ref()?.unknown_field("upgrade.");
            let test = || self.test.as_ref()?.unknown_field("test.");
            let rollback = || self.rollback.as_ref()?.unknown.first("rollback.");
            let uninstall = || self.uninstall.as_ref()?.unknown.first("uninstall.");
            install()
                .or_else(upgrade)
                .or_else(test)
                .or_else(rollback)
                .or_else(uninstall)
        };
        own.or_else(chart)
            .or_else(reference)
            .or_else(metadata)
            .or_else(wait)
            .or_else(drift)
            .or_else(dependency)
            .or_else(remote)
            .or_else(expressions)
            .or_else(values)
            .or_else(post_renderer)
            .or_else(actions)
    }
}

impl PostRendererSpec {
    fn unknown_field(&self, at: &str) -> Option<String> {
        let step = || {
            let (step, at) = (self.kustomize.as_ref()?, format!("{at}kustomize."));
            let patch = || {
                first_below(&format!("{at}patches"), &step.patches, |patch, at| {
                    let target = || patch.target.as_ref()?.unknown.first(&format!("{at}target."));
                    patch.unknown.first(at).or_else(target)
                })
            };
            let image = || {
                first_below(&format!("{at}images"), &step.images, |image, at| {
                    image.unknown.first(at)
                })
            };
            step.unknown.first(&at).or_else(patch).or_else(image)
        };
        self.unknown.first(at).or_else(step)
    }
}

impl HelmRelease {
    /// Returns the limit for actions that have none of their own: `timeout`, else 5 min.
    pub fn timeout(&self) -> Result<GoDuration, &DurationError> {
        self.spec
            .timeout
            .as_ref()
            .map_or(Ok(DEFAULT_TIMEOUT), Duration::get)
    }

    /// Returns how many records Helm keeps; 0 means all.
    pub fn max_history(&self) -> i64 {
        self.spec.max_history.unwrap_or(DEFAULT_MAX_HISTORY)
    }

    /// Returns whether what is known of the cluster's kinds is kept for a whole run.
    pub fn uses_persistent_client(&self) -> bool {
        self.spec.persistent_client.unwrap_or(true)
    }
}
