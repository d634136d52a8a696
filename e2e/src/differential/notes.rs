//! What the controllers of a side send to notification-controller, which is played here.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::testbed::HttpServer;

/// Takes whatever is sent.
#[derive(Debug)]
pub(super) struct Notes {
    http: HttpServer,
    taken: Taken,
}

/// What was sent, or what is wrong with it.
type Taken = Arc<Mutex<Vec<Result<Value, String>>>>;

impl Notes {
    pub(super) fn start() -> Result<Self> {
        let taken = Taken::default();
        let router = Router::new().fallback(take).with_state(Arc::clone(&taken));
        Ok(Self {
            http: HttpServer::start(router)?,
            taken,
        })
    }

    /// Where controllers send to.
    pub(super) fn url(&self) -> String {
        self.http.url("/")
    }

    /// What was sent about objects of a kind in a namespace.
    ///
    /// # Errors
    /// Something was sent that cannot be read, so that nobody knows what it is about.
    pub(super) fn about(&self, kind: &str, namespace: &str) -> Result<Vec<Note>> {
        let taken = self.taken.lock();
        let mut about = Vec::new();
        for sent in taken.iter() {
            let sent = sent.as_ref().map_err(|error| anyhow!("a notification {error}"))?;
            let of = &sent["involvedObject"];
            if of["kind"] == kind && of["namespace"] == namespace {
                about.push(Note::of(sent));
            }
        }
        Ok(about)
    }
}

/// One thing that was sent.
#[derive(Debug)]
pub(super) struct Note {
    /// The name of the object.
    pub(super) name: String,
    pub(super) severity: String,
    pub(super) reason: String,
    pub(super) message: String,
    /// Everything else that is no chance.
    pub(super) about: Value,
}

impl Note {
    fn of(sent: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of = &sent["involvedObject"];
        // Nothing is no metadata.
        let metadata = sent["metadata"]
            .as_object()
            .filter(|metadata| !metadata.is_empty());
        let is_there = |field: &str| of[field].as_str().is_some_and(|value| !value.is_empty());
        Self {
            name: text(&of["name"]),
            severity: text(&sent["severity"]),
            reason: text(&sent["reason"]),
            message: text(&sent["message"]),
            about: json!({
                "apiVersion": of["apiVersion"], "uid": is_there("uid"), "resourceVersion": is_there("resourceVersion"),
                "metadata": metadata, "controller": sent["reportingController"],
            }),
        }
    }
}

async fn take(State(taken): State<Taken>, body: String) -> StatusCode {
    let sent = serde_json::from_str(&body);
    let sent = sent.map_err(|error| format!("is no JSON: {error}: {body:?}"));
    taken.lock().push(sent);
    StatusCode::ACCEPTED
}
