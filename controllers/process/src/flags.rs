//! The flags of any program of controllers; names and defaults are stock's.

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use controller_kit::logging;

use crate::values::{boolean, duration};

/// Flags of the process as such.
#[derive(Args, Clone, Debug)]
pub struct ProcessFlags {
    /// Watch all namespaces, or only that of RUNTIME_NAMESPACE.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub watch_all_namespaces: bool,
    /// Address of notification-controller; empty for none.
    #[arg(long, default_value = "")]
    pub events_addr: String,
    /// Address of /metrics, and of /debug/runs and /debug/watches for this machine; 0 for none.
    #[arg(long, default_value = ":8080")]
    pub metrics_addr: String,
    /// Address of /healthz and /readyz; 0 for none.
    #[arg(long, default_value = ":9440")]
    pub health_addr: String,
    /// Log level.
    #[arg(long, default_value = "info", value_parser = ["trace", "debug", "info", "error"])]
    pub log_level: String,
    /// Log encoding.
    #[arg(long, value_enum, default_value = "json")]
    pub log_encoding: LogEncoding,

    /// Hold a Lease, so that one process at a time reconciles.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub enable_leader_election: bool,
    /// Give the Lease back at shutdown.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub leader_election_release_on_cancel: bool,
    /// How long a holder that stopped renewing is respected.
    #[arg(long, value_parser = duration, default_value = "35s")]
    pub leader_election_lease_duration: Duration,
    /// How long renewing may fail.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub leader_election_renew_deadline: Duration,
    /// Pause between attempts.
    #[arg(long, value_parser = duration, default_value = "5s")]
    pub leader_election_retry_period: Duration,
    /// Time for runs in progress to end at shutdown.
    #[arg(long, value_parser = duration, default_value = "600s")]
    pub graceful_shutdown_timeout: Duration,

    /// Flags of whoever reads artifacts.
    #[command(flatten)]
    pub artifacts: ArtifactFlags,
}

/// Flags of whoever reads artifacts.
#[derive(Args, Clone, Debug)]
pub struct ArtifactFlags {
    /// Hosts that artifacts may come from: host, *.suffix or address, with an optional port. Repeatable.
    #[arg(long, value_delimiter = ',', default_value = "*.svc,*.svc.cluster.local")]
    pub artifact_hosts: Vec<String>,
    /// Longest artifact as served, in bytes.
    #[arg(long, default_value_t = 128 << 20)]
    pub artifact_max_bytes: usize,
    /// Longest artifact once uncompressed, in bytes.
    #[arg(long, default_value_t = 256 << 20)]
    pub artifact_max_unpacked_bytes: u64,
    /// Most entries of an artifact.
    #[arg(long, default_value_t = 100_000)]
    pub artifact_max_entries: usize,
    /// Bytes of unpacked artifacts to keep in memory; 0 to download for each run.
    #[arg(long, default_value_t = 64 << 20)]
    pub artifact_cache_bytes: usize,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogEncoding {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Console,
}

impl From<LogEncoding> for logging::Encoding {
    fn from(encoding: LogEncoding) -> Self {
        match encoding {
            LogEncoding::Json => Self::Json,
            LogEncoding::Console => Self::Console,
        }
    }
}

/// Gives the namespace that the process runs in: `RUNTIME_NAMESPACE`, or `flux-system`.
pub fn own_namespace() -> String {
    std::env::var("RUNTIME_NAMESPACE")
        .ok()
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or_else(|| "flux-system".to_owned())
}
