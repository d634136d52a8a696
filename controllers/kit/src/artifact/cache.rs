//! The content cache: one digest is downloaded, verified and unpacked once, however many objects use it.

use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::shelf::{Flight, Shelf, make_room};
use super::{
    ArtifactTree, Digest, Download, FetchError, Fetcher, LocalContent, UnpackError, UnpackLimits, measure,
    unpack,
};
use crate::FairBudget;
use crate::metrics::Metrics;

/// How much the cache keeps.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Bytes of artifacts that nobody uses at the moment; 64 MiB by default.
    pub bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { bytes: 64 << 20 }
    }
}

/// Archives that are unpacked at once, of which a namespace has one.
const UNPACKING: usize = 2;

/// The unit in which memory for unpacking is counted.
const MEBIBYTE: usize = 1 << 20;

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

/// Artifacts by digest, least recently used out first; safe to lose at any time.
///
/// They are kept in the form in which they are used: as trees of files, or as they were served.
pub struct ContentCache {
    fetcher: Fetcher,
    unpack: UnpackLimits,
    limits: CacheLimits,
    metrics: Metrics,
    unpacking: FairBudget,
    /// Mebibytes of what is being unpacked, as many as the largest archive needs.
    memory: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    trees: Shelf<Arc<ArtifactTree>>,
    files: Shelf<Bytes>,
    clock: u64,
}

/// A form in which artifacts are used.
trait Form: Clone + Send + Sync + Sized + 'static {
    fn shelf(state: &mut State) -> &mut Shelf<Self>;

    /// The memory that it takes.
    fn bytes(&self) -> usize;

    /// Makes it of what was served.
    fn make<'a>(
        cache: &'a ContentCache,
        download: Download,
        namespace: &'a str,
    ) -> BoxFuture<'a, Result<Self, ContentError>>;
}

impl Form for Arc<ArtifactTree> {
    fn shelf(state: &mut State) -> &mut Shelf<Self> {
        &mut state.trees
    }

    fn bytes(&self) -> usize {
        ArtifactTree::bytes(self)
    }

    fn make<'a>(
        cache: &'a ContentCache,
        download: Download,
        namespace: &'a str,
    ) -> BoxFuture<'a, Result<Self, ContentError>> {
        cache.unpack(download, namespace).boxed()
    }
}

impl Form for Bytes {
    fn shelf(state: &mut State) -> &mut Shelf<Self> {
        &mut state.files
    }

    fn bytes(&self) -> usize {
        self.len()
    }

    fn make<'a>(
        _cache: &'a ContentCache,
        download: Download,
        _namespace: &'a str,
    ) -> BoxFuture<'a, Result<Self, ContentError>> {
        futures::future::ready(Ok(download.bytes)).boxed()
    }
}

impl ContentCache {
    /// Creates an empty cache in front of `fetcher`.
    pub fn new(fetcher: Fetcher, unpack: UnpackLimits, limits: CacheLimits, metrics: Metrics) -> Self {
        let most = usize::try_from(unpack.bytes).unwrap_or(usize::MAX);
        Self {
            fetcher,
            unpack,
            limits,
            metrics,
            unpacking: FairBudget::new(UNPACKING, 1),
            memory: Arc::new(Semaphore::new(mebibytes(most) as usize)),
            state: Mutex::default(),
        }
    }

    /// Gives the hosts that artifacts may come from.
    pub fn hosts(&self) -> &super::HostAllowList {
        self.fetcher.hosts()
    }

    /// Has artifacts taken from this process that it has itself; see [`Fetcher::serve_locally`].
    pub fn serve_locally(&self, local: Arc<dyn LocalContent>) {
        self.fetcher.serve_locally(local);
    }

    /// Gives the unpacked artifact, from the cache or from `url`, which must be allowed in either case; what is scarce is
    /// shared fairly among the namespaces of Artifacts.
    ///
    /// What is wrong with the bytes themselves is remembered for a while, so that a retry costs no download; other
    /// failures are not.
    ///
    /// # Errors
    /// See [`ContentError`].
    pub async fn tree(
        self: &Arc<Self>,
        url: &str,
        digest: &Digest,
        namespace: &str,
        refusal: Refusal,
    ) -> Result<Arc<ArtifactTree>, ContentError> {
        self.get(url, digest, namespace, refusal).await
    }

