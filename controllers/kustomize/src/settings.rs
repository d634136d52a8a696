//! What an operator chooses about the controller.

use std::time::Duration;

use artifact_consumer::Access;
use controller_kit::Backoff;
use controller_kit::apply::CustomStage;
use kube::core::Selector;

use crate::RemoteBases;

/// Settings of the kustomize controller; the defaults are stock's, but that remote bases need a client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which Kustomizations are ours (`--watch-label-selector`).
    pub selector: Selector,
    /// Namespace that the controller runs in (`RUNTIME_NAMESPACE`), which it never deletes.
    pub own_namespace: String,
    /// Whether objects that a live stock controller selects too are left alone (`--interlock`).
    pub interlock: bool,
    /// How many Kustomizations are reconciled at once (`--concurrent`).
    pub concurrent: usize,
    /// How many objects of one Kustomization are verified at once (`--concurrent-ssa`).
    pub concurrent_ssa: usize,
    /// How long to wait for a dependency or an artifact before looking again without an event
    /// (`--requeue-dependency`).
    pub requeue_dependency: Duration,
    /// Retries of a download that fails for the moment (`--http-retry`).
    pub http_retry: u32,
    /// Which sources may be referred to (`--no-cross-namespace-refs`, `--allowed-source-kinds`).
    pub access: Access,
    /// What kustomizations may fetch from other machines; nothing when absent (`--no-remote-bases`).
    pub remote_bases: Option<RemoteBases>,
    /// Service account of Kustomizations that name none (`--default-service-account`); empty for the controller's.
    pub default_service_account: String,
    /// Kinds of the custom apply stage (`--custom-apply-stage-kinds`).
    pub custom_stage: CustomStage,
    /// Percentage by which the interval is spread (`--interval-jitter-percentage`).
    pub interval_jitter: u8,
    /// Back-off after errors that have no interval of their own.
    pub backoff: Backoff,
    /// Whether variables that are not set are errors (gate `StrictPostBuildSubstitutions`).
    pub strict_substitution: bool,
    /// Whether a failed object ends health checks early (gate `DisableFailFastBehavior` turns it off).
    pub fail_fast: bool,
    /// Whether entries of `managedFields` are moved to the applied API version (gate `MigrateAPIVersion`).
    pub migrate_api_version: bool,
    /// Whether logged change sets are grouped by action (gate `GroupChangeLog`).
    pub group_change_log: bool,
    /// Labels that mark ConfigMaps and Secrets whose changes reconcile at once (`--watch-configs-label-selector`);
    /// none are watched when absent (gate `DisableConfigWatchers`).
    pub watch_configs: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            selector: Selector::default(),
            own_namespace: "flux-system".to_owned(),
            interlock: true,
            concurrent: 4,
            concurrent_ssa: 4,
            requeue_dependency: Duration::from_secs(30),
            http_retry: 9,
            access: Access::default(),
            remote_bases: None,
            default_service_account: String::new(),
            custom_stage: CustomStage::default(),
            interval_jitter: 5,
            backoff: Backoff::default(),
            strict_substitution: true,
            fail_fast: true,
            migrate_api_version: false,
            group_change_log: false,
            watch_configs: Some(format!("{}=Enabled", flux_api::WATCH_LABEL)),
        }
    }
}
