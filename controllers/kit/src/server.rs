//! The HTTP endpoints of a controller: `/metrics`, and `/healthz` with `/readyz`; `/debug/runs` and `/debug/watches` for
//! those who are on the same machine, such as `kubectl port-forward`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::inspect;
use crate::metrics::Metrics;

/// What an address serves.
#[derive(Clone)]
pub enum Endpoint {
    /// `/metrics`; and `/debug/runs` and `/debug/watches`, on loopback.
    Metrics(Metrics),
    /// `/healthz` and `/readyz`; ready once the token fires.
    Health(CancellationToken),
}

/// Binds a Go-style address such as `:8080`, `127.0.0.1:0`; `0` as the whole address means not to serve.
///
/// # Errors
/// The address is not valid or in use.
pub async fn bind(address: &str) -> std::io::Result<Option<TcpListener>> {
    if address.is_empty() || address == "0" {
        return Ok(None);
    }
    if address.starts_with(':') {
        // As in Go: both families, where there are both.
        if let Ok(listener) = TcpListener::bind(format!("[::]{address}")).await {
            return Ok(Some(listener));
        }
        return TcpListener::bind(format!("0.0.0.0{address}")).await.map(Some);
    }
    let parsed: SocketAddr = match address.parse() {
        Ok(parsed) => parsed,
        Err(_) => tokio::net::lookup_host(address).await?.next().ok_or_else(|| {
            std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                format!("{address:?} is not an address to listen on"),
            )
        })?,
    };
    TcpListener::bind(parsed).await.map(Some)
}

/// Serves an endpoint until `shutdown`.
pub async fn serve(listener: TcpListener, endpoint: Endpoint, shutdown: CancellationToken) {
    let endpoint = Arc::new(endpoint);
    loop {
        let (stream, peer) = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => (stream, peer.ip()),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let endpoint = Arc::clone(&endpoint);
        let service = service_fn(move |request: Request<Incoming>| {
            let endpoint = Arc::clone(&endpoint);
            async move { Ok::<_, std::convert::Infallible>(answer(&endpoint, &request, peer)) }
        });
        let stopped = shutdown.clone();
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(std::time::Duration::from_secs(10))
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = stopped.cancelled() => {}
                // A client that goes away in the middle is its own affair.
                _ = connection => {}
            }
        });
    }
}

fn answer<B>(endpoint: &Endpoint, request: &Request<B>, peer: IpAddr) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served\n");
    }
    match (endpoint, request.uri().path()) {
        (Endpoint::Metrics(metrics), "/metrics") => match metrics.render() {
            Ok(body) => text(StatusCode::OK, body),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        },
        (Endpoint::Metrics(_), "/debug/runs" | "/debug/watches") if !peer.to_canonical().is_loopback() => {
            text(
                StatusCode::FORBIDDEN,
                "only for those on the same machine: use kubectl port-forward\n",
            )
        }
        (Endpoint::Metrics(_), "/debug/runs") => text(StatusCode::OK, inspect::runs()),
        (Endpoint::Metrics(_), "/debug/watches") => text(StatusCode::OK, inspect::watches()),
        (Endpoint::Health(_), "/healthz") => text(StatusCode::OK, "ok"),
        (Endpoint::Health(ready), "/readyz") if ready.is_cancelled() => text(StatusCode::OK, "ok"),
        (Endpoint::Health(_), "/readyz") => {
            text(StatusCode::SERVICE_UNAVAILABLE, "caches are not synced yet\n")
        }
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_alone_is_served_over_ipv4_too() {
        let listener = bind(":0").await.expect("a port").expect("to be served");
        let port = listener.local_addr().expect("bound").port();
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .expect("a connection");
        assert!(bind("0").await.expect("no address").is_none());
        assert!(bind("nonsense").await.is_err());
    }

    #[test]
    fn what_the_process_does_is_told_to_its_own_machine_alone() {
        let endpoint = Endpoint::Metrics(Metrics::new().expect("names"));
        let ask = |path: &str, peer: &str| {
            let request = Request::get(path).body(()).expect("a request");
            answer(&endpoint, &request, peer.parse().expect("an address")).status()
        };
        for path in ["/debug/runs", "/debug/watches"] {
            for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
                assert_eq!(ask(path, peer), StatusCode::OK, "{path} {peer}");
            }
            for peer in ["10.0.0.1", "fe80::1", "::ffff:10.0.0.1"] {
                assert_eq!(ask(path, peer), StatusCode::FORBIDDEN, "{path} {peer}");
            }
        }
        assert_eq!(ask("/metrics", "10.0.0.1"), StatusCode::OK);
        let health = Endpoint::Health(CancellationToken::new());
        let request = Request::get("/debug/runs").body(()).expect("a request");
        let answer = answer(&health, &request, [127, 0, 0, 1].into());
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
}
