//! The content cache: one digest is downloaded, verified and unpacked once, however many objects use it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::{ArtifactTree, Digest, FetchError, Fetcher, UnpackError, UnpackLimits, unpack};
use crate::metrics::Metrics;

/// How much the cache keeps.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Bytes of unpacked artifacts that nobody uses at the moment; 64 MiB by default.
    pub bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { bytes: 64 << 20 }
    }
}

/// Why an artifact is not at hand.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ContentError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(Arc<FetchError>),
    /// It could not be unpacked.
    #[error(transparent)]
    Unpack(Arc<UnpackError>),
    /// Unpacking was aborted, because the process is shutting down.
    #[error("unpacking the artifact was aborted")]
    Aborted,
}

/// Unpacked artifacts by digest, least recently used out first; safe to lose at any time.
pub struct ContentCache {
    fetcher: Fetcher,
    unpack: UnpackLimits,
    limits: CacheLimits,
    metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Downloads in progress; all who ask for the same wait for one. The URL counts, so that nobody waits for somebody
    /// else's slow server.
    flights: HashMap<(Digest, String), Weak<OnceCell<Arc<ArtifactTree>>>>,
    kept: HashMap<Digest, (Arc<ArtifactTree>, u64)>,
    clock: u64,
}

impl ContentCache {
    /// Creates an empty cache in front of `fetcher`.
    pub fn new(fetcher: Fetcher, unpack: UnpackLimits, limits: CacheLimits, metrics: Metrics) -> Self {
        Self {
            fetcher,
            unpack,
            limits,
            metrics,
            state: Mutex::default(),
        }
    }

    /// Gives the hosts that artifacts may come from.
    pub fn hosts(&self) -> &super::HostAllowList {
        self.fetcher.hosts()
    }

    /// Gives the unpacked artifact, from the cache or from `url`, which must be allowed in either case.
    ///
    /// # Errors
    /// See [`ContentError`]; failures are not cached.
    pub async fn get(&self, url: &str, digest: &Digest) -> Result<Arc<ArtifactTree>, ContentError> {
        // Whether a URL is refused must not depend on what others have fetched.
        self.hosts()
            .check(url)
            .map_err(|error| ContentError::Fetch(Arc::new(error.into())))?;
        let flight = {
            let mut state = self.state.lock();
            if let Some(tree) = state.touch(digest) {
                self.metrics.artifact_fetched("cache");
                return Ok(tree);
            }
            state.flights.retain(|_, flight| flight.strong_count() > 0);
            let wanted = (digest.clone(), url.to_owned());
            if let Some(flight) = state.flights.get(&wanted).and_then(Weak::upgrade) {
                flight
            } else {
                let flight = Arc::new(OnceCell::new());
                state.flights.insert(wanted, Arc::downgrade(&flight));
                flight
            }
        };
        let mut downloaded = false;
        let tree = flight
            .get_or_try_init(|| {
                downloaded = true;
                self.download(url, digest)
            })
            .await?
            .clone();
        if !downloaded {
            self.metrics.artifact_fetched("cache");
        }
        Ok(tree)
    }

    async fn download(&self, url: &str, digest: &Digest) -> Result<Arc<ArtifactTree>, ContentError> {
        self.metrics.artifact_fetched("download");
        let bytes = self
            .fetcher
            .fetch(url, digest)
            .await
            .map_err(|error| ContentError::Fetch(Arc::new(error)))?;
        let limits = self.unpack;
        let tree = tokio::task::spawn_blocking(move || unpack(&bytes, limits))
            .await
            .map_err(|_| ContentError::Aborted)?
            .map_err(|error| ContentError::Unpack(Arc::new(error)))?;
        let tree = Arc::new(tree);
        self.state
            .lock()
            .keep(digest.clone(), Arc::clone(&tree), self.limits.bytes);
        Ok(tree)
    }
}

impl State {
    fn touch(&mut self, digest: &Digest) -> Option<Arc<ArtifactTree>> {
        self.clock += 1;
        let (tree, used) = self.kept.get_mut(digest)?;
        *used = self.clock;
        Some(Arc::clone(tree))
    }

    fn keep(&mut self, digest: Digest, tree: Arc<ArtifactTree>, limit: usize) {
        self.clock += 1;
        self.kept.insert(digest, (tree, self.clock));
        let mut total: usize = self.kept.values().map(|(tree, _)| tree.bytes()).sum();
        while total > limit && self.kept.len() > 1 {
            let oldest = self
                .kept
                .iter()
                .min_by_key(|(_, (_, used))| *used)
                .map(|(digest, _)| digest.clone());
            let Some((tree, _)) = oldest.and_then(|digest| self.kept.remove(&digest)) else {
                break;
            };
            total -= tree.bytes();
        }
    }
}
