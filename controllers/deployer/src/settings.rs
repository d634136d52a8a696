//! What an operator chooses about any deployer.

use std::sync::Arc;
use std::time::Duration;

use artifact_consumer::Access;
use cloud_auth::Tokens;
use controller_kit::Backoff;
use controller_kit::cloud::CloudNetwork;
use kube::core::Selector;
use kubeconfig::Permits;

/// Settings that all deployers have; the defaults are stock's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which objects are ours (`--watch-label-selector`).
    pub selector: Selector,
    /// Namespace that the controller runs in (`RUNTIME_NAMESPACE`), which it never deletes.
    pub own_namespace: String,
    /// Whether objects that a live stock controller selects too are left alone (`--interlock`).
    pub interlock: bool,
    /// How many objects are reconciled at once (`--concurrent`).
    pub concurrent: usize,
    /// How long to wait for a dependency or an artifact before looking again without an event
    /// (`--requeue-dependency`).
    pub requeue_dependency: Duration,
    /// Retries of a download that fails for the moment (`--http-retry`).
    pub http_retry: u32,
    /// Which sources may be referred to (`--no-cross-namespace-refs`, `--allowed-source-kinds`).
    pub access: Access,
    /// Service account of objects that name none (`--default-service-account`); empty for the controller's.
    pub default_service_account: String,
    /// Percentage by which the interval is spread (`--interval-jitter-percentage`).
    pub interval_jitter: u8,
    /// Back-off after errors that have no interval of their own.
    pub backoff: Backoff,
    /// Whether a failed object ends health checks early (gate `DisableFailFastBehavior` turns it off).
    pub fail_fast: bool,
    /// Whether a dependency has to be ready even if an expression says that it is (gate `AdditiveCELDependencyCheck`).
    pub checks_dependencies_twice: bool,
    /// Labels that mark ConfigMaps and Secrets whose changes reconcile at once (`--watch-configs-label-selector`);
    /// none are watched when absent (gate `DisableConfigWatchers`).
    pub watch_configs: Option<String>,
    /// What is permitted with clusters that objects name.
    pub kube_config: KubeConfigSettings,
}

/// What an operator chooses about clusters that objects name.
#[derive(Clone, Debug)]
pub struct KubeConfigSettings {
    /// What kubeconfigs may ask for (`--insecure-kubeconfig-exec`, `--insecure-kubeconfig-tls`).
    pub permits: Permits,
    /// How many clusters are kept at once, with their watches (`--max-remote-clusters`).
    pub most_clusters: usize,
    /// Tokens of clouds, for clusters that a ConfigMap names and for whoever else needs some.
    pub workload: WorkloadIdentity,
}

/// What an operator chooses about tokens of clouds and of the cluster.
#[derive(Clone, Debug)]
pub struct WorkloadIdentity {
    /// The service account of ConfigMaps that name none (`--default-kubeconfig-service-account`); empty for the controller
    /// itself.
    pub default_account: String,
    /// Whether tokens are asked for service accounts of objects (gate `ObjectLevelWorkloadIdentity`).
    pub is_enabled: bool,
    /// Tokens that are kept (`--token-cache-max-size`, `--token-cache-max-duration`).
    pub tokens: Arc<Tokens>,
    /// How clouds are asked.
    pub network: CloudNetwork,
}

impl Default for WorkloadIdentity {
    fn default() -> Self {
        Self {
            default_account: String::new(),
            is_enabled: false,
            tokens: Arc::new(Tokens::new(100, Duration::from_hours(1))),
            network: CloudNetwork::new(None, "the environment of the controller"),
        }
    }
}

impl Default for KubeConfigSettings {
    fn default() -> Self {
        Self {
            permits: Permits::default(),
            most_clusters: 100,
            workload: WorkloadIdentity::default(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            selector: Selector::default(),
            own_namespace: "flux-system".to_owned(),
            interlock: true,
            concurrent: 4,
            requeue_dependency: Duration::from_secs(30),
            http_retry: 9,
            access: Access::default(),
            default_service_account: String::new(),
            interval_jitter: 5,
            backoff: Backoff::default(),
            fail_fast: true,
            checks_dependencies_twice: false,
            watch_configs: Some(format!("{}=Enabled", flux_api::WATCH_LABEL)),
            kube_config: KubeConfigSettings::default(),
        }
    }
}
