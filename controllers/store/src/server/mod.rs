//! The file server: the files that the store knows, under the names that it gave them, and nothing else.

mod answer;
mod body;
mod patient;
mod tls;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Store;
use answer::{Answer, Asked, answer};
use patient::Patient;

pub use tls::{Certificates, TlsError};

/// Connections that are served at once; those beyond wait to be accepted.
const CONNECTIONS: usize = 1024;
/// How many look at the disk at once. They wait for nothing but the disk, so that more of them would only take threads and memory.
const AT_THE_DISK: usize = 16;
/// How long a request may take to arrive, and a connection may be idle.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long downloads in progress may go on at the end.
const GRACE: Duration = Duration::from_secs(30);
/// Pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What the server does and did; clones share it.
#[derive(Clone, Default)]
pub struct ServerState {
    shared: Arc<Shared>,
}

struct Shared {
    store: Mutex<Option<Store>>,
    answers: Mutex<BTreeMap<u16, u64>>,
    bytes: AtomicU64,
    places: Arc<Semaphore>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            store: Mutex::default(),
            answers: Mutex::default(),
            bytes: AtomicU64::default(),
            places: Arc::new(Semaphore::new(AT_THE_DISK)),
        }
    }
}

impl ServerState {
    /// Has the files of a store served from now on; until then clients are told to come back.
    pub fn start_serving(&self, store: Store) {
        *self.shared.store.lock() = Some(store);
    }

    /// Has clients told to come back.
    pub fn stop_serving(&self) {
        self.shared.store.lock().take();
    }

    /// Tells whether files are served.
    pub fn is_serving(&self) -> bool {
        self.shared.store.lock().is_some()
    }

    /// Gives how many answers there were, by their status.
    pub fn answers(&self) -> BTreeMap<u16, u64> {
        self.shared.answers.lock().clone()
    }

    /// Gives how many bytes of files were handed to connections.
    pub fn served_bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    fn store(&self) -> Option<Store> {
        self.shared.store.lock().clone()
    }

    fn count(&self, status: StatusCode) {
        *self.shared.answers.lock().entry(status.as_u16()).or_default() += 1;
    }
}

/// Serves until `shutdown`, and downloads in progress for a while longer; over TLS alone where there are certificates.
pub async fn serve(
    listener: TcpListener,
    state: ServerState,
    tls: Option<Certificates>,
    shutdown: CancellationToken,
) {
    let acceptor = tls.as_ref().map(Certificates::acceptor);
    let following = async {
        match &tls {
            Some(certificates) => certificates.follow().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = following => {}
        () = accept(listener, state, acceptor, shutdown) => {}
    }
}

async fn accept(
    listener: TcpListener,
    state: ServerState,
    tls: Option<TlsAcceptor>,
    shutdown: CancellationToken,
) {
    let (places, tasks) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            () = shutdown.cancelled() => break,
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => (place, stream),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let (state, tls, shutdown) = (state.clone(), tls.clone(), shutdown.clone());
        tasks.spawn(async move {
            connection(stream, tls, state, shutdown).await;
            drop(place);
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
        tracing::warn!("downloads of artifacts are cut off, because the process ends");
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    state: ServerState,
    shutdown: CancellationToken,
) {
    // Head and body are written apart, and the second would wait for an answer to the first; whoever takes no such wish
    // is served all the same.
    let _ = stream.set_nodelay(true);
    let stream = Patient::new(stream);
    let Some(tls) = tls else {
        return talk(stream, state, shutdown).await;
    };
    match tokio::time::timeout(HEADERS_WITHIN, tls.accept(stream)).await {
        Ok(Ok(stream)) => talk(stream, state, shutdown).await,
        Ok(Err(error)) => tracing::trace!(%error, "a client does not agree about TLS"),
        Err(_) => tracing::trace!("a client takes too long to agree about TLS"),
    }
}

async fn talk<S>(stream: S, state: ServerState, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let state = state.clone();
        async move { Ok::<_, Infallible>(respond(state, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_headers(100)
        .max_buf_size(body::PIECE)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection to the file server ended");
    }
}

async fn respond(state: ServerState, request: Request<Incoming>) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
    };
    let store = state.store();
    let is_head = asked.method == http::Method::HEAD;
    // It is never closed.
    let place = Arc::clone(&state.shared.places).acquire_owned().await;
    // Looking at the disk blocks.
    let answered = tokio::task::spawn_blocking(move || {
        let answered = answer(store.as_ref().map(|store| &*store.shared), &asked);
        drop(place);
        answered
    });
    let answered = answered.await;
    let Answer { head, body } = answered.unwrap_or_else(|error| {
        tracing::error!(%error, "answering a request failed; this is a bug, please report it");
        Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "")
    });
    state.count(head.status());
    let body = match body {
        _ if is_head => empty(),
        answer::Body::Text(text) => Full::from(text).map_err(|never| match never {}).boxed_unsync(),
        answer::Body::File { file, start, length } => {
            state.shared.bytes.fetch_add(length, Ordering::Relaxed);
            body::of_file(file, start, length, Arc::clone(&state.shared.places))
        }
    };
    let mut response = head.map(|()| body);
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn empty() -> Body {
    Full::default().map_err(|never| match never {}).boxed_unsync()
}
