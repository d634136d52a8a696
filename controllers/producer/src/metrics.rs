//! What operators see of storage and producers.

use std::collections::BTreeMap;

use artifact_store::{ServerState, Store};
use controller_kit::Metrics;
use parking_lot::Mutex;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts};

/// The families of producers; clones share them.
#[derive(Clone)]
pub struct ProducerMetrics {
    bytes: IntGaugeVec,
    files: IntGaugeVec,
    free: IntGauge,
    collected: IntCounterVec,
    corrupt: IntGauge,
    written: IntCounterVec,
    served: IntCounterVec,
    served_bytes: IntGauge,
    told: std::sync::Arc<Mutex<BTreeMap<u16, u64>>>,
}

impl ProducerMetrics {
    /// Registers the families.
    pub(crate) fn register(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
            metrics.register(&family)?;
            Ok::<_, prometheus::Error>(family)
        };
        let gauge = |name: &str, help: &str| {
            let family = IntGauge::new(name, help)?;
            metrics.register(&family)?;
            Ok::<_, prometheus::Error>(family)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            metrics.register(&family)?;
            Ok::<_, prometheus::Error>(family)
        };
        Ok(Self {
            bytes: gauges("openflux_storage_bytes", "Bytes of stored artifacts.", &["kind"])?,
            files: gauges("openflux_storage_files", "Stored artifacts.", &["kind", "state"])?,
            free: gauge(
                "openflux_storage_free_bytes",
                "Bytes that are free on the volume of artifacts.",
            )?,
            collected: counters(
                "openflux_storage_gc_deleted_total",
                "Stored artifacts that were removed, by rule.",
                &["rule"],
            )?,
            corrupt: gauge(
                "openflux_storage_corrupt_total",
                "Stored artifacts that were not what their name says.",
            )?,
            written: counters(
                "openflux_artifact_written_total",
                "Looks at sources: new content, unchanged, or an error.",
                &["kind", "result"],
            )?,
            served: counters(
                "openflux_artifact_served_total",
                "Answers of the file server, by status.",
                &["code"],
            )?,
            served_bytes: gauge(
                "openflux_artifact_served_bytes_total",
                "Bytes of artifacts that were served.",
            )?,
            told: std::sync::Arc::default(),
        })
    }

    /// Counts what came of a look at an object of a kind: `new`, `unchanged` or `error`.
    pub fn wrote(&self, kind: &str, result: &str) {
        self.written.with_label_values(&[kind, result]).inc();
    }

    pub(crate) fn collected(&self, rule: &str) {
        self.collected.with_label_values(&[rule]).inc();
    }

    pub(crate) fn found_corrupt(&self) {
        self.corrupt.inc();
    }

    /// Takes over what the store and the server know; blocks.
    pub(crate) fn refresh(&self, store: &Store, state: &ServerState) {
        for (kind, usage) in store.usage() {
            let set = |family: &IntGaugeVec, labels: &[&str], value: u64| {
                family
                    .with_label_values(labels)
                    .set(i64::try_from(value).unwrap_or(i64::MAX));
            };
            set(&self.bytes, &[&kind], usage.bytes);
            set(&self.files, &[&kind, "current"], usage.current);
            set(&self.files, &[&kind, "superseded"], usage.superseded);
        }
        if let Some(free) = store.free() {
            self.free.set(i64::try_from(free).unwrap_or(i64::MAX));
        }
        let mut told = self.told.lock();
        for (code, count) in state.answers() {
            let before = told.insert(code, count).unwrap_or(0);
            let family = self.served.with_label_values(&[&code.to_string()]);
            family.inc_by(count.saturating_sub(before));
        }
        let bytes = i64::try_from(state.served_bytes()).unwrap_or(i64::MAX);
        self.served_bytes.set(bytes);
    }
}
