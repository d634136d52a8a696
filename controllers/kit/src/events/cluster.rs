//! Kubernetes Events.

use parking_lot::Mutex;
use serde_json::json;
use tokio::time::Instant;

use super::recent::{Correlated, Correlator};
use super::report::{Report, Severity, cut};
use crate::mapping::Mapping;
use crate::rest::{ObjectPath, Rest};

/// What still fits into an object; stock leaves it to the API server to refuse more.
const MAX_MESSAGE: usize = 512 << 10;

/// Writes Kubernetes Events.
pub(super) struct Cluster {
    rest: Rest,
    correlator: Mutex<Correlator>,
}

impl Cluster {
    pub(super) fn new(rest: Rest) -> Self {
        Self {
            rest,
            correlator: Mutex::default(),
        }
    }

    /// Writes an event, or counts it as one that was written before; what cannot be written is logged.
    ///
    /// Events about one object have to come one after the other.
    pub(super) async fn write(&self, report: &Report) {
        let Report {
            controller,
            event,
            at,
        } = report;
        let correlated = self
            .correlator
            .lock()
            .correlate(controller, event, Instant::now());
        let Some(correlated) = correlated else {
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
        let message = cut(&message, MAX_MESSAGE);
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
                Err(error) if error.is_not_found() => self.correlator.lock().forget(key),
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
            // As client-go's recorder, which stock has: the instance is told to the notification receiver alone.
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        });
        match self.rest.create(&mapping, &regarding.namespace, &object).await {
            Ok(_) => self.correlator.lock().remember(key, name),
            // The namespace is being deleted, together with the object.
            Err(error) if error.is_forbidden() || error.is_not_found() => {
                tracing::debug!(%error, "cannot create a Kubernetes event");
            }
            Err(error) => tracing::warn!(%error, "cannot create a Kubernetes event"),
        }
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
