//! `HelmRelease`, `helm.toolkit.fluxcd.io/v2`, as helm-controller 1.6.4 defines it.
//!
//! The files form a circle, as the parts of the kind do: a strategy asks the status how often it was tried, and the status
//! asks the spec what that means.

mod actions;
mod chart;
mod deployed;
mod history;
mod names;
mod spec;
mod status;

pub use actions::{
    ActionStrategy, DriftDetection, Install, InstallRemediation, Remediation, RemediationStrategy, Rollback,
    Test, TestFilter, Uninstall, Upgrade, UpgradeRemediation,
};
pub use chart::{
    ChartReference, HelmChartTemplate, HelmChartTemplateMeta, HelmChartTemplateSpec, HelmChartVerification,
};
pub use history::{
    RELEASE_HISTORY_MAX_SIZE, ReleaseHistory, ReleaseSnapshot, SNAPSHOT_API_VERSION, TestHook,
};
pub use names::shorten_release_name;
pub use spec::{HelmReleaseSpec, KustomizePostRenderer, PostRendererSpec, ValuesReference, WaitStrategy};
pub use status::{HelmReleaseStatus, ReleaseAction};

use crate::kind::api_kind;

api_kind! {
    /// A Helm release: a chart, values, and how to bring them into a cluster.
    HelmRelease {
        spec: HelmReleaseSpec,
        status: HelmReleaseStatus,
        group: "helm.toolkit.fluxcd.io",
        version: "v2",
        plural: "helmreleases"
    }
}

#[cfg(test)]
mod tests;
