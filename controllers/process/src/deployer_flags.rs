//! The flags that all deployers have; names and defaults are stock's where stock has the flag.

use std::sync::Arc;
use std::time::Duration;

use artifact_consumer::Access;
use clap::{ArgAction, Args};
use cloud_auth::Tokens;
use controller_kit::{Backoff, selector};
use flux_deployer::{KubeConfigSettings, Permits, WorkloadIdentity};

use crate::flags::own_namespace;
use crate::values::{boolean, duration, integer, percentage};

/// Flags of a deployer.
#[derive(Args, Clone, Debug)]
pub struct DeployerFlags {
    /// Objects to reconcile, by labels; empty for all.
    #[arg(long, default_value = "sharding.fluxcd.io/key=openflux")]
    pub watch_label_selector: String,
    /// Leave objects alone that a live stock controller selects too, as its Deployment's arguments say.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub interlock: bool,
    /// ConfigMaps and Secrets whose changes reconcile at once, by labels.
    #[arg(long, default_value = "reconcile.fluxcd.io/watch=Enabled")]
    pub watch_configs_label_selector: String,
    /// Source kinds that may be referred to, as Kind or group/Kind; empty for all. Repeatable.
    #[arg(long, value_delimiter = ',')]
    pub allowed_source_kinds: Vec<String>,
    /// How many objects are reconciled at once.
    #[arg(long, default_value_t = 4, value_parser = integer::<usize>)]
    pub concurrent: usize,
    /// Pause before missing artifacts and dependencies are looked at again without an event.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub requeue_dependency: Duration,
    /// Retries of a download that fails for the moment.
    #[arg(long, default_value_t = 9, value_parser = integer::<u32>)]
    pub http_retry: u32,
    /// Refuse sources in other namespaces.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub no_cross_namespace_refs: bool,
    /// Service account of objects that name none.
    #[arg(long, default_value = "")]
    pub default_service_account: String,
    /// Run the commands that kubeconfigs of other clusters name to get credentials.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub insecure_kubeconfig_exec: bool,
    /// Let kubeconfigs of other clusters switch off the verification of certificates.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub insecure_kubeconfig_tls: bool,
    /// Service account of ConfigMaps of spec.kubeConfig that name none.
    #[arg(long, default_value = "")]
    pub default_kubeconfig_service_account: String,
    /// Tokens of clouds and other clusters that are kept; zero for none.
    #[arg(long, default_value_t = 100, value_parser = integer::<i64>, allow_negative_numbers = true)]
    pub token_cache_max_size: i64,
    /// How long tokens of clouds and other clusters are kept at most, up to an hour.
    #[arg(long, value_parser = duration, default_value = "1h")]
    pub token_cache_max_duration: Duration,
    /// Other clusters that are kept at once, with their watches; beyond them the one not used for longest is dropped until it
    /// is needed.
    #[arg(long, default_value_t = 100, value_parser = integer::<usize>)]
    pub max_remote_clusters: usize,
    /// Field managers to take over besides kubectl's. Repeatable.
    #[arg(long)]
    pub override_manager: Vec<String>,
    /// Percentage by which intervals are spread.
    #[arg(long, default_value_t = 5, value_parser = percentage)]
    pub interval_jitter_percentage: u8,
    /// First delay after an error.
    #[arg(long, value_parser = duration, default_value = "750ms")]
    pub min_retry_delay: Duration,
    /// Longest delay after errors.
    #[arg(long, value_parser = duration, default_value = "15m")]
    pub max_retry_delay: Duration,
    /// Feature gates, as Name=true,Name=false.
    #[arg(long, value_delimiter = ',')]
    pub feature_gates: Vec<String>,
}

/// What feature gates change about any deployer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeployerGates {
    /// Sources may be of other kinds than Flux's own (`ExternalArtifact`).
    pub external_artifact: bool,
    /// Labelled ConfigMaps and Secrets are watched (`DisableConfigWatchers` turns it off).
    pub config_watchers: bool,
    /// A failed object ends health checks early (`DisableFailFastBehavior` turns it off).
    pub fail_fast: bool,
    /// A dependency has to be ready even if an expression says that it is (`AdditiveCELDependencyCheck`).
    pub additive_cel_dependency_check: bool,
    /// Tokens may be those of service accounts of objects (`ObjectLevelWorkloadIdentity`).
    pub object_level_workload_identity: bool,
}

impl Default for DeployerGates {
    fn default() -> Self {
        Self {
            external_artifact: true,
            config_watchers: true,
            fail_fast: true,
            additive_cel_dependency_check: false,
            object_level_workload_identity: false,
        }
    }
}

/// Why a default service account is refused.
pub const NO_GATE: &str =
    "cannot set default service accounts when the feature gate ObjectLevelWorkloadIdentity is not enabled";

/// A flag that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("--{flag}: {reason}")]
pub struct FlagError {
    /// Name of the flag.
    pub flag: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl DeployerFlags {
    fn workload(&self, gates: DeployerGates) -> Result<WorkloadIdentity, FlagError> {
        if !gates.object_level_workload_identity && !self.default_kubeconfig_service_account.is_empty() {
            return Err(FlagError {
                flag: "default-kubeconfig-service-account",
                reason: NO_GATE.to_owned(),
            });
        }
        let most = usize::try_from(self.token_cache_max_size).unwrap_or_default();
        Ok(WorkloadIdentity {
            default_account: self.default_kubeconfig_service_account.clone(),
            is_enabled: gates.object_level_workload_identity,
            tokens: Arc::new(Tokens::new(most, self.token_cache_max_duration)),
            ..WorkloadIdentity::default()
        })
    }

    /// Gives the settings of a deployer.
    ///
    /// # Errors
    /// A label selector that is none, or a service account without the gate that it needs.
    pub fn settings(&self, gates: &DeployerGates) -> Result<flux_deployer::Settings, FlagError> {
        let selector = |flag, text: &str| selector::parse(text).map_err(|reason| FlagError { flag, reason });
        selector("watch-configs-label-selector", &self.watch_configs_label_selector)?;
        Ok(flux_deployer::Settings {
            selector: selector("watch-label-selector", &self.watch_label_selector)?,
            own_namespace: own_namespace(),
            interlock: self.interlock,
            concurrent: self.concurrent,
            requeue_dependency: self.requeue_dependency,
            http_retry: self.http_retry,
            access: Access {
                no_cross_namespace_refs: self.no_cross_namespace_refs,
                allowed_kinds: self.allowed_source_kinds.clone(),
                no_external_artifacts: !gates.external_artifact,
            },
            default_service_account: self.default_service_account.clone(),
            interval_jitter: self.interval_jitter_percentage,
            backoff: Backoff {
                min: self.min_retry_delay,
                max: self.max_retry_delay,
            },
            fail_fast: gates.fail_fast,
            checks_dependencies_twice: gates.additive_cel_dependency_check,
            watch_configs: gates
                .config_watchers
                .then(|| self.watch_configs_label_selector.clone()),
            kube_config: KubeConfigSettings {
                permits: Permits {
                    exec: self.insecure_kubeconfig_exec,
                    insecure_tls: self.insecure_kubeconfig_tls,
                },
                most_clusters: self.max_remote_clusters,
                workload: self.workload(*gates)?,
            },
        })
    }
}
