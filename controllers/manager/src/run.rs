//! `openflux-controller run`: connects, and runs the controllers until a signal.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use artifact_consumer::Access;
use artifact_crd::Artifact;
use controller_kit::apply::CustomStage;
use controller_kit::artifact::{
    CacheLimits, ContentCache, FetchOptions, Fetcher, HostAllowList, StandIns, UnpackLimits,
};
use controller_kit::events::{self, EventRecorder};
use controller_kit::http::HostList;
use controller_kit::leader::{LeaderOptions, lead, lease_name};
use controller_kit::object::GroupKind;
use controller_kit::server::{Endpoint, bind, serve};
use controller_kit::{Backoff, Metrics, Rest, SharedWatch, logging, selector};
use flux_sources::AdapterOptions;
use kube::{Api, Client};
use kustomize_controller::{CONTROLLER, Connections, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bases;
use crate::flags::{Controller, LogEncoding, RunFlags};
use crate::gates::Gates;

const MAX_WORKER_THREADS: usize = 4;

/// Longest time for which a connection to the API server may be silent while it is read from.
const SILENCE: Duration = Duration::from_secs(330);

/// Runs the controllers until SIGTERM or SIGINT.
///
/// # Errors
/// A flag that cannot be read, an address in use, no cluster, or a lost Lease.
pub(crate) fn run(flags: RunFlags) -> anyhow::Result<()> {
    let encoding = match flags.log_encoding {
        LogEncoding::Json => logging::Encoding::Json,
        LogEncoding::Console => logging::Encoding::Console,
    };
    logging::init(&flags.log_level, encoding).map_err(|error| anyhow!(error))?;
    // The controllers wait for the API server most of the time: more threads would only take memory.
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(MAX_WORKER_THREADS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    let result = runtime.block_on(manage(flags));
    // What is still running has had its time.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn manage(flags: RunFlags) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    // First of all: until then a signal ends the process at once, and as the first process of a container it is lost.
    tokio::spawn(Signals::listen()?.stop(shutdown.clone()));
    // All TLS of the process uses one provider; only a second installation could fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let settings = settings(&flags)?;
    let hosts =
        HostAllowList::parse(flags.artifact_hosts.iter().map(String::as_str)).context("--artifact-hosts")?;
    let bases = bases::hosts(&flags)?;
    let metrics = Metrics::new()?;
    let client = connect(&metrics).await?;
    let synced = CancellationToken::new();
    let tasks = TaskTracker::new();
    let endpoints = [
        (
            &flags.metrics_addr,
            "--metrics-addr",
            Endpoint::Metrics(metrics.clone()),
        ),
        (
            &flags.health_addr,
            "--health-addr",
            Endpoint::Health(synced.clone()),
        ),
    ];
    for (address, flag, endpoint) in endpoints {
        if let Some(listener) = bind(address)
            .await
            .with_context(|| format!("{flag}: cannot listen on {address}"))?
        {
            tasks.spawn(serve(listener, endpoint, shutdown.clone()));
        }
    }
    let host = hostname::get().map_or_else(
        |_| "unknown".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    let rest = Rest::new(client.clone());
    let (recorder, sink) = events::recorder(rest.clone(), CONTROLLER, &host, &flags.events_addr)?;
    tasks.spawn(sink.run(shutdown.clone()));

    let watched = if flags.watch_all_namespaces {
        Api::all(client.clone())
    } else {
        Api::namespaced(client.clone(), &runtime_namespace())
    };
    let process = Process {
        flags,
        client,
        artifacts: SharedWatch::new(watched, shutdown.clone()),
        rest,
        metrics,
        recorder,
        host,
        hosts,
        shutdown: shutdown.clone(),
    };
    let lost = CancellationToken::new();
    let mirrored = CancellationToken::new();
    if process.flags.controllers.contains(&Controller::Sources) {
        let mirrored = mirrored.clone();
        let run = |client, artifacts, options, metrics, events, shutdown| {
            flux_sources::run(client, artifacts, options, metrics, events, mirrored, shutdown)
        };
        tasks.spawn(
            process
                .clone()
                .run_sources(run, "openflux-source-adapter", lost.clone()),
        );
    } else {
        // Whoever mirrors is another process, of which nothing is known here.
        mirrored.cancel();
    }
    if process.flags.controllers.contains(&Controller::Bridge) {
        let bridge =
            process
                .clone()
                .run_sources(flux_sources::run_bridge, "openflux-artifact-bridge", lost.clone());
        tasks.spawn(bridge);
    }
    if process.flags.controllers.contains(&Controller::Kustomize) {
        let content = process.content_cache()?;
        tasks.spawn(
            process
                .clone()
                .run_kustomize(settings, bases, content, mirrored, synced, lost.clone()),
        );
    } else {
        synced.cancel();
    }
    let grace = process.flags.graceful_shutdown_timeout;
    drop(process);
    tasks.close();
    let ended = async {
        shutdown.cancelled().await;
        if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
            tracing::warn!(
                "not everything ended within the graceful shutdown timeout; the next start goes on from there"
            );
        }
    };
    tokio::select! {
        // Another process may lead by now: what is in progress must not write any more, so it gets no time to end.
        () = lost.cancelled() => Err(anyhow!("leader election lost")),
        () = ended => Ok(()),
    }
}

/// What all controllers of the process share.
#[derive(Clone)]
struct Process {
    flags: RunFlags,
    client: Client,
    /// Kept once for all controllers; each follows it while it leads.
    artifacts: SharedWatch<Artifact>,
    rest: Rest,
    metrics: Metrics,
    recorder: EventRecorder,
    host: String,
    hosts: HostAllowList,
    shutdown: CancellationToken,
}

impl Process {
    /// Runs the source adapters or the bridge, which are connected to the same.
    async fn run_sources<F: Future<Output = ()>>(
        self,
        run: impl FnOnce(
            Client,
            SharedWatch<Artifact>,
            AdapterOptions,
            Metrics,
            EventRecorder,
            CancellationToken,
        ) -> F,
        name: &str,
        lost: CancellationToken,
    ) {
        let options = AdapterOptions {
            hosts: self.hosts.clone(),
            namespace: self.namespace(),
            concurrency: self.flags.concurrent_sources,
        };
        let (client, artifacts, metrics) =
            (self.client.clone(), self.artifacts.clone(), self.metrics.clone());
        let recorder = self.recorder.reporting_as(name);
        let shutdown = self.shutdown.clone();
        let controller = Box::pin(run(client, artifacts, options, metrics, recorder, shutdown));
        self.as_leader(name, "", lost, controller).await;
    }

    async fn run_kustomize(
        self,
        mut settings: Settings,
        bases: Option<HostList>,
        content: Arc<ContentCache>,
        mirrored: CancellationToken,
        synced: CancellationToken,
        lost: CancellationToken,
    ) {
        if !self.flags.no_remote_bases {
            let networks = bases::service_networks(self.client.clone());
            let Some(closed) = self.shutdown.run_until_cancelled(networks).await else {
                return;
            };
            match bases::remote_bases(bases, closed) {
                Ok(bases) => settings.remote_bases = Some(bases),
                Err(error) => tracing::error!(%error, "remote bases are refused"),
            }
        }
        let connections = Connections {
            client: self.client.clone(),
            artifacts: self.artifacts.clone(),
            content,
            recorder: self.recorder.clone(),
            metrics: self.metrics.clone(),
            namespace: self.namespace(),
            overridden_managers: self.flags.override_manager.clone(),
            mirrored,
        };
        let selector = self.flags.watch_label_selector.clone();
        if self.flags.enable_leader_election {
            // A stand-by is ready too: it serves its probes and waits for the Lease.
            synced.cancel();
        }
        let controller = Box::pin(kustomize_controller::run(
            connections,
            settings,
            synced,
            self.shutdown.clone(),
        ));
        self.as_leader(CONTROLLER, &selector, lost, controller).await;
    }

    /// Runs `controller` while holding its Lease, where leader election is on.
    async fn as_leader(
        &self,
        name: &str,
        selector: &str,
        lost: CancellationToken,
        controller: impl Future<Output = ()>,
    ) {
        let flags = &self.flags;
        if !flags.enable_leader_election {
            return controller.await;
        }
        let options = LeaderOptions {
            namespace: runtime_namespace(),
            name: lease_name(name, selector),
            identity: format!("{}_{:016x}", self.host, random_identity()),
            lease_duration: flags.leader_election_lease_duration,
            renew_deadline: flags.leader_election_renew_deadline,
            retry_period: flags.leader_election_retry_period,
            release_on_cancel: flags.leader_election_release_on_cancel,
        };
        let lease = options.name.clone();
        let Some(leadership) = lead(self.rest.clone(), options, self.shutdown.clone()).await else {
            return;
        };
        self.metrics.set_leader(&lease, true);
        tokio::select! {
            () = controller => {}
            () = leadership.lost.cancelled() => {
                self.metrics.set_leader(&lease, false);
                lost.cancel();
                return;
            }
        }
        leadership.release().await;
    }

    fn namespace(&self) -> Option<String> {
        (!self.flags.watch_all_namespaces).then(runtime_namespace)
    }

    fn content_cache(&self) -> anyhow::Result<Arc<ContentCache>> {
        let flags = &self.flags;
        let options = FetchOptions {
            hosts: self.hosts.clone(),
            max_bytes: flags.artifact_max_bytes,
            stand_ins: StandIns::from_environment(),
            ..FetchOptions::default()
        };
        let fetcher = Fetcher::new(options).context("cannot read the certificates of the system")?;
        let unpack = UnpackLimits {
            bytes: flags.artifact_max_unpacked_bytes,
            entries: flags.artifact_max_entries,
        };
        let limits = CacheLimits {
            bytes: flags.artifact_cache_bytes,
        };
        Ok(Arc::new(ContentCache::new(
            fetcher,
            unpack,
            limits,
            self.metrics.clone(),
        )))
    }
}

fn settings(flags: &RunFlags) -> anyhow::Result<Settings> {
    let gates = Gates::parse(&flags.feature_gates).map_err(|error| anyhow!(error))?;
    if flags.inert.needs_workload_identity() && !gates.object_level_workload_identity {
        return Err(anyhow!(
            "cannot set default service accounts when the feature gate ObjectLevelWorkloadIdentity is not enabled"
        ));
    }
    for (flag, reason) in flags.inert.given() {
        tracing::info!("--{flag} changes nothing: {reason}");
    }
    let selector = selector::parse(&flags.watch_label_selector);
    selector::parse(&flags.watch_configs_label_selector)
        .map_err(|error| anyhow!("--watch-configs-label-selector: {error}"))?;
    let deployer = flux_deployer::Settings {
        selector: selector.map_err(|error| anyhow!("--watch-label-selector: {error}"))?,
        own_namespace: runtime_namespace(),
        interlock: flags.interlock,
        concurrent: flags.concurrent,
        requeue_dependency: flags.requeue_dependency,
        http_retry: flags.http_retry,
        access: Access {
            no_cross_namespace_refs: flags.no_cross_namespace_refs,
            allowed_kinds: flags.allowed_source_kinds.clone(),
            no_external_artifacts: !gates.external_artifact,
        },
        default_service_account: flags.default_service_account.clone(),
        interval_jitter: flags.interval_jitter_percentage,
        backoff: Backoff {
            min: flags.min_retry_delay,
            max: flags.max_retry_delay,
        },
        fail_fast: !gates.disable_fail_fast_behavior,
        watch_configs: gates
            .config_watchers
            .then(|| flags.watch_configs_label_selector.clone()),
    };
    Ok(Settings {
        deployer,
        concurrent_ssa: flags.concurrent_ssa,
        // They need a client, and that the cluster's networks.
        remote_bases: None,
        custom_stage: CustomStage(
            flags
                .custom_apply_stage_kinds
                .iter()
                .map(|text| group_kind(text))
                .collect(),
        ),
        strict_substitution: gates.strict_post_build_substitutions,
        migrate_api_version: gates.migrate_api_version,
        group_change_log: gates.group_change_log,
    })
}

fn group_kind(text: &str) -> GroupKind {
    let (group, kind) = text.rsplit_once('/').unwrap_or(("", text));
    GroupKind {
        group: group.to_owned(),
        kind: kind.to_owned(),
    }
}

async fn connect(metrics: &Metrics) -> anyhow::Result<Client> {
    let mut config = kube::Config::infer()
        .await
        .context("no cluster: set KUBECONFIG, or run inside a cluster with a service account")?;
    config.connect_timeout = Some(Duration::from_secs(10));
    // For lists, which have no time-out of their own; a watch that has nothing to tell ends after less than that.
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    // The client's own retries go on for minutes; requests have theirs, and watches.
    config.default_retry = false;
    controller_kit::connect(config, metrics).context("cannot set up the Kubernetes client")
}

fn runtime_namespace() -> String {
    std::env::var("RUNTIME_NAMESPACE")
        .ok()
        .filter(|namespace| !namespace.is_empty())
        .unwrap_or_else(|| "flux-system".to_owned())
}

/// Distinguishes processes of one host name, as client-go's random suffix does.
fn random_identity() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

/// The signals that ask the process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first signal, then fires `shutdown`.
    async fn stop(mut self, shutdown: CancellationToken) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        shutdown.cancel();
    }
}
