//! Events: Kubernetes Events, and the JSON that notification-controller receives.
//!
//! Reconcilers hand events over and go on; a task of its own delivers them. An unreachable receiver therefore slows
//! nobody, and events beyond the buffer are dropped with a log line.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::mapper::Mapping;
use crate::rest::{ObjectPath, Rest};

/// How serious an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something happened as intended.
    Info,
    /// Something went wrong.
    Error,
}

/// The object that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Regarding {
    /// `group/version`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Resource version.
    pub resource_version: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// What it is about.
    pub regarding: Regarding,
    /// How serious it is.
    pub severity: Severity,
    /// Machine-readable reason.
    pub reason: String,
    /// Text for people; cut at 39,000 bytes for the receiver and at 1,024 for Kubernetes.
    pub message: String,
    /// Metadata keys, such as `kustomize.toolkit.fluxcd.io/revision`.
    pub metadata: BTreeMap<String, String>,
}

/// Takes events over for delivery; clones share one buffer.
#[derive(Clone)]
pub struct EventRecorder {
    sender: mpsc::Sender<(EventRecord, Timestamp)>,
}

/// Delivers what recorders hand over; run it with [`EventSink::run`].
pub struct EventSink {
    receiver: mpsc::Receiver<(EventRecord, Timestamp)>,
    rest: Rest,
    controller: String,
    instance: String,
    webhook: Option<Webhook>,
    recent: Recent,
}

struct Webhook {
    client: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
}

/// Events that wait for delivery; beyond it new ones are dropped.
const BUFFER: usize = 4096;
const MAX_KUBERNETES_MESSAGE: usize = 1024;
const MAX_WEBHOOK_MESSAGE: usize = 39_000;
/// Attempts to reach the receiver, as in fluxcd/pkg/runtime/events.
const WEBHOOK_ATTEMPTS: u32 = 5;
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// Creates a recorder and the sink that delivers its events.
///
/// `controller` is the reporting controller, such as `kustomize-controller`; `address` is `--events-addr`, empty for
/// no receiver.
///
/// # Errors
/// The system's certificates cannot be read.
pub fn recorder(
    rest: Rest,
    controller: &str,
    instance: &str,
    address: &str,
) -> std::io::Result<(EventRecorder, EventSink)> {
    let (sender, receiver) = mpsc::channel(BUFFER);
    let webhook = if address.is_empty() {
        None
    } else {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .build();
        Some(Webhook {
            client: HttpClient::builder(TokioExecutor::new()).build(connector),
            url: address.to_owned(),
        })
    };
    let sink = EventSink {
        receiver,
        rest,
        controller: controller.to_owned(),
        instance: instance.to_owned(),
        webhook,
        recent: Recent::default(),
    };
    Ok((EventRecorder { sender }, sink))
}

impl EventRecorder {
    /// Hands an event over for delivery; never blocks.
    pub fn record(&self, event: EventRecord) {
        if let Err(mpsc::error::TrySendError::Full((event, _))) =
            self.sender.try_send((event, Timestamp::now()))
        {
            let subject = format!(
                "{}/{}/{}",
                event.regarding.kind, event.regarding.namespace, event.regarding.name
            );
            tracing::warn!(%subject, reason = %event.reason, "dropped an event, because too many wait for delivery");
        }
    }
}

impl EventSink {
    /// Delivers events until all recorders are gone.
    pub async fn run(mut self) {
        while let Some((event, at)) = self.receiver.recv().await {
            self.post_to_kubernetes(&event, at).await;
            if let Some(webhook) = &self.webhook {
                let body = self.payload(&event, at);
                if let Err(reason) = webhook.post(body).await {
                    tracing::warn!(url = %webhook.url, reason, "cannot deliver an event to the notification receiver");
                }
            }
        }
    }

    fn payload(&self, event: &EventRecord, at: Timestamp) -> Value {
        let regarding = &event.regarding;
        json!({
            "involvedObject": regarding,
            "severity": match event.severity { Severity::Info => "info", Severity::Error => "error" },
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "message": cut(&event.message, MAX_WEBHOOK_MESSAGE),
            "reason": event.reason,
            "metadata": event.metadata,
            "reportingController": self.controller,
            "reportingInstance": self.instance,
        })
    }

