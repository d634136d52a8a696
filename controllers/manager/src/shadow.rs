//! The endpoint that says what the next run of an object would change: `--shadow-addr`, on loopback alone.
//!
//! Whoever may forward a port to this pod may ask, as Kubernetes decides it (`create pods/portforward`). `POST /v1/shadow` with names of
//! objects answers one JSON document a line, as soon as it is known; `GET /v1/owned` says what this process reconciles. No value of any
//! object is in an answer.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use controller_kit::ObjectKey;
use controller_kit::server::bind;
use flux_deployer::Shadows;
use flux_proof::{Answer, Finding, Name, Owned, Question};
use futures::{StreamExt as _, stream};
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// How many objects of one question are looked at at once; the deployers have their own bounds.
const AT_ONCE: usize = 4;
/// How many answers wait for whoever reads them.
const WAITING: usize = 8;
/// How many connections there may be.
const CONNECTIONS: usize = 16;
/// How long a question may be, in bytes and in objects.
const MAX_BYTES: usize = 4 << 20;
const MAX_OBJECTS: usize = 20_000;
/// How long a question may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Why there is no endpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShadowError {
    /// The address is not valid, or in use.
    #[error("--shadow-addr: cannot listen on {address}: {reason}")]
    Bind {
        /// The address.
        address: String,
        /// What is wrong.
        reason: std::io::Error,
    },
    /// Others than this machine could ask.
    #[error(
        "--shadow-addr: {0} is not on loopback; only a forwarded port may lead to it, as in 127.0.0.1:9292"
    )]
    Open(String),
}

/// Binds an address; nothing if there is none.
///
/// # Errors
/// See [`ShadowError`].
pub(crate) async fn listen(address: &str) -> Result<Option<TcpListener>, ShadowError> {
    let failed = |reason| ShadowError::Bind {
        address: address.to_owned(),
        reason,
    };
    let Some(listener) = bind(address).await.map_err(failed)? else {
        return Ok(None);
    };
    let local = listener.local_addr().map_err(failed)?;
    if !local.ip().is_loopback() {
        return Err(ShadowError::Open(address.to_owned()));
    }
    Ok(Some(listener))
}

/// Answers until `shutdown`.
pub(crate) async fn serve(listener: TcpListener, deployers: Vec<Shadows>, shutdown: CancellationToken) {
    let deployers: Arc<[Shadows]> = deployers.into();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let Some((place, accepted)) = shutdown.run_until_cancelled(accepted).await else {
            return;
        };
        match accepted {
            Ok((stream, _)) => {
                let (deployers, shutdown) = (Arc::clone(&deployers), shutdown.clone());
                tokio::spawn(async move {
                    shutdown.run_until_cancelled(connection(stream, deployers)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, deployers: Arc<[Shadows]>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let deployers = Arc::clone(&deployers);
        async move { Ok::<_, Infallible>(respond(&deployers, request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ARRIVAL)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection has ended");
    }
}

async fn respond(deployers: &[Shadows], request: Request<Incoming>) -> Response<Body> {
    if !is_local(&request) {
        return refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "this is for a forwarded port of this machine",
        );
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/v1/owned") => owned(deployers).await,
        (&Method::POST, "/v1/shadow") => match question(request).await {
            Ok((names, differences)) => shadow(deployers, names, differences),
            Err((status, why)) => refuse(status, why),
        },
        (_, "/v1/owned" | "/v1/shadow") => refuse(StatusCode::METHOD_NOT_ALLOWED, "ask otherwise"),
        _ => refuse(StatusCode::NOT_FOUND, "there are /v1/owned and /v1/shadow"),
    }
}

/// A page of the web that somebody looks at could ask too, by another name for this machine.
fn is_local<B>(request: &Request<B>) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost"
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Reads what is asked about.
async fn question(request: Request<Incoming>) -> Result<(BTreeSet<Name>, bool), (StatusCode, &'static str)> {
    let content = request.headers().get(CONTENT_TYPE);
    // What needs no permission of a browser has another one.
    if content.is_none_or(|content| !content.as_bytes().starts_with(b"application/json")) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
    }
    let body = Limited::new(request.into_body(), MAX_BYTES).collect();
    let body = tokio::time::timeout(ARRIVAL, body)
        .await
        .map_err(|_| (StatusCode::REQUEST_TIMEOUT, "the question did not arrive in time"))?;
    let body = body.map_err(|_| (StatusCode::PAYLOAD_TOO_LARGE, "ask about fewer objects at once"))?;
    let question: Question = serde_json::from_slice(&body.to_bytes()).map_err(|_| {
        (
            StatusCode::BAD_REQUEST,
            "send {\"objects\": [{kind, namespace, name}]}",
        )
    })?;
    if question.objects.len() > MAX_OBJECTS {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, "ask about fewer objects at once"));
    }
    Ok((question.objects.into_iter().collect(), question.differences))
}

/// Looks at objects for as long as somebody reads what is found.
fn shadow(deployers: &[Shadows], names: BTreeSet<Name>, differences: bool) -> Response<Body> {
    let (lines, written) = mpsc::channel::<Bytes>(WAITING);
    let deployers = deployers.to_vec();
    tokio::spawn(async move {
        let look = |name: Name| {
            let deployer = deployers
                .iter()
                .find(|deployer| deployer.kind() == name.kind)
                .cloned();
            async move { ask(deployer, name).await }
        };
        let mut answers = stream::iter(names).map(look).buffer_unordered(AT_ONCE);
        while let Some(mut answer) = answers.next().await {
            if !differences {
                answer.differences.clear();
            }
            // Such answers are always JSON.
            let mut line = serde_json::to_vec(&answer).unwrap_or_default();
            line.push(b'\n');
            if lines.send(line.into()).await.is_err() {
                return;
            }
        }
    });
    let body = stream::unfold(written, |mut written| async move {
        let line = written.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(line)), written))
    });
    let mut response = Response::new(StreamBody::new(body).boxed_unsync());
    let content = http::HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}

