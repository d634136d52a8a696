//! Flags of stock kustomize-controller and helm-controller that change nothing here, each with its reason.

use clap::Args;
use controller_process::values::{duration, integer};

/// Flags that are accepted, so that one set of arguments serves both controllers.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Accepted without effect")]
pub(crate) struct InertFlags {
    /// Requests to the API server a second; as in stock, its priority and fairness decides instead.
    #[arg(long, allow_negative_numbers = true)]
    pub(crate) kube_api_qps: Option<f32>,
    /// Requests to the API server at once; as in stock, its priority and fairness decides instead.
    #[arg(long, value_parser = integer::<i64>, allow_negative_numbers = true)]
    pub(crate) kube_api_burst: Option<i64>,
    /// Service account for spec.kubeConfig.configMapRef, which is refused.
    #[arg(long)]
    pub(crate) default_kubeconfig_service_account: Option<String>,
    /// Time for a download; what counts here is that data keeps coming.
    #[arg(long, value_parser = duration)]
    pub(crate) http_timeout: Option<std::time::Duration>,
    /// Cloud tokens to keep; nothing that needs one is supported.
    #[arg(long, value_parser = integer::<i64>, allow_negative_numbers = true)]
    pub(crate) token_cache_max_size: Option<i64>,
    /// How long cloud tokens are kept; nothing that needs one is supported.
    #[arg(long, value_parser = duration)]
    pub(crate) token_cache_max_duration: Option<std::time::Duration>,
}

const PRIORITY: &str = "the API server's priority and fairness decides instead";
const KUBE_CONFIG: &str = "objects with spec.kubeConfig.configMapRef are refused";
const DOWNLOADS: &str = "a download may take as long as data keeps coming";
const TOKENS: &str = "nothing that needs a cloud token is supported";

impl InertFlags {
    /// Says which flags were given.
    pub(crate) fn tell(&self) {
        for (flag, reason) in self.given() {
            tracing::info!("--{flag} changes nothing: {reason}");
        }
    }

    /// The flags that were given, each with the reason why it changes nothing.
    fn given(&self) -> Vec<(&'static str, &'static str)> {
        let Self {
            kube_api_qps,
            kube_api_burst,
            default_kubeconfig_service_account,
            http_timeout,
            token_cache_max_size,
            token_cache_max_duration,
        } = self;
        let named = |name: &Option<String>| name.as_ref().is_some_and(|name| !name.is_empty());
        [
            (kube_api_qps.is_some(), "kube-api-qps", PRIORITY),
            (kube_api_burst.is_some(), "kube-api-burst", PRIORITY),
            (
                named(default_kubeconfig_service_account),
                "default-kubeconfig-service-account",
                KUBE_CONFIG,
            ),
            (http_timeout.is_some(), "http-timeout", DOWNLOADS),
            (token_cache_max_size.is_some(), "token-cache-max-size", TOKENS),
            (
                token_cache_max_duration.is_some(),
                "token-cache-max-duration",
                TOKENS,
            ),
        ]
        .into_iter()
        .filter_map(|(given, flag, reason)| given.then_some((flag, reason)))
        .collect()
    }

    /// Whether an account is named that stock uses only with its gate `ObjectLevelWorkloadIdentity`.
    pub(crate) fn needs_workload_identity(&self) -> bool {
        let account = self.default_kubeconfig_service_account.as_ref();
        account.is_some_and(|account| !account.is_empty())
    }
}