    async fn post_to_kubernetes(&mut self, event: &EventRecord, at: Timestamp) {
        let mapping = event_mapping();
        let regarding = &event.regarding;
        let now = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        if let Some((name, count)) = self.recent.repeat(event) {
            let patch = json!({"count": count, "lastTimestamp": now});
            let at = ObjectPath {
                mapping: &mapping,
                namespace: &regarding.namespace,
                name: &name,
            };
            match self.rest.merge_patch(&at, None, &self.controller, &patch).await {
                Ok(_) => return,
                // It has expired; record it anew.
                Err(error) if error.is_not_found() => self.recent.forget(event),
                Err(error) => return tracing::warn!(%error, "cannot update a Kubernetes event"),
            }
        }
        let name = format!("{}.{:x}", cut(&regarding.name, 220), at.as_nanosecond());
        let object = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": regarding.namespace, "annotations": event.metadata},
            "involvedObject": regarding,
            "reason": event.reason,
            "message": cut(&event.message, MAX_KUBERNETES_MESSAGE),
            "type": match event.severity { Severity::Info => "Normal", Severity::Error => "Warning" },
            "source": {"component": self.controller},
            "reportingComponent": self.controller,
            "reportingInstance": self.instance,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        });
        match self.rest.create(&mapping, &regarding.namespace, &object).await {
            Ok(_) => self.recent.remember(event, name),
            // The namespace is being deleted, together with the object.
            Err(error) if error.is_forbidden() || error.is_not_found() => {
                tracing::debug!(%error, "cannot create a Kubernetes event");
            }
            Err(error) => tracing::warn!(%error, "cannot create a Kubernetes event"),
        }
    }
}

impl Webhook {
    /// Posts an event; a receiver that answers 429 has seen it already.
    async fn post(&self, body: Value) -> Result<(), String> {
        let body = Bytes::from(body.to_string());
        let mut pause = Duration::from_millis(500);
        let mut last = String::new();
        for _ in 0..WEBHOOK_ATTEMPTS {
            let request = Request::post(&self.url)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(body.clone()))
                .map_err(|error| error.to_string())?;
            match tokio::time::timeout(WEBHOOK_TIMEOUT, self.client.request(request)).await {
                Ok(Ok(response)) => match response.status() {
                    StatusCode::TOO_MANY_REQUESTS => return Ok(()),
                    status if status.is_success() => return Ok(()),
                    status if !status.is_server_error() => return Err(format!("answered {status}")),
                    status => last = format!("answered {status}"),
                },
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => last = format!("no answer within {WEBHOOK_TIMEOUT:?}"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(last)
    }
}

/// Events that were recorded lately: a repetition raises a counter instead of creating another object.
#[derive(Default)]
struct Recent {
    names: HashMap<u64, (String, u32)>,
    order: VecDeque<u64>,
    hasher: std::hash::RandomState,
}

const RECENT: usize = 2048;

impl Recent {
    fn key(&self, event: &EventRecord) -> u64 {
        use std::hash::BuildHasher;
        let severity = event.severity == Severity::Error;
        self.hasher.hash_one((
            &event.regarding.uid,
            severity,
            &event.reason,
            &event.message,
            &event.metadata,
        ))
    }

    fn repeat(&mut self, event: &EventRecord) -> Option<(String, u32)> {
        let (name, count) = self.names.get_mut(&self.key(event))?;
        *count = count.saturating_add(1);
        Some((name.clone(), *count))
    }

    fn remember(&mut self, event: &EventRecord, name: String) {
        let key = self.key(event);
        self.names.insert(key, (name, 1));
        self.order.push_back(key);
        if self.order.len() > RECENT
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }

    fn forget(&mut self, event: &EventRecord) {
        self.names.remove(&self.key(event));
    }
}

fn event_mapping() -> Mapping {
    Mapping {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Event".to_owned(),
        plural: "events".to_owned(),
        namespaced: true,
    }
}

fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> EventRecord {
        EventRecord {
            regarding: Regarding {
                uid: "u".into(),
                ..Regarding::default()
            },
            severity: Severity::Info,
            reason: "Progressing".into(),
            message: message.into(),
            metadata: BTreeMap::new(),
        }
    }

    #[test]
    fn repetitions_are_counted_and_the_memory_is_bounded() {
        let mut recent = Recent::default();
        recent.remember(&event("a"), "a.1".into());
        assert_eq!(recent.repeat(&event("a")), Some(("a.1".into(), 2)));
        assert_eq!(recent.repeat(&event("a")), Some(("a.1".into(), 3)));
        assert_eq!(recent.repeat(&event("b")), None);
        for i in 0..RECENT + 10 {
            recent.remember(&event(&i.to_string()), i.to_string());
        }
        assert!(recent.names.len() <= RECENT && recent.order.len() <= RECENT);
        assert_eq!(recent.repeat(&event("a")), None);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 9), "aé");
    }
}
