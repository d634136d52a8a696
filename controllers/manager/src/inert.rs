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
    /// Time for a download; what counts here is that data keeps coming.
    #[arg(long, value_parser = duration)]
    pub(crate) http_timeout: Option<std::time::Duration>,
}

const PRIORITY: &str = "the API server's priority and fairness decides instead";
const DOWNLOADS: &str = "a download may take as long as data keeps coming";

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
            http_timeout,
        } = self;
        [
            (kube_api_qps.is_some(), "kube-api-qps", PRIORITY),
            (kube_api_burst.is_some(), "kube-api-burst", PRIORITY),
            (http_timeout.is_some(), "http-timeout", DOWNLOADS),
        ]
        .into_iter()
        .filter_map(|(given, flag, reason)| given.then_some((flag, reason)))
        .collect()
    }
}
