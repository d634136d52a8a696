//! Files that both sides fetch over HTTP.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use parking_lot::Mutex;

use crate::testbed::HttpServer;

/// A server of files that can be added to while it runs.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    http: Arc<HttpServer>,
    files: Files,
}

type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;

impl Shelf {
    pub(super) fn start() -> Result<Self> {
        let files = Files::default();
        let garbage = ("/garbage".to_owned(), b"garbage".to_vec());
        files.lock().extend([garbage]);
        let router = Router::new().fallback(serve).with_state(Arc::clone(&files));
        Ok(Self {
            http: Arc::new(HttpServer::start(router)?),
            files,
        })
    }

    /// Puts a file at a path, which starts with a slash.
    pub(super) fn put(&self, path: &str, bytes: Vec<u8>) {
        self.files.lock().insert(path.to_owned(), bytes);
    }

    /// The URL of a path, which starts with a slash.
    pub(super) fn url(&self, path: &str) -> String {
        self.http.url(path)
    }
}

async fn serve(State(files): State<Files>, request: Request) -> Response {
    let found = files.lock().get(request.uri().path()).cloned();
    match found {
        Some(bytes) => bytes.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