    /// Gives the artifact as it was served, under the rules of [`ContentCache::tree`].
    ///
    /// # Errors
    /// See [`ContentError`].
    pub async fn bytes(
        self: &Arc<Self>,
        url: &str,
        digest: &Digest,
        namespace: &str,
        refusal: Refusal,
    ) -> Result<Bytes, ContentError> {
        self.get(url, digest, namespace, refusal).await
    }

    async fn get<F: Form>(
        self: &Arc<Self>,
        url: &str,
        digest: &Digest,
        namespace: &str,
        refusal: Refusal,
    ) -> Result<F, ContentError> {
        // Whether a URL is refused must not depend on what others have fetched.
        self.hosts()
            .check(url)
            .map_err(|error| ContentError::Fetch(Arc::new(error.into())))?;
        self.flight(url, digest, namespace, refusal)?.await
    }

    /// Gives the download in progress, or begins one; what is known already is ready at once.
    fn flight<F: Form>(
        self: &Arc<Self>,
        url: &str,
        digest: &Digest,
        namespace: &str,
        refusal: Refusal,
    ) -> Result<Flight<F>, ContentError> {
        let wanted = (digest.clone(), url.to_owned());
        let mut state = self.state.lock();
        let now = state.tick();
        let shelf = F::shelf(&mut state);
        if let Some(content) = shelf.touch(digest, now) {
            self.metrics.artifact_fetched("cache");
            return Ok(futures::future::ready(Ok(content)).boxed().shared());
        }
        match refusal {
            Refusal::Stands => {
                if let Some(error) = shelf.refused.get(&wanted, Instant::now()) {
                    return Err(error);
                }
            }
            Refusal::Forgotten => shelf.refused.forget(&wanted),
        }
        let flown = (wanted, namespace.to_owned());
        if let Some(flight) = shelf.flight(&flown) {
            self.metrics.artifact_fetched("cache");
            return Ok(flight);
        }
        let (cache, key) = (Arc::clone(self), flown.clone());
        let flight = async move {
            let ((digest, url), namespace) = &key;
            let made: Result<F, ContentError> = cache.make(url, digest, namespace).await;
            let mut state = cache.state.lock();
            let now = state.tick();
            let shelf = F::shelf(&mut state);
            shelf.land(&key);
            match &made {
                Ok(content) => {
                    shelf.keep(digest.clone(), content.clone(), content.bytes(), now);
                    let State { trees, files, .. } = &mut *state;
                    make_room([trees, files], cache.limits.bytes);
                }
                Err(error) => shelf.refused.note(&key.0, error, Instant::now()),
            }
            drop(state);
            made
        };
        let flight = flight.boxed().shared();
        shelf.depart(flown, &flight);
        Ok(flight)
    }

    async fn make<F: Form>(&self, url: &str, digest: &Digest, namespace: &str) -> Result<F, ContentError> {
        let download = self.fetcher.fetch(url, digest, namespace).await;
        let is_local = download.as_ref().is_ok_and(|download| download.is_local);
        self.metrics
            .artifact_fetched(if is_local { "local" } else { "download" });
        let download = download.map_err(|error| ContentError::Fetch(Arc::new(error)))?;
        F::make(self, download, namespace).await
    }

    /// Unpacks what was downloaded, once it is known how much memory that takes and the memory is free.
    ///
    /// What a thread works with stays counted until the thread ends, even if nobody waits for it any more.
    async fn unpack(&self, download: Download, namespace: &str) -> Result<Arc<ArtifactTree>, ContentError> {
        let limits = self.unpack;
        let refused = |error| ContentError::Unpack(Arc::new(error));
        let turn = self.unpacking.take(namespace, 1).await;
        let measuring = spawn_blocking(move || {
            let measured = measure(&download.bytes, limits);
            (measured, download, turn)
        });
        let (measured, download, turn) = measuring.await.map_err(|_| ContentError::Aborted)?;
        let measured = measured.map_err(refused)?;
        // Whoever has a turn needs nothing else to end it; the semaphore is never closed.
        let memory = Arc::clone(&self.memory).acquire_many_owned(mebibytes(measured.bytes()));
        let memory = memory.await.map_err(|_| ContentError::Aborted)?;
        let unpacking = spawn_blocking(move || {
            let tree = unpack(&download.bytes, limits, measured);
            drop((download, turn, memory));
            tree
        });
        let tree = unpacking.await.map_err(|_| ContentError::Aborted)?;
        tree.map(Arc::new).map_err(refused)
    }
}

