//! What a HelmRelease says about single actions, and what follows when one fails.

use serde::{Deserialize, Serialize};

use super::{HelmReleaseSpec, HelmReleaseStatus, ReleaseAction};
use crate::decode::{UnknownFields, first_below, is_default, or_default};
use crate::{Duration, DurationError, GoDuration, IgnoreRule};

/// How to install.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Install {
    /// Limit; absent means that of the HelmRelease.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<Duration>,
    /// Whether a failure is remedied or retried.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: Option<ActionStrategy>,
    /// How a failure is remedied.
    #[serde(skip_serializing_if = "is_default")]
    pub remediation: Option<InstallRemediation>,
    /// Whether objects that exist already are left to their owners, so that the action fails.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_take_ownership: bool,
    /// Whether readiness is not awaited.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_wait: bool,
    /// Whether the end of Jobs is not awaited.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_wait_for_jobs: bool,
    /// Whether hooks are left out.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_hooks: bool,
    /// Whether manifests are not checked against the cluster's OpenAPI schema.
    #[serde(rename = "disableOpenAPIValidation", skip_serializing_if = "is_default")]
    pub disable_open_api_validation: bool,
    /// Whether values are not checked against the chart's schema.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_schema_validation: bool,
    /// Whether the name of an uninstalled release that left its records is taken again.
    #[serde(skip_serializing_if = "is_default")]
    pub replace: bool,
    /// Without effect; `crds` decides.
    #[serde(rename = "skipCRDs", skip_serializing_if = "is_default")]
    pub skip_crds: bool,
    /// `Skip`, `Create` (also when empty) or `CreateReplace`.
    #[serde(skip_serializing_if = "is_default")]
    pub crds: String,
    /// Whether the target namespace is created.
    #[serde(skip_serializing_if = "is_default")]
    pub create_namespace: bool,
    /// Whether objects are applied server-side; absent means that they are.
    #[serde(skip_serializing_if = "is_default")]
    pub server_side_apply: Option<bool>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Whether a failed action is remedied or retried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ActionStrategy {
    /// `RemediateOnFailure` or `RetryOnFailure`.
    pub name: String,
    /// Time to the next attempt with `RetryOnFailure`; absent means 5 min.
    #[serde(skip_serializing_if = "is_default")]
    pub retry_interval: Option<Duration>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// How a failed install is remedied: by uninstalling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct InstallRemediation {
    /// How many times to try again; a negative number means for ever.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: i64,
    /// Whether failed tests are no failure; absent means as `test.ignoreFailures` says.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_test_failures: Option<bool>,
    /// Whether the last failure is remedied too; absent means not.
    #[serde(skip_serializing_if = "is_default")]
    pub remediate_last_failure: Option<bool>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// How to upgrade.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Upgrade {
    /// Limit; absent means that of the HelmRelease.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<Duration>,
    /// Whether a failure is remedied or retried.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: Option<ActionStrategy>,
    /// How a failure is remedied.
    #[serde(skip_serializing_if = "is_default")]
    pub remediation: Option<UpgradeRemediation>,
    /// Whether objects that exist already are left to their owners, so that the action fails.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_take_ownership: bool,
    /// Whether readiness is not awaited.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_wait: bool,
    /// Whether the end of Jobs is not awaited.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_wait_for_jobs: bool,
    /// Whether hooks are left out.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_hooks: bool,
    /// Whether manifests are not checked against the cluster's OpenAPI schema.
    #[serde(rename = "disableOpenAPIValidation", skip_serializing_if = "is_default")]
    pub disable_open_api_validation: bool,
    /// Whether values are not checked against the chart's schema.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_schema_validation: bool,
    /// Whether objects are replaced where they are applied client-side.
    #[serde(skip_serializing_if = "is_default")]
    pub force: bool,
    /// Whether the values of the last release are the base of the new ones.
    #[serde(skip_serializing_if = "is_default")]
    pub preserve_values: bool,
    /// Whether what a failed upgrade created is deleted.
    #[serde(skip_serializing_if = "is_default")]
    pub cleanup_on_fail: bool,
    /// `Skip`, `Create` (also when empty) or `CreateReplace`.
    #[serde(skip_serializing_if = "is_default")]
    pub crds: String,
    /// `enabled`, `disabled` or `auto` (also when empty: as the last release was applied).
    #[serde(skip_serializing_if = "is_default")]
    pub server_side_apply: String,
    /// `Reinstall` (also when empty) or `InPlaceUpdate`.
    #[serde(skip_serializing_if = "is_default")]
    pub chart_name_change_strategy: String,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// How a failed upgrade is remedied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UpgradeRemediation {
    /// How many times to try again; a negative number means for ever.
    #[serde(skip_serializing_if = "is_default")]
    pub retries: i64,
    /// Whether failed tests are no failure; absent means as `test.ignoreFailures` says.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_test_failures: Option<bool>,
    /// Whether the last failure is remedied too; absent means if there are retries.
    #[serde(skip_serializing_if = "is_default")]
    pub remediate_last_failure: Option<bool>,
    /// `rollback` (also when absent) or `uninstall`.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: Option<String>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// Whether and how to run the tests of the chart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Test {
    /// Whether tests run after an install or upgrade.
    #[serde(skip_serializing_if = "is_default")]
    pub enable: bool,
    /// Limit; absent means that of the HelmRelease.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<Duration>,
    /// Whether failed tests are no failure.
    #[serde(skip_serializing_if = "is_default")]
    pub ignore_failures: bool,
    /// Which tests run.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub filters: Vec<TestFilter>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// A test that is to run, or not to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TestFilter {
    /// Name of the test.
    pub name: String,
    /// Whether it is not to run.
    #[serde(skip_serializing_if = "is_default")]
    pub exclude: bool,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// How to roll back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Rollback {
    /// Limit; absent means that of the HelmRelease.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<Duration>,
    /// Whether readiness is not awaited.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_wait: bool,
    /// Whether the end of Jobs is not awaited.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_wait_for_jobs: bool,
    /// Whether hooks are left out.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_hooks: bool,
    /// Without effect.
    #[serde(skip_serializing_if = "is_default")]
    pub recreate: bool,
    /// Whether objects are replaced where they are applied client-side.
    #[serde(skip_serializing_if = "is_default")]
    pub force: bool,
    /// Whether what a failed rollback created is deleted.
    #[serde(skip_serializing_if = "is_default")]
    pub cleanup_on_fail: bool,
    /// `enabled`, `disabled` or `auto` (also when empty: as the last release was applied).
    #[serde(skip_serializing_if = "is_default")]
    pub server_side_apply: String,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// How to uninstall.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Uninstall {
    /// Limit; absent means that of the HelmRelease.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<Duration>,
    /// Whether hooks are left out.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_hooks: bool,
    /// Whether the records stay.
    #[serde(skip_serializing_if = "is_default")]
    pub keep_history: bool,
    /// Whether the end of the objects is not awaited.
    #[serde(skip_serializing_if = "is_default")]
    pub disable_wait: bool,
    /// `background` (also when absent), `foreground` or `orphan`.
    #[serde(skip_serializing_if = "is_default")]
    pub deletion_propagation: Option<String>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// What happens when applied objects were changed by somebody else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DriftDetection {
    /// `enabled`, `warn` or `disabled` (also when empty).
    #[serde(skip_serializing_if = "is_default")]
    pub mode: String,
    /// Changes that are left alone.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "or_default")]
    pub ignore: Vec<IgnoreRule>,
    /// Fields of a newer definition.
    #[serde(flatten)]
    pub unknown: UnknownFields,
}

