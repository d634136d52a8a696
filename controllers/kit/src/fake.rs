//! An API server for unit tests, which answers by a function.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower_service::Service;

/// What the server answers to a method, a path and a body: a status code and a body. The path of a watch ends in `?watch`.
type Answer = dyn Fn(&Method, &str, &Value) -> (u16, Value) + Send + Sync;

/// Gives a client of a server that answers by `answer`, apart from the discovery of `v1` ConfigMaps, which are known as
/// long as `serves` says so.
pub(crate) fn client(
    answer: impl Fn(&Method, &str, &Value) -> (u16, Value) + Send + Sync + 'static,
    serves: impl Fn() -> bool + Send + Sync + 'static,
) -> Client {
    let all = move |method: &Method, path: &str, body: &Value| match path {
        "/api" => (200, discovery(serves())),
        "/apis" => (200, json!({"metadata": {}, "items": []})),
        _ => answer(method, path, body),
    };
    Client::new(Server(Arc::new(all)), "default")
}

/// A failure as an API server tells it.
pub(crate) fn failure(code: u16, reason: &str, message: &str) -> (u16, Value) {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason,
        "message": message});
    (code, status)
}

fn discovery(with_config_maps: bool) -> Value {
    let kind = json!({"group": "", "version": "v1", "kind": "ConfigMap"});
    let config_maps = json!({"resource": "configmaps", "responseKind": kind, "scope": "Namespaced",
        "singularResource": "configmap", "verbs": ["get"]});
    let resources = if with_config_maps {
        vec![config_maps]
    } else {
        vec![]
    };
    let versions = json!([{"version": "v1", "resources": resources, "freshness": "Current"}]);
    json!({"metadata": {}, "items": [{"metadata": {"name": ""}, "versions": versions}]})
}

#[derive(Clone)]
struct Server(Arc<Answer>);

impl Service<Request<Body>> for Server {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = Arc::clone(&self.0);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let is_watch = parts
                .uri
                .query()
                .is_some_and(|query| query.contains("watch=true"));
            let path = format!("{}{}", parts.uri.path(), if is_watch { "?watch" } else { "" });
            let (code, text) = answer(&parts.method, &path, &body);
            let response = Response::builder().status(code);
            Ok(response.body(Full::from(text.to_string())).expect("a response"))
        })
    }
}
