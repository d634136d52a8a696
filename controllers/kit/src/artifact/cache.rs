//! The content cache: one digest is downloaded, verified and unpacked once, however many objects use it.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::refused::{Refused, Wanted};
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

/// Archives that are unpacked at once: each may need as much memory as [`UnpackLimits::bytes`].
const UNPACKING: usize = 2;

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

/// Whether an artifact that was refused lately is downloaded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What was wrong with these bytes is still wrong.
    Stands,
    /// Somebody asked for another look.
    Forgotten,
}

/// Unpacked artifacts by digest, least recently used out first; safe to lose at any time.
pub struct ContentCache {
    fetcher: Fetcher,
    unpack: UnpackLimits,
    limits: CacheLimits,
    metrics: Metrics,
    unpacking: Semaphore,
    state: Mutex<State>,
}

type Content = Result<Arc<ArtifactTree>, ContentError>;

#[derive(Default)]
struct State {
    /// Downloads in progress; all who ask for the same share one, and its failure. URL and namespace count, so that
    /// nobody waits for somebody else's slow server, or in somebody else's queue.
    flights: HashMap<(Wanted, String), WeakShared<BoxFuture<'static, Content>>>,
    refused: Refused,
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
            unpacking: Semaphore::new(UNPACKING),
            state: Mutex::default(),
        }
    }

    /// Gives the hosts that artifacts may come from.
    pub fn hosts(&self) -> &super::HostAllowList {
        self.fetcher.hosts()
    }

    /// Gives the unpacked artifact, from the cache or from `url`, which must be allowed in either case; what is scarce is
    /// shared fairly among the namespaces of Artifacts.
    ///
    /// What is wrong with the bytes themselves is remembered for a while, so that a retry costs no download; other
    /// failures are not.
    ///
    /// # Errors
    /// See [`ContentError`].
    pub async fn get(
        self: &Arc<Self>,
        url: &str,
        digest: &Digest,
        namespace: &str,
        refusal: Refusal,
    ) -> Content {
        // Whether a URL is refused must not depend on what others have fetched.
        self.hosts()
            .check(url)
            .map_err(|error| ContentError::Fetch(Arc::new(error.into())))?;
        self.flight(url, digest, namespace, refusal)?.await
    }

    /// Gives the download in progress, or begins one; what is known already is ready at once.
    fn flight(
        self: &Arc<Self>,
        url: &str,
        digest: &Digest,
        namespace: &str,
        refusal: Refusal,
    ) -> Result<Shared<BoxFuture<'static, Content>>, ContentError> {
        let wanted = (digest.clone(), url.to_owned());
        let mut state = self.state.lock();
        if let Some(tree) = state.touch(digest) {
            self.metrics.artifact_fetched("cache");
            return Ok(futures::future::ready(Ok(tree)).boxed().shared());
        }
        match refusal {
            Refusal::Stands => {
                if let Some(error) = state.refused.get(&wanted, Instant::now()) {
                    return Err(error);
                }
            }
            Refusal::Forgotten => state.refused.forget(&wanted),
        }
        state.flights.retain(|_, flight| flight.upgrade().is_some());
        let flown = (wanted.clone(), namespace.to_owned());
        if let Some(flight) = state.flights.get(&flown).and_then(WeakShared::upgrade) {
            self.metrics.artifact_fetched("cache");
            return Ok(flight);
        }
        let (cache, key) = (Arc::clone(self), flown.clone());
        let flight = async move {
            let (wanted, namespace) = &key;
            let content = cache.download(&wanted.1, &wanted.0, namespace).await;
            let mut state = cache.state.lock();
            match &content {
                Ok(tree) => state.keep(wanted.0.clone(), Arc::clone(tree), cache.limits.bytes),
                Err(error) => state.refused.note(wanted, error, Instant::now()),
            }
            state.flights.remove(&key);
            drop(state);
            content
        };
        let flight = flight.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            state.flights.insert(flown, weak);
        }
        Ok(flight)
    }

    async fn download(&self, url: &str, digest: &Digest, namespace: &str) -> Content {
        self.metrics.artifact_fetched("download");
        let download = self
            .fetcher
            .fetch(url, digest, namespace)
            .await
            .map_err(|error| ContentError::Fetch(Arc::new(error)))?;
        let limits = self.unpack;
        // The semaphore is never closed.
        let _unpacking = self
            .unpacking
            .acquire()
            .await
            .map_err(|_| ContentError::Aborted)?;
        let tree = tokio::task::spawn_blocking(move || unpack(&download.bytes, limits))
            .await
            .map_err(|_| ContentError::Aborted)?
            .map_err(|error| ContentError::Unpack(Arc::new(error)))?;
        Ok(Arc::new(tree))
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::artifact::{FetchOptions, HostAllowList};

    /// Answers each request with `body`, a moment later, and counts.
    async fn serve(status: &'static str, body: Vec<u8>) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let mut head = [0; 1024];
                let _ = stream.read(&mut head).await;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&body).await;
            }
        });
        (address, requests)
    }

    fn cache() -> Arc<ContentCache> {
        let options = FetchOptions {
            hosts: HostAllowList::parse(["127.0.0.1"]).expect("a pattern"),
            ..FetchOptions::default()
        };
        Arc::new(ContentCache::new(
            Fetcher::new(options).expect("certificates"),
            UnpackLimits::default(),
            CacheLimits::default(),
            Metrics::new().expect("metric names are valid"),
        ))
    }

    #[tokio::test]
    async fn what_is_no_archive_is_downloaded_once_until_somebody_asks() {
        let body = b"<html>".to_vec();
        let digest = Digest::sha256(&body);
        let (address, requests) = serve("200 OK", body).await;
        let (cache, url) = (cache(), format!("http://{address}/a"));
        for (refusal, expected) in [
            (Refusal::Stands, 1),
            (Refusal::Stands, 1),
            (Refusal::Forgotten, 2),
            (Refusal::Stands, 2),
        ] {
            let error = cache.get(&url, &digest, "apps", refusal).await.unwrap_err();
            assert!(matches!(error, ContentError::Unpack(_)), "{error}");
            assert_eq!(requests.load(Ordering::Relaxed), expected);
        }
        let elsewhere = format!("http://{address}/b");
        let _ = cache.get(&elsewhere, &digest, "apps", Refusal::Stands).await;
        assert_eq!(
            requests.load(Ordering::Relaxed),
            3,
            "another URL is another matter"
        );
    }

    #[tokio::test]
    async fn those_who_wait_for_one_download_share_its_failure() {
        let (address, requests) = serve("503 Service Unavailable", Vec::new()).await;
        let (cache, url) = (cache(), format!("http://{address}/a"));
        let digest = Digest::sha256(b"");
        let waiting = (0..20).map(|_| cache.get(&url, &digest, "apps", Refusal::Stands));
        let answers = futures::future::join_all(waiting).await;
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(requests.load(Ordering::Relaxed), 1);
        let _ = cache.get(&url, &digest, "apps", Refusal::Stands).await;
        assert_eq!(
            requests.load(Ordering::Relaxed),
            2,
            "it may be another answer by now"
        );
    }
}
