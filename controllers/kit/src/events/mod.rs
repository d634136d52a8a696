//! Events: Kubernetes Events, and the JSON that notification-controller receives.
//!
//! Reconcilers hand events over and go on; a task of its own delivers them to each place. An unreachable receiver
//! therefore slows nobody, Kubernetes Events included, and events beyond a buffer are dropped with a log line.

mod recent;

use std::collections::BTreeMap;
use std::sync::Arc;
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
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::artifact::shown_url;
use crate::mapper::Mapping;
use crate::rest::{ObjectPath, Rest};
use recent::{Correlated, Correlator};

/// How serious an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something happened as intended.
    Info,
    /// Something went wrong.
    Error,
    /// A detail, which the notification receiver does not hear of.
    Trace,
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
    /// Text for people; cut at 39,000 bytes for the receiver.
    pub message: String,
    /// Metadata keys, such as `kustomize.toolkit.fluxcd.io/revision`.
    pub metadata: BTreeMap<String, String>,
}

/// An event on its way: who reports it, and when.
struct Report {
    controller: Arc<str>,
    event: EventRecord,
    at: Timestamp,
}

type Recorded = Arc<Report>;

/// Takes events over for delivery; clones share the buffers.
#[derive(Clone)]
pub struct EventRecorder {
    /// One buffer for each place that events are delivered to, so that none waits for another.
    senders: Vec<mpsc::Sender<Recorded>>,
    controller: Arc<str>,
}

/// Delivers what recorders hand over; run it with [`EventSink::run`].
pub struct EventSink {
    cluster: Cluster,
    events: mpsc::Receiver<Recorded>,
    webhook: Option<(Webhook, mpsc::Receiver<Recorded>)>,
}

/// Writes Kubernetes Events.
struct Cluster {
    rest: Rest,
    instance: String,
    correlator: Correlator,
}

/// Posts to the notification receiver.
struct Webhook {
    client: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    instance: String,
}

/// Events that wait for one place; beyond it new ones are dropped.
const BUFFER: usize = 4096;
/// What still fits into an object; stock leaves it to the API server to refuse more.
const MAX_KUBERNETES_MESSAGE: usize = 512 << 10;
const MAX_WEBHOOK_MESSAGE: usize = 39_000;
/// Attempts to reach the receiver, as in fluxcd/pkg/runtime/events.
const WEBHOOK_ATTEMPTS: u32 = 5;
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one event is waited for once the process is to end.
const LAST_MOMENT: Duration = Duration::from_secs(1);

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
    let instance = instance.to_owned();
    let (sender, events) = mpsc::channel(BUFFER);
    let mut senders = vec![sender];
    let webhook = if address.is_empty() {
        None
    } else {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .build();
        let webhook = Webhook {
            client: HttpClient::builder(TokioExecutor::new()).build(connector),
            url: address.to_owned(),
            instance: instance.clone(),
        };
        let (sender, events) = mpsc::channel(BUFFER);
        senders.push(sender);
        Some((webhook, events))
    };
    let cluster = Cluster {
        rest,
        instance,
        correlator: Correlator::default(),
    };
    let sink = EventSink {
        cluster,
        events,
        webhook,
    };
    let controller = Arc::from(controller);
    Ok((EventRecorder { senders, controller }, sink))
}

impl EventRecorder {
    /// Gives a recorder for the same places whose events are reported by another controller.
    #[must_use]
    pub fn reporting_as(&self, controller: &str) -> Self {
        Self {
            senders: self.senders.clone(),
            controller: Arc::from(controller),
        }
    }

    /// Hands an event over for delivery; never blocks.
    pub fn record(&self, event: EventRecord) {
        let recorded = Arc::new(Report {
            controller: Arc::clone(&self.controller),
            event,
            at: Timestamp::now(),
        });
        // The first place is the cluster.
        let places = match recorded.event.severity {
            Severity::Info | Severity::Error => self.senders.len(),
            Severity::Trace => 1,
        };
        let send = |sender: &mpsc::Sender<Recorded>| sender.try_send(Arc::clone(&recorded));
        let full =
            |sender: &mpsc::Sender<Recorded>| matches!(send(sender), Err(mpsc::error::TrySendError::Full(_)));
        // Each has to be tried, however the others fare.
        if self
            .senders
            .iter()
            .take(places)
            .filter(|sender| full(sender))
            .count()
            > 0
        {
            let event = &recorded.event;
            let subject = format!(
                "{}/{}/{}",
                event.regarding.kind, event.regarding.namespace, event.regarding.name
            );
            tracing::warn!(%subject, reason = %event.reason, "dropped an event, because too many wait for delivery");
        }
    }
}