async fn ask(deployer: Option<Shadows>, name: Name) -> Answer {
    let unproven = |why: &str| Answer::unproven(name.clone(), Finding::new("M120", why));
    let Some(deployer) = deployer else {
        return unproven("this process does not reconcile objects of its kind");
    };
    if !deployer.is_serving() {
        return unproven("this process does not lead, or has only just begun");
    }
    let key = ObjectKey::new(name.namespace.as_str(), name.name.as_str());
    match deployer.shadow(key).await {
        Some(answer) => answer,
        None => unproven("this process ends"),
    }
}

async fn owned(deployers: &[Shadows]) -> Response<Body> {
    let mut objects: Vec<Owned> = Vec::new();
    for deployer in deployers {
        if !deployer.is_serving() {
            return refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "this process does not lead, or has only just begun",
            );
        }
        match deployer.owned().await {
            Some(owned) => objects.extend(owned),
            None => return refuse(StatusCode::SERVICE_UNAVAILABLE, "this process ends"),
        }
    }
    let document = json!({"version": env!("CARGO_PKG_VERSION"), "objects": objects});
    let mut response = Response::new(Full::new(Bytes::from(document.to_string() + "\n")).boxed_unsync());
    let content = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}

fn refuse(status: StatusCode, why: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{why}\n"))).boxed_unsync());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_loopback_is_listened_on() {
        assert!(listen("").await.expect("no address").is_none());
        assert!(listen("127.0.0.1:0").await.expect("loopback").is_some());
        for open in ["0.0.0.0:0", ":0"] {
            let error = listen(open).await.expect_err("open to others");
            assert!(error.to_string().contains("not on loopback"), "{error}");
        }
        assert!(matches!(listen("nonsense").await, Err(ShadowError::Bind { .. })));
    }

    #[test]
    fn pages_of_the_web_have_other_names_for_this_machine() {
        let named = |host: &str| {
            let request = Request::get("/v1/owned").header(HOST, host);
            is_local(&request.body(()).expect("a request"))
        };
        for host in [
            "127.0.0.1:9292",
            "localhost:1",
            "localhost",
            "[::1]:9292",
            "127.0.0.1",
        ] {
            assert!(named(host), "{host}");
        }
        for host in ["evil.example.com:9292", "10.0.0.1", "", "localhost.example.com"] {
            assert!(!named(host), "{host}");
        }
    }
}