/// What to do about a failed release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemediationStrategy {
    /// Go back to the release before.
    Rollback,
    /// Uninstall it.
    Uninstall,
}

/// How the failures of the action that was tried last are remedied, with all defaults filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remediation {
    /// The action that was tried last.
    pub action: ReleaseAction,
    /// How many times to try again; a negative number means for ever.
    pub retries: i64,
    /// Whether failed tests are no failure.
    pub ignore_test_failures: bool,
    /// Whether the last failure is remedied too.
    pub remediate_last_failure: bool,
    /// What to do; nothing if the object names what nobody knows.
    pub strategy: Option<RemediationStrategy>,
}

impl Remediation {
    /// Returns how often the action has failed.
    pub fn failures(&self, status: &HelmReleaseStatus) -> i64 {
        match self.action {
            ReleaseAction::Install => status.install_failures,
            _ => status.upgrade_failures,
        }
    }

    /// Returns whether no attempt is left.
    pub fn is_exhausted(&self, status: &HelmReleaseStatus) -> bool {
        self.retries >= 0 && self.failures(status) > self.retries
    }

    /// Counts a failure of the action.
    pub fn count(&self, status: &mut HelmReleaseStatus) {
        match self.action {
            ReleaseAction::Install => status.install_failures += 1,
            _ => status.upgrade_failures += 1,
        }
    }

    /// Returns whether an upgrade is remedied by uninstalling, after which the release is installed anew.
    pub fn is_uninstall_after_upgrade(&self) -> bool {
        self.action == ReleaseAction::Upgrade && self.strategy == Some(RemediationStrategy::Uninstall)
    }
}

/// The time to the next attempt when none is given.
const DEFAULT_RETRY_INTERVAL: GoDuration = GoDuration::from_nanos(300_000_000_000);

impl ActionStrategy {
    /// Returns whether a failure is retried instead of remedied.
    pub fn is_retry(&self) -> bool {
        self.name == "RetryOnFailure"
    }

