//! Events: Kubernetes Events, and the JSON that notification-controller receives.
//!
//! Reconcilers hand events over and go on; a task of its own delivers them to each place, and there to several namespaces
//! at once. An unreachable receiver, or a namespace whose admission webhook says nothing, therefore slows nobody else;
//! events beyond a buffer are dropped with a log line.

mod cluster;
mod lanes;
mod recent;
mod report;
mod webhook;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::rest::Rest;
use cluster::Cluster;
use report::Report;
use webhook::Webhook;

pub use report::{EventRecord, Regarding, Severity};

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

/// Events on their way from those who record them to the lanes, which take them over at once.
const BUFFER: usize = 4096;

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
    let (sender, events) = mpsc::channel(BUFFER);
    let mut senders = vec![sender];
    let webhook = if address.is_empty() {
        None
    } else {
        let (sender, events) = mpsc::channel(BUFFER);
        senders.push(sender);
        Some((Webhook::new(address, instance)?, events))
    };
    let sink = EventSink {
        cluster: Cluster::new(rest),
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
        let send = |sender: &mpsc::Sender<Recorded>| sender.try_send(Arc::clone(&recorded));
        let full =
            |sender: &mpsc::Sender<Recorded>| matches!(send(sender), Err(mpsc::error::TrySendError::Full(_)));
        // The first place is the cluster.
        let places = match recorded.event.severity {
            Severity::Info | Severity::Error => self.senders.len(),
            Severity::Trace => 1,
        };
        // Each has to be tried, however the others fare.
        let places = self.senders.iter().take(places);
        if places.filter(|sender| full(sender)).count() > 0 {
            recorded.dropped();
        }
    }
}

impl EventSink {
    /// Delivers events until all recorders are gone; after `shutdown`, places that do not answer are given up.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self {
            cluster,
            events,
            webhook,
        } = self;
        let written = async {
            let cluster = &cluster;
            let write = |report: Recorded| async move { cluster.write(&report).await };
            if lanes::deliver(events, &shutdown, write).await > 0 {
                tracing::warn!("events were not written, because the process ends");
            }
        };
        let posted = async {
            let Some((webhook, events)) = webhook else {
                return;
            };
            let (webhook, url) = (&webhook, &webhook.shown_url());
            let post = |report: Recorded| async move {
                if let Err(reason) = webhook.post(&report).await {
                    tracing::warn!(
                        url,
                        reason,
                        "cannot deliver an event to the notification receiver"
                    );
                }
            };
            if lanes::deliver(events, &shutdown, post).await > 0 {
                tracing::warn!(url, "events were not delivered, because the process ends");
            }
        };
        tokio::join!(written, posted);
    }
}
