//! The process that all of its controllers share: connection, probes, metrics, events, Lease and end.

use std::future::Future;
use std::sync::Arc;

use artifact_crd::Artifact;
use artifact_producer::{Storage, StorageError, StorageSettings};
use controller_kit::artifact::{
    CacheLimits, ContentCache, FetchOptions, Fetcher, HostAllowList, StandIns, UnpackLimits,
};
use controller_kit::events::{self, EventRecorder};
use controller_kit::leader::{LeaderOptions, lead, lease_name};
use controller_kit::server::{Endpoint, bind, serve};
use controller_kit::{Metrics, Rest, SharedWatch, logging};
use flux_deployer::Connections;
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::deployer_flags::{DeployerFlags, FlagError};
use crate::flags::{ProcessFlags, own_namespace};
use crate::signals::Signals;

/// Why a process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Logs cannot be written as asked.
    #[error("--log-level: {0}")]
    Logging(String),
    /// Signals cannot be heard.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// A flag cannot be read.
    #[error(transparent)]
    Flag(#[from] FlagError),
    /// A family of metrics is not valid, which is a bug.
    #[error("cannot register metrics: {0}")]
    Metrics(String),
    /// It is not known where the cluster is.
    #[error("no cluster: set KUBECONFIG, or run inside a cluster with a service account: {0}")]
    NoCluster(Box<kube::config::InferConfigError>),
    /// The connection to the cluster cannot be made.
    #[error("cannot set up the Kubernetes client: {0}")]
    Client(Box<kube::Error>),
    /// An address is not valid, or in use.
    #[error("--{flag}: cannot listen on {address}: {reason}")]
    Bind {
        /// Name of the flag.
        flag: &'static str,
        /// Its value.
        address: String,
        /// What is wrong.
        reason: std::io::Error,
    },
    /// The system's certificates cannot be read.
    #[error("cannot read the certificates of the system: {0}")]
    Certificates(std::io::Error),
}

/// Another process may lead by now.
#[derive(Debug, thiserror::Error)]
#[error("leader election lost")]
pub struct LeadershipLost;

/// What all controllers of a process share; clones are the same process.
#[derive(Clone)]
pub struct Process {
    shared: Arc<Shared>,
}

struct Shared {
    flags: ProcessFlags,
    client: Client,
    /// Kept once for all controllers; each follows it while it leads.
    artifacts: SharedWatch<Artifact>,
    rest: Rest,
    metrics: Metrics,
    recorder: EventRecorder,
    host: String,
    hosts: HostAllowList,
    content: Arc<ContentCache>,
    tasks: TaskTracker,
    ready: CancellationToken,
    mirrored: CancellationToken,
    lost: CancellationToken,
    shutdown: CancellationToken,
}