impl EventSink {
    /// Delivers events until all recorders are gone; after `shutdown`, places that do not answer are given up.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self {
            mut cluster,
            mut events,
            webhook,
        } = self;
        let written = async {
            while let Some(report) = events.recv().await {
                if in_time(cluster.write(&report), &shutdown).await.is_none() {
                    return tracing::warn!("events were not written, because the process ends");
                }
            }
        };
        let posted = async {
            let Some((webhook, mut events)) = webhook else {
                return;
            };
            while let Some(report) = events.recv().await {
                let url = shown_url(&webhook.url);
                match in_time(webhook.post(&report), &shutdown).await {
                    Some(Ok(())) => {}
                    Some(Err(reason)) => tracing::warn!(
                        url,
                        reason,
                        "cannot deliver an event to the notification receiver"
                    ),
                    None => {
                        return tracing::warn!(url, "events were not delivered, because the process ends");
                    }
                }
            }
        };
        tokio::join!(written, posted);
    }
}

/// Waits for a delivery, but not long once `shutdown` has come; `None` when it was given up.
async fn in_time<T>(delivery: impl Future<Output = T>, shutdown: &CancellationToken) -> Option<T> {
    let over = async {
        shutdown.cancelled().await;
        tokio::time::sleep(LAST_MOMENT).await;
    };
    tokio::select! {
        result = delivery => Some(result),
        () = over => None,
    }
}

impl Cluster {
    async fn write(&mut self, report: &Report) {
        let Report {
            controller,
            event,
            at,
        } = report;
        let Some(correlated) = self.correlator.correlate(controller, event, Instant::now()) else {
            return;
        };
        let Correlated {
            key,
            message,
            combined,
            repeats,
        } = correlated;
        let mapping = event_mapping();
        let regarding = &event.regarding;
        let now = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let message = cut(&message, MAX_KUBERNETES_MESSAGE);
        if let Some((name, count)) = repeats {
            let patch = json!({"count": count, "lastTimestamp": now, "message": message});
            let at = ObjectPath {
                mapping: &mapping,
                namespace: &regarding.namespace,
                name: &name,
            };
            match self.rest.merge_patch(&at, None, controller, &patch).await {
                Ok(_) => return,
                // It has expired; record it anew.
                Err(error) if error.is_not_found() => self.correlator.forget(key),
                Err(error) => return tracing::warn!(%error, "cannot update a Kubernetes event"),
            }
        }
        let name = format!("{}.{:x}", cut(&regarding.name, 220), at.as_nanosecond());
        let metadata = (!combined).then_some(&event.metadata);
        let object = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": regarding.namespace, "annotations": metadata},
            "involvedObject": regarding,
            "reason": event.reason,
            "message": message,
            "type": match event.severity { Severity::Info | Severity::Trace => "Normal", Severity::Error => "Warning" },
            "source": {"component": **controller},
            "reportingComponent": **controller,
            "reportingInstance": self.instance,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        });
        match self.rest.create(&mapping, &regarding.namespace, &object).await {
            Ok(_) => self.correlator.remember(key, name),
            // The namespace is being deleted, together with the object.
            Err(error) if error.is_forbidden() || error.is_not_found() => {
                tracing::debug!(%error, "cannot create a Kubernetes event");
            }
            Err(error) => tracing::warn!(%error, "cannot create a Kubernetes event"),
        }
    }
}

impl Webhook {
    fn payload(&self, report: &Report) -> Value {
        let Report {
            controller,
            event,
            at,
        } = report;
        json!({
            "involvedObject": event.regarding,
            "severity": match event.severity { Severity::Info => "info", Severity::Error => "error", Severity::Trace => "trace" },
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "message": cut(&event.message, MAX_WEBHOOK_MESSAGE),
            "reason": event.reason,
            "metadata": event.metadata,
            "reportingController": **controller,
            "reportingInstance": self.instance,
        })
    }

    /// Posts an event; a receiver that answers 429 has seen it already.
    async fn post(&self, report: &Report) -> Result<(), String> {
        let body = Bytes::from(self.payload(report).to_string());
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

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 9), "aé");
    }
}
