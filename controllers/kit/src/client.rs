//! The connection to the API server, whose requests are counted.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower_layer::Layer;
use tower_service::Service;

use crate::bearing::{Bearing, TokenSource};
use crate::metrics::Metrics;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest time for which a connection to the API server may be silent while it is read from.
const SILENCE: Duration = Duration::from_secs(330);

/// Connects as `config` says, with limits of our own, counting requests in `rest_client_requests_total`.
///
/// # Errors
/// The configuration does not make a client, for instance because its certificates cannot be read.
pub fn connect(config: Config, metrics: &Metrics) -> kube::Result<Client> {
    connect_with(config, metrics, None)
}

/// The same, with the token of a source in every request.
pub(crate) fn connect_with(
    mut config: Config,
    metrics: &Metrics,
    tokens: Option<Arc<dyn TokenSource>>,
) -> kube::Result<Client> {
    config.connect_timeout = Some(CONNECT);
    // For lists, which have no time-out of their own; a watch that has nothing to tell ends after less than that.
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    // The client's own retries go on for minutes; requests have theirs, and watches.
    config.default_retry = false;
    let host = config
        .cluster_url
        .authority()
        .map_or("", |host| host.as_str())
        .to_owned();
    let counting = Counting {
        metrics: metrics.clone(),
        host,
    };
    let builder = ClientBuilder::try_from(config)?;
    Ok(match tokens {
        None => builder.with_layer(&counting).build(),
        Some(tokens) => builder.with_layer(&Bearing(tokens)).with_layer(&counting).build(),
    })
}

/// Counts the requests of a connection.
struct Counting {
    metrics: Metrics,
    host: String,
}

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted {
            inner,
            metrics: self.metrics.clone(),
            host: self.host.clone(),
        }
    }
}

struct Counted<S> {
    inner: S,
    metrics: Metrics,
    host: String,
}

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (metrics, host) = (self.metrics.clone(), self.host.clone());
        let method = request.method().clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            // As client-go has it, a request without an answer has this code.
            let status = answer.as_ref().ok().map(Response::status);
            let code = status.as_ref().map_or("<error>", StatusCode::as_str);
            metrics.requested(code, &host, method.as_str());
            answer
        })
    }
}