impl Process {
    /// Begins to log, to listen for signals and to serve metrics and probes, and connects to the cluster.
    ///
    /// Events are reported by `reporter`, such as `kustomize-controller`, unless a controller has a name of its own.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(flags: ProcessFlags, reporter: &str) -> Result<Self, StartError> {
        let shutdown = CancellationToken::new();
        // First of all: until then a signal ends the process at once, and as the first process of a container it is lost.
        let signals = Signals::listen().map_err(StartError::Signals)?;
        tokio::spawn(signals.stop(shutdown.clone()));
        logging::init(&flags.log_level, flags.log_encoding.into()).map_err(StartError::Logging)?;
        // All TLS of the process uses one provider; only a second installation could fail.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let hosts = flags.artifacts.artifact_hosts.iter().map(String::as_str);
        let hosts = HostAllowList::parse(hosts).map_err(|error| FlagError {
            flag: "artifact-hosts",
            reason: error.to_string(),
        })?;
        let metrics = Metrics::new().map_err(|error| StartError::Metrics(error.to_string()))?;
        let client = connect(&metrics).await?;
        let (ready, tasks) = (CancellationToken::new(), TaskTracker::new());
        let endpoints = [
            (
                "metrics-addr",
                &flags.metrics_addr,
                Endpoint::Metrics(metrics.clone()),
            ),
            ("health-addr", &flags.health_addr, Endpoint::Health(ready.clone())),
        ];
        for (flag, address, endpoint) in endpoints {
            let listener = bind(address).await.map_err(|reason| StartError::Bind {
                flag,
                address: address.clone(),
                reason,
            })?;
            if let Some(listener) = listener {
                tasks.spawn(serve(listener, endpoint, shutdown.clone()));
            }
        }
        let host = hostname::get().map_or_else(
            |_| "unknown".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        let rest = Rest::new(client.clone());
        let recorder = events::recorder(rest.clone(), reporter, &host, &flags.events_addr);
        let (recorder, sink) = recorder.map_err(StartError::Certificates)?;
        tasks.spawn(sink.run(shutdown.clone()));
        let watched = if flags.watch_all_namespaces {
            Api::all(client.clone())
        } else {
            Api::namespaced(client.clone(), &own_namespace())
        };
        let content = Arc::new(content_cache(&flags, &hosts, &metrics)?);
        let shared = Arc::new(Shared {
            artifacts: SharedWatch::new(watched, shutdown.clone()),
            flags,
            client,
            rest,
            metrics,
            recorder,
            host,
            hosts,
            content,
            tasks,
            ready,
            mirrored: CancellationToken::new(),
            lost: CancellationToken::new(),
            shutdown,
        });
        Ok(Self { shared })
    }

    /// Runs a controller beside the others; the end of the process waits for it.
    pub fn spawn(&self, controller: impl Future<Output = ()> + Send + 'static) {
        self.shared.tasks.spawn(controller);
    }

    /// Runs `controller` while holding its Lease, where leader election is on.
    ///
    /// A label selector makes the Lease one of its own. A controller whose Lease is lost is dropped, and the process ends.
    pub async fn as_leader(&self, name: &str, selector: &str, controller: impl Future<Output = ()>) {
        let (shared, flags) = (&self.shared, &self.shared.flags);
        if !flags.enable_leader_election {
            return controller.await;
        }
        let options = LeaderOptions {
            namespace: own_namespace(),
            name: lease_name(name, selector),
            identity: format!("{}_{:016x}", shared.host, random_identity()),
            lease_duration: flags.leader_election_lease_duration,
            renew_deadline: flags.leader_election_renew_deadline,
            retry_period: flags.leader_election_retry_period,
            release_on_cancel: flags.leader_election_release_on_cancel,
        };
        let lease = options.name.clone();
        let leading = lead(shared.rest.clone(), options, shared.shutdown.clone());
        let Some(leadership) = leading.await else {
            return;
        };
        shared.metrics.set_leader(&lease, true);
        tokio::select! {
            () = controller => {}
            () = leadership.lost.cancelled() => {
                shared.metrics.set_leader(&lease, false);
                shared.lost.cancel();
                return;
            }
        }
        leadership.release().await;
    }

