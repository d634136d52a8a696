//! Requests that show a token which changes.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use kube::client::Body;
use tokio::sync::Mutex;
use tower_layer::Layer;
use tower_service::Service;

/// Whoever has the token of each request.
pub trait TokenSource: Send + Sync + 'static {
    /// Gives the token, which may have to be asked for.
    fn token(&self) -> BoxFuture<'_, Result<String, String>>;
}

/// There is no token to ask with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NoToken(String);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Adds the token of a source to every request.
pub(crate) struct Bearing(pub(crate) Arc<dyn TokenSource>);

impl<S> Layer<S> for Bearing {
    type Service = BearingService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BearingService {
            // It is asked for a place only once there is a token.
            inner: Arc::new(Mutex::new(inner)),
            source: Arc::clone(&self.0),
        }
    }
}

pub(crate) struct BearingService<S> {
    inner: Arc<Mutex<S>>,
    source: Arc<dyn TokenSource>,
}

impl<S, B> Service<Request<Body>> for BearingService<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (inner, source) = (Arc::clone(&self.inner), Arc::clone(&self.source));
        Box::pin(async move {
            let token = source.token().await.map_err(NoToken)?;
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value = value.map_err(|_| NoToken("the token cannot stand in a header".to_owned()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
            let answer = {
                let mut inner = inner.lock().await;
                poll_fn(|context| inner.poll_ready(context))
                    .await
                    .map_err(Into::into)?;
                inner.call(request)
            };
            answer.await.map_err(Into::into)
        })
    }
}