    /// Returns the time to the next attempt.
    pub fn retry_interval(&self) -> Result<GoDuration, &DurationError> {
        self.retry_interval
            .as_ref()
            .map_or(Ok(DEFAULT_RETRY_INTERVAL), Duration::get)
    }
}

impl DriftDetection {
    /// Returns whether the cluster is compared with the release.
    pub fn detects(&self) -> bool {
        self.corrects() || self.mode == "warn"
    }

    /// Returns whether differences are mended.
    pub fn corrects(&self) -> bool {
        self.mode == "enabled"
    }
}

impl HelmReleaseSpec {
    /// Returns whether tests run.
    pub fn tests_enabled(&self) -> bool {
        self.test.as_ref().is_some_and(|test| test.enable)
    }

    /// Returns whether failed tests are no failure, unless a remediation says otherwise.
    pub fn ignores_test_failures(&self) -> bool {
        self.test.as_ref().is_some_and(|test| test.ignore_failures)
    }

    /// Returns how failures of an action are remedied; only installs and upgrades are.
    pub fn remediation(&self, action: ReleaseAction) -> Option<Remediation> {
        let ignored = self.ignores_test_failures();
        match action {
            ReleaseAction::Install => {
                let given = self
                    .install
                    .as_ref()
                    .and_then(|install| install.remediation.as_ref());
                let given = given.cloned().unwrap_or_default();
                Some(Remediation {
                    action,
                    retries: given.retries,
                    ignore_test_failures: given.ignore_test_failures.unwrap_or(ignored),
                    remediate_last_failure: given.remediate_last_failure.unwrap_or(false),
                    strategy: Some(RemediationStrategy::Uninstall),
                })
            }
            ReleaseAction::Upgrade => {
                let given = self
                    .upgrade
                    .as_ref()
                    .and_then(|upgrade| upgrade.remediation.as_ref());
                let given = given.cloned().unwrap_or_default();
                Some(Remediation {
                    action,
                    retries: given.retries,
                    ignore_test_failures: given.ignore_test_failures.unwrap_or(ignored),
                    remediate_last_failure: given.remediate_last_failure.unwrap_or(given.retries > 0),
                    strategy: match given.strategy.as_deref() {
                        None | Some("rollback") => Some(RemediationStrategy::Rollback),
                        Some("uninstall") => Some(RemediationStrategy::Uninstall),
                        Some(_) => None,
                    },
                })
            }
            _ => None,
        }
    }

    /// Returns the strategy by which failures of an action are retried, if they are; `by_default` says whether they are
    /// when the object says nothing.
    pub fn retry(&self, action: ReleaseAction, by_default: bool) -> Option<ActionStrategy> {
        let given = match action {
            ReleaseAction::Install => self
                .install
                .as_ref()
                .and_then(|install| install.strategy.as_ref()),
            ReleaseAction::Upgrade => self
                .upgrade
                .as_ref()
                .and_then(|upgrade| upgrade.strategy.as_ref()),
            _ => return None,
        };
        match given {
            Some(strategy) => Some(strategy.clone()).filter(ActionStrategy::is_retry),
            None => by_default.then(|| ActionStrategy {
                name: "RetryOnFailure".to_owned(),
                ..ActionStrategy::default()
            }),
        }
    }
}

impl Install {
    pub(super) fn unknown_field(&self, at: &str) -> Option<String> {
        let strategy = || self.strategy.as_ref()?.unknown.first(&format!("{at}strategy."));
        let remediation = || {
            self.remediation
                .as_ref()?
                .unknown
                .first(&format!("{at}remediation."))
        };
        self.unknown.first(at).or_else(strategy).or_else(remediation)
    }
}

impl Upgrade {
    pub(super) fn unknown_field(&self, at: &str) -> Option<String> {
        let strategy = || self.strategy.as_ref()?.unknown.first(&format!("{at}strategy."));
        let remediation = || {
            self.remediation
                .as_ref()?
                .unknown
                .first(&format!("{at}remediation."))
        };
        self.unknown.first(at).or_else(strategy).or_else(remediation)
    }
}

impl Test {
    pub(super) fn unknown_field(&self, at: &str) -> Option<String> {
        let filters = || {
            first_below(&format!("{at}filters"), &self.filters, |filter, at| {
                filter.unknown.first(at)
            })
        };
        self.unknown.first(at).or_else(filters)
    }
}

impl DriftDetection {
    pub(super) fn unknown_field(&self, at: &str) -> Option<String> {
        let rules = || {
            first_below(&format!("{at}ignore"), &self.ignore, |rule, at| {
                let target = || rule.target.as_ref()?.unknown.first(&format!("{at}target."));
                rule.unknown.first(at).or_else(target)
            })
        };
        self.unknown.first(at).or_else(rules)
    }
}