    /// Waits for a signal, then for the controllers to end, for as long as the flags say.
    ///
    /// # Errors
    /// A Lease was lost: what is in progress must not write any more, so that it gets no time to end.
    pub async fn until_signal(self) -> Result<(), LeadershipLost> {
        let shared = self.shared;
        shared.tasks.close();
        let (tasks, shutdown, lost) = (shared.tasks.clone(), shared.shutdown.clone(), shared.lost.clone());
        let grace = shared.flags.graceful_shutdown_timeout;
        // The delivery of events ends when nobody can record one any more.
        drop(shared);
        let ended = async {
            shutdown.cancelled().await;
            if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
                tracing::warn!(
                    "not everything ended within the graceful shutdown timeout; the next start goes on from there"
                );
            }
        };
        tokio::select! {
            () = lost.cancelled() => Err(LeadershipLost),
            () = ended => Ok(()),
        }
    }

    /// Gives what a deployer is connected to.
    pub fn connections(&self, flags: &DeployerFlags) -> Connections {
        Connections {
            client: self.client(),
            artifacts: self.artifacts(),
            content: Arc::clone(&self.shared.content),
            recorder: self.recorder(),
            metrics: self.metrics(),
            namespace: self.namespace(),
            overridden_managers: flags.override_manager.clone(),
            mirrored: self.mirrored(),
            questions: None,
        }
    }

    /// Gives the flags that the process was started with.
    pub fn flags(&self) -> &ProcessFlags {
        &self.shared.flags
    }

    /// Gives the client that acts as the process.
    pub fn client(&self) -> Client {
        self.shared.client.clone()
    }

    /// Gives the watch of Artifacts.
    pub fn artifacts(&self) -> SharedWatch<Artifact> {
        self.shared.artifacts.clone()
    }

    /// Gives artifacts by digest.
    pub fn content(&self) -> Arc<ContentCache> {
        Arc::clone(&self.shared.content)
    }

    /// Gives the hosts that artifacts may come from.
    pub fn hosts(&self) -> HostAllowList {
        self.shared.hosts.clone()
    }

    /// Takes events.
    pub fn recorder(&self) -> EventRecorder {
        self.shared.recorder.clone()
    }

    /// Counts.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics.clone()
    }

    /// Gives the only namespace to watch; all namespaces when absent.
    pub fn namespace(&self) -> Option<String> {
        (!self.shared.flags.watch_all_namespaces).then(own_namespace)
    }

    /// Makes the process ready once it fires.
    pub fn ready(&self) -> CancellationToken {
        self.shared.ready.clone()
    }

    /// Makes the process ready once all of these have fired, each for one of its controllers.
    pub fn ready_after(&self, synced: Vec<CancellationToken>) {
        let (ready, shutdown) = (self.ready(), self.shutdown());
        self.spawn(async move {
            let all = async {
                for synced in synced {
                    synced.cancelled().await;
                }
                ready.cancel();
            };
            shutdown.run_until_cancelled(all).await;
        });
    }

    /// Takes the address of the file server, and serves until the process ends what is stored from then on; its own deployers read that
    /// without it.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn serve_artifacts(&self, settings: StorageSettings) -> Result<Storage, StorageError> {
        let (storage, listener) = Storage::bind(settings).await?;
        self.spawn(storage.clone().serve(listener, self.shutdown()));
        self.content().serve_locally(Arc::new(storage.clone()));
        Ok(storage)
    }

    /// Gives what a producer is connected to.
    pub fn producing(&self, storage: Storage) -> artifact_producer::Connections {
        artifact_producer::Connections {
            client: self.client(),
            artifacts: self.artifacts(),
            recorder: self.recorder(),
            metrics: self.metrics(),
            namespace: self.namespace(),
            storage,
        }
    }

    /// Fires once the Artifacts of this process are up to date with the sources; whoever mirrors them says so.
    pub fn mirrored(&self) -> CancellationToken {
        self.shared.mirrored.clone()
    }

    /// Fires when the process ends.
    pub fn shutdown(&self) -> CancellationToken {
        self.shared.shutdown.clone()
    }
}

fn content_cache(
    flags: &ProcessFlags,
    hosts: &HostAllowList,
    metrics: &Metrics,
) -> Result<ContentCache, StartError> {
    let flags = &flags.artifacts;
    let options = FetchOptions {
        hosts: hosts.clone(),
        max_bytes: flags.artifact_max_bytes,
        stand_ins: StandIns::from_environment(),
        ..FetchOptions::default()
    };
    let fetcher = Fetcher::new(options).map_err(StartError::Certificates)?;
    let unpack = UnpackLimits {
        bytes: flags.artifact_max_unpacked_bytes,
        entries: flags.artifact_max_entries,
    };
    let limits = CacheLimits {
        bytes: flags.artifact_cache_bytes,
    };
    Ok(ContentCache::new(fetcher, unpack, limits, metrics.clone()))
}

async fn connect(metrics: &Metrics) -> Result<Client, StartError> {
    let config = kube::Config::infer()
        .await
        .map_err(|error| StartError::NoCluster(Box::new(error)))?;
    controller_kit::connect(config, metrics).map_err(|error| StartError::Client(Box::new(error)))
}

/// Distinguishes processes of one host name, as client-go's random suffix does.
fn random_identity() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}
