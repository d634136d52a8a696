//! The status of a HelmRelease.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::{Deserialize, Serialize};

use super::{ActionStrategy, HelmReleaseSpec, ReleaseHistory, Remediation};
use crate::decode::{is_default, or_default};
use crate::{Duration, Inventory};

/// What was done to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseAction {
    /// It was installed.
    Install,
    /// It was upgraded.
    Upgrade,
    /// It was rolled back.
    Rollback,
    /// It was uninstalled.
    Uninstall,
    /// It was uninstalled because it had failed.
    UninstallRemediation,
}

impl ReleaseAction {
    /// Returns the text that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Uninstall => "uninstall",
            Self::UninstallRemediation => "uninstall-remediation",
        }
    }
}

impl fmt::Display for ReleaseAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the controller did last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmReleaseStatus {
    /// The last generation that was reconciled; -1 before the first.
    #[serde(skip_serializing_if = "is_default")]
    pub observed_generation: i64,
    /// Digest of `spec.postRenderers` as it was reconciled last.
    #[serde(skip_serializing_if = "is_default")]
    pub observed_post_renderers_digest: String,
    /// Digest of `spec.commonMetadata` as it was reconciled last.
    #[serde(skip_serializing_if = "is_default")]
    pub observed_common_metadata_digest: String,
    /// The last generation that was tried.
    #[serde(skip_serializing_if = "is_default")]
    pub last_attempted_generation: i64,
    /// `Ready`, `Reconciling`, `Stalled`, `Released`, `TestSuccess`, `Remediated` and `Drifted`.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub conditions: Vec<Condition>,
    /// Namespace and name of the HelmChart that was made; see [`HelmReleaseStatus::helm_chart`].
    #[serde(skip_serializing_if = "is_default")]
    pub helm_chart: String,
    /// Namespace of the release records; empty as long as nothing was released.
    #[serde(skip_serializing_if = "is_default")]
    pub storage_namespace: String,
    /// The releases that were made.
    #[serde(skip_serializing_if = "is_default")]
    pub history: ReleaseHistory,
    /// The objects of the release.
    #[serde(skip_serializing_if = "is_default")]
    pub inventory: Option<Inventory>,
    /// What was tried last, `install` or `upgrade`.
    #[serde(skip_serializing_if = "is_default")]
    pub last_attempted_release_action: String,
    /// How long that took.
    #[serde(skip_serializing_if = "is_default")]
    pub last_attempted_release_action_duration: Option<Duration>,
    /// How many runs failed in a row.
    #[serde(skip_serializing_if = "is_default")]
    pub failures: i64,
    /// How many installs failed.
    #[serde(skip_serializing_if = "is_default")]
    pub install_failures: i64,
    /// How many upgrades failed.
    #[serde(skip_serializing_if = "is_default")]
    pub upgrade_failures: i64,
    /// Version of the chart that was tried last.
    #[serde(skip_serializing_if = "is_default")]
    pub last_attempted_revision: String,
    /// Digest of the OCI artifact that was tried last.
    #[serde(skip_serializing_if = "is_default")]
    pub last_attempted_revision_digest: String,
    /// SHA-1 of the values, as old versions wrote it.
    #[serde(skip_serializing_if = "is_default")]
    pub last_attempted_values_checksum: String,
    /// Revision of the last release, as old versions wrote it.
    #[serde(skip_serializing_if = "is_default")]
    pub last_release_revision: i64,
    /// Digest of the values that were tried last.
    #[serde(skip_serializing_if = "is_default")]
    pub last_attempted_config_digest: String,
    /// The `reconcile.fluxcd.io/resetAt` value that was handled last.
    #[serde(skip_serializing_if = "is_default")]
    pub last_handled_reset_at: String,
    /// The `reconcile.fluxcd.io/requestedAt` value that was handled last.
    #[serde(skip_serializing_if = "is_default")]
    pub last_handled_reconcile_at: String,
    /// The `reconcile.fluxcd.io/forceAt` value that was handled last.
    #[serde(skip_serializing_if = "is_default")]
    pub last_handled_force_at: String,
}

impl HelmReleaseStatus {
    /// Returns namespace and name of the HelmChart that was made, if there is one.
    pub fn helm_chart(&self) -> Option<(&str, &str)> {
        self.helm_chart.split_once('/')
    }

    /// Forgets all failures.
    pub fn clear_failures(&mut self) {
        self.failures = 0;
        self.install_failures = 0;
        self.upgrade_failures = 0;
    }

    /// Returns what was tried last; only installs and upgrades count.
    pub fn attempted(&self) -> Option<ReleaseAction> {
        match self.last_attempted_release_action.as_str() {
            "install" => Some(ReleaseAction::Install),
            "upgrade" => Some(ReleaseAction::Upgrade),
            _ => None,
        }
    }

    /// Returns how a failure of what was tried last is remedied; nothing if nothing was tried.
    pub fn active_remediation(&self, spec: &HelmReleaseSpec) -> Option<Remediation> {
        spec.remediation(self.attempted()?)
    }

    /// Returns the strategy by which what was tried last is retried, if it is.
    pub fn active_retry(&self, spec: &HelmReleaseSpec, by_default: bool) -> Option<ActionStrategy> {
        spec.retry(self.attempted()?, by_default)
    }
}
