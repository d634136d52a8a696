//! The flags of `openflux-controller run`: those of stock kustomize-controller, and our own.

use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use crate::inert::InertFlags;
use crate::values::{boolean, duration, integer, percentage};

/// Flags of the controllers. Names and defaults are stock's where stock has the flag.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunFlags {
    /// Controllers to run.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "sources,kustomize")]
    pub(crate) controllers: Vec<Controller>,
    /// Kustomizations to reconcile, by labels; empty for all.
    #[arg(long, default_value = "sharding.fluxcd.io/key=openflux")]
    pub(crate) watch_label_selector: String,
    /// Leave objects alone that a live stock controller selects too, as its Deployment's arguments say.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) interlock: bool,
    /// Watch all namespaces, or only that of RUNTIME_NAMESPACE.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) watch_all_namespaces: bool,
    /// ConfigMaps and Secrets whose changes reconcile at once, by labels.
    #[arg(long, default_value = "reconcile.fluxcd.io/watch=Enabled")]
    pub(crate) watch_configs_label_selector: String,
    /// Hosts that artifacts may come from: host, *.suffix or address, with an optional port. Repeatable.
    #[arg(long, value_delimiter = ',', default_value = "*.svc,*.svc.cluster.local")]
    pub(crate) artifact_hosts: Vec<String>,
    /// Longest artifact as served, in bytes.
    #[arg(long, default_value_t = 128 << 20)]
    pub(crate) artifact_max_bytes: usize,
    /// Longest artifact once uncompressed, in bytes.
    #[arg(long, default_value_t = 256 << 20)]
    pub(crate) artifact_max_unpacked_bytes: u64,
    /// Most entries of an artifact.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) artifact_max_entries: usize,
    /// Bytes of unpacked artifacts to keep in memory.
    #[arg(long, default_value_t = 64 << 20)]
    pub(crate) artifact_cache_bytes: usize,
    /// Source kinds that may be referred to, as Kind or group/Kind; empty for all. Repeatable.
    #[arg(long, value_delimiter = ',')]
    pub(crate) allowed_source_kinds: Vec<String>,
    /// How many sources are mirrored at once.
    #[arg(long, default_value_t = 16, value_parser = integer::<usize>)]
    pub(crate) concurrent_sources: usize,

    /// How many Kustomizations are reconciled at once.
    #[arg(long, default_value_t = 4, value_parser = integer::<usize>)]
    pub(crate) concurrent: usize,
    /// How many objects of one Kustomization are verified at once.
    #[arg(long, default_value_t = 4, value_parser = integer::<usize>)]
    pub(crate) concurrent_ssa: usize,
    /// Pause before missing artifacts and dependencies are looked at again without an event.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub(crate) requeue_dependency: Duration,
    /// Retries of a download that fails for the moment.
    #[arg(long, default_value_t = 9, value_parser = integer::<u32>)]
    pub(crate) http_retry: u32,
    /// Refuse kustomize bases on other machines.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) no_remote_bases: bool,
    /// The only hosts that kustomize bases may come from: host, *.suffix, address or network, with an optional port. By
    /// default all but this machine, link-local and metadata addresses, and the cluster's services. Repeatable.
    #[arg(long, value_delimiter = ',')]
    pub(crate) remote_base_hosts: Vec<String>,
    /// Refuse sources in other namespaces.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) no_cross_namespace_refs: bool,
    /// Service account of Kustomizations that name none.
    #[arg(long, default_value = "")]
    pub(crate) default_service_account: String,
    /// Field managers to take over besides kubectl's. Repeatable.
    #[arg(long)]
    pub(crate) override_manager: Vec<String>,
    /// Kinds of the custom apply stage, as Kind or group/Kind.
    #[arg(long, value_delimiter = ',')]
    pub(crate) custom_apply_stage_kinds: Vec<String>,
    /// Percentage by which intervals are spread.
    #[arg(long, default_value_t = 5, value_parser = percentage)]
    pub(crate) interval_jitter_percentage: u8,
    /// First delay after an error.
    #[arg(long, value_parser = duration, default_value = "750ms")]
    pub(crate) min_retry_delay: Duration,
    /// Longest delay after errors.
    #[arg(long, value_parser = duration, default_value = "15m")]
    pub(crate) max_retry_delay: Duration,
    /// Feature gates, as Name=true,Name=false.
    #[arg(long, value_delimiter = ',')]
    pub(crate) feature_gates: Vec<String>,

    /// Address of notification-controller; empty for none.
    #[arg(long, default_value = "")]
    pub(crate) events_addr: String,
    /// Address of /metrics; 0 for none.
    #[arg(long, default_value = ":8080")]
    pub(crate) metrics_addr: String,
    /// Address of /healthz and /readyz; 0 for none.
    #[arg(long, default_value = ":9440")]
    pub(crate) health_addr: String,
    /// Log level.
    #[arg(long, default_value = "info", value_parser = ["trace", "debug", "info", "error"])]
    pub(crate) log_level: String,
    /// Log encoding.
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) log_encoding: LogEncoding,

    /// Hold a Lease, so that one process at a time reconciles.
    #[arg(long, default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) enable_leader_election: bool,
    /// Give the Lease back at shutdown.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    pub(crate) leader_election_release_on_cancel: bool,
    /// How long a holder that stopped renewing is respected.
    #[arg(long, value_parser = duration, default_value = "35s")]
    pub(crate) leader_election_lease_duration: Duration,
    /// How long renewing may fail.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub(crate) leader_election_renew_deadline: Duration,
    /// Pause between attempts.
    #[arg(long, value_parser = duration, default_value = "5s")]
    pub(crate) leader_election_retry_period: Duration,
    /// Time for runs in progress to end at shutdown.
    #[arg(long, value_parser = duration, default_value = "30s")]
    pub(crate) graceful_shutdown_timeout: Duration,

    #[command(flatten)]
    pub(crate) inert: InertFlags,
}

/// A controller of this binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Controller {
    /// Mirror Flux sources into Artifacts.
    Sources,
    /// Deploy Kustomizations.
    Kustomize,
    /// Offer the Artifacts of custom sources to stock controllers, as ExternalArtifacts.
    Bridge,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogEncoding {
    /// One JSON object a line.
    Json,
    /// Lines for people.
    Console,
}