/// How many mebibytes some bytes are, at least one.
fn mebibytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(MEBIBYTE).max(1)).unwrap_or(u32::MAX)
}

impl State {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
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
            let error = cache.tree(&url, &digest, "apps", refusal).await.unwrap_err();
            assert!(matches!(error, ContentError::Unpack(_)), "{error}");
            assert_eq!(requests.load(Ordering::Relaxed), expected);
        }
        let elsewhere = format!("http://{address}/b");
        let _ = cache.tree(&elsewhere, &digest, "apps", Refusal::Stands).await;
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
        let waiting = (0..20).map(|_| cache.tree(&url, &digest, "apps", Refusal::Stands));
        let answers = futures::future::join_all(waiting).await;
        assert!(answers.iter().all(Result::is_err));
        assert_eq!(requests.load(Ordering::Relaxed), 1);
        let _ = cache.tree(&url, &digest, "apps", Refusal::Stands).await;
        assert_eq!(
            requests.load(Ordering::Relaxed),
            2,
            "it may be another answer by now"
        );
    }

    #[tokio::test]
    async fn what_is_no_archive_can_be_had_as_it_is() {
        let body = b"a chart".to_vec();
        let digest = Digest::sha256(&body);
        let (address, requests) = serve("200 OK", body).await;
        let (cache, url) = (cache(), format!("http://{address}/a"));
        let refused = cache.tree(&url, &digest, "apps", Refusal::Stands).await;
        assert!(matches!(refused, Err(ContentError::Unpack(_))), "{refused:?}");
        for _ in 0..3 {
            let bytes = cache.bytes(&url, &digest, "apps", Refusal::Stands).await;
            assert_eq!(&bytes.expect("bytes")[..], b"a chart");
        }
        assert_eq!(requests.load(Ordering::Relaxed), 2, "once for each form");
    }

    struct Own(Vec<u8>);

    impl LocalContent for Own {
        fn bytes(&self, digest: &str) -> Option<Vec<u8>> {
            // What it says of others is not what they are.
            let is_own = digest == Digest::sha256(&self.0).to_string();
            Some(if is_own {
                self.0.clone()
            } else {
                b"corrupt".to_vec()
            })
        }
    }

    #[tokio::test]
    async fn what_the_process_has_itself_is_not_asked_for() {
        let (own, other) = (b"own".to_vec(), b"other".to_vec());
        let (address, requests) = serve("200 OK", other.clone()).await;
        let (cache, url) = (cache(), format!("http://{address}/a"));
        cache.serve_locally(Arc::new(Own(own.clone())));
        let get = async |bytes: &[u8], url: &str| {
            let digest = Digest::sha256(bytes);
            cache.bytes(url, &digest, "apps", Refusal::Stands).await
        };
        assert_eq!(get(&own, &url).await.expect("bytes"), own);
        assert_eq!(requests.load(Ordering::Relaxed), 0);
        assert_eq!(get(&other, &url).await.expect("bytes"), other);
        assert_eq!(requests.load(Ordering::Relaxed), 1, "it is not what it is called");
        let refused = get(&own, "http://example.org/a").await;
        assert!(refused.is_err(), "the URL has to be allowed all the same");
    }

    #[test]
    fn trees_and_bytes_share_the_room() {
        let mut state = State::default();
        let one = |byte: u8| Digest::sha256(&[byte]);
        for byte in 0..3 {
            let now = state.tick();
            let bytes = Bytes::from(vec![byte; 100]);
            state.files.keep(one(byte), bytes, 100, now);
            let now = state.tick();
            state.trees.keep(one(byte), Arc::default(), 100, now);
        }
        let now = state.tick();
        state.files.touch(&one(0), now);
        let State { trees, files, .. } = &mut state;
        make_room([trees, files], 300);
        let found = |shelf: &mut Shelf<Bytes>| [0, 1, 2].map(|byte| shelf.touch(&one(byte), 0).is_some());
        assert_eq!(found(files), [true, false, true]);
        let found = [0, 1, 2].map(|byte| trees.touch(&one(byte), 0).is_some());
        assert_eq!(found, [false, false, true]);
        for (limit, left) in [(1, 1), (0, 0)] {
            make_room([&mut *trees, &mut *files], limit);
            let all = (0..3).map(|byte| {
                usize::from(trees.touch(&one(byte), 0).is_some())
                    + usize::from(files.touch(&one(byte), 0).is_some())
            });
            assert_eq!(all.sum::<usize>(), left, "{limit}");
        }
    }
}
