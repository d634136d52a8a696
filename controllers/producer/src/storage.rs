//! The volume and its server, once for all producers of a process.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use artifact_store::{Certificates, OpenError, Place, ServerState, Store, StoreOptions, TlsError, serve};
use controller_kit::Metrics;
use controller_kit::artifact::LocalContent;
use controller_kit::server::bind;
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, broadcast};
use tokio_util::sync::CancellationToken;

use crate::metrics::ProducerMetrics;

/// How often a volume is tried that somebody else still uses.
const AGAIN: Duration = Duration::from_secs(2);
/// Places whose files are corrupt, on their way to those who make them anew.
const CORRUPT: usize = 1024;

/// How artifacts are stored and served.
#[derive(Clone, Debug)]
pub struct StorageSettings {
    /// Where the server listens (`--storage-addr`).
    pub address: String,
    /// The folder with the certificate of the server and its key; without one it serves without TLS.
    pub tls: Option<PathBuf>,
    /// How they are stored.
    pub store: StoreOptions,
    /// How often all files are looked at (`--storage-scrub-interval`).
    pub scrub_interval: Duration,
}

/// Why artifacts are not served.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The address is in use, or none.
    #[error("--storage-addr: cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: String,
        /// What is wrong.
        source: std::io::Error,
    },
    /// The certificate of the server cannot be used.
    #[error("--storage-tls-secret-dir: {0}")]
    Tls(#[from] TlsError),
    /// The address is empty.
    #[error("--storage-addr: producers need an address to serve artifacts at")]
    NoAddress,
}

/// Where the server listens.
pub struct Listening {
    listener: TcpListener,
    tls: Option<Certificates>,
}

/// The volume and its server; clones share it.
#[derive(Clone)]
pub struct Storage {
    shared: Arc<Shared>,
}

struct Shared {
    settings: StorageSettings,
    state: ServerState,
    store: OnceCell<Store>,
    counts: OnceCell<ProducerMetrics>,
    corrupt: broadcast::Sender<Place>,
}

impl Storage {
    /// Takes the address; the volume is opened by whoever leads ([`Storage::open`]), and until then clients are told to come
    /// back.
    ///
    /// # Errors
    /// See [`StorageError`].
    pub async fn bind(settings: StorageSettings) -> Result<(Self, Listening), StorageError> {
        let address = settings.address.clone();
        let listener = bind(&address)
            .await
            .map_err(|source| StorageError::Bind { address, source })?;
        let listener = listener.ok_or(StorageError::NoAddress)?;
        let tls = settings.tls.as_deref().map(Certificates::load).transpose()?;
        let (corrupt, _) = broadcast::channel(CORRUPT);
        let shared = Shared {
            settings,
            state: ServerState::default(),
            store: OnceCell::new(),
            counts: OnceCell::new(),
            corrupt,
        };
        let shared = Arc::new(shared);
        Ok((Self { shared }, Listening { listener, tls }))
    }

    /// Serves until `shutdown`.
    pub async fn serve(self, at: Listening, shutdown: CancellationToken) {
        serve(at.listener, self.shared.state.clone(), at.tls, shutdown).await;
    }

    /// Opens the volume, once, and has it served; waits while another process still uses it.
    ///
    /// # Errors
    /// The volume cannot be used.
    pub async fn open(&self) -> Result<Store, Arc<OpenError>> {
        let opened = self.shared.store.get_or_try_init(|| self.first());
        opened.await.cloned()
    }

    async fn first(&self) -> Result<Store, Arc<OpenError>> {
        let mut told = false;
        loop {
            let options = self.shared.settings.store.clone();
            let opened = tokio::task::spawn_blocking(move || Store::open(options)).await;
            match opened {
                Ok(Ok((store, mut receiver))) => {
                    self.shared.state.start_serving(store.clone());
                    let corrupt = self.shared.corrupt.clone();
                    tokio::spawn(async move {
                        while let Some(place) = receiver.recv().await {
                            // Nobody may produce files of this kind at the moment.
                            let _ = corrupt.send(place);
                        }
                    });
                    return Ok(store);
                }
                Ok(Err(error @ OpenError::InUse { .. })) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, "waiting for the volume of artifacts");
                    }
                }
                Ok(Err(error)) => return Err(Arc::new(error)),
                Err(error) => tracing::error!(%error, "opening the volume of artifacts panicked"),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Opens the volume for a controller, and gives its metrics; nothing if `shutdown` comes first, or it does not work, which is told.
    pub async fn ready(
        &self,
        metrics: &Metrics,
        shutdown: &CancellationToken,
    ) -> Option<(Store, ProducerMetrics)> {
        let opened = shutdown.run_until_cancelled(self.open()).await?;
        let store = opened.inspect_err(
            |error| tracing::error!(%error, "artifacts cannot be stored, so that none are made"),
        );
        let counts = self.counts(metrics).await.inspect_err(
            |error| tracing::error!(%error, "cannot register metrics; this is a bug, please report it"),
        );
        Some((store.ok()?, counts.ok()?))
    }

    /// Gives what the server does.
    pub fn state(&self) -> &ServerState {
        &self.shared.state
    }

    /// Hears of places whose files turn out to be corrupt.
    pub(crate) fn corrupt(&self) -> broadcast::Receiver<Place> {
        self.shared.corrupt.subscribe()
    }

    /// Gives the metrics of all producers of the process, which the first registers.
    ///
    /// # Errors
    /// A family is not valid, which is a bug.
    pub async fn counts(&self, metrics: &Metrics) -> Result<ProducerMetrics, prometheus::Error> {
        let registered = async { ProducerMetrics::register(metrics) };
        let counts = self.shared.counts.get_or_try_init(|| registered);
        counts.await.cloned()
    }

    pub(crate) fn scrub_interval(&self) -> Duration {
        self.shared.settings.scrub_interval
    }
}

/// What the process stores need not be fetched over HTTP by its own consumers.
impl LocalContent for Storage {
    fn bytes(&self, digest: &str) -> Option<Vec<u8>> {
        self.shared.store.get()?.read(digest)
    }
}
