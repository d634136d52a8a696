//! Prometheus metrics under the names that dashboards for Flux and controller-runtime expect.

use std::time::Duration;

use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// All metric families of one process; clones share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    gotk_duration: HistogramVec,
    reconcile_total: IntCounterVec,
    reconcile_errors: IntCounterVec,
    reconcile_time: HistogramVec,
    reconcile_panics: IntCounterVec,
    active_workers: IntGaugeVec,
    max_concurrent: IntGaugeVec,
    queue_depth: IntGaugeVec,
    queue_adds: IntCounterVec,
    queue_retries: IntCounterVec,
    queue_wait: HistogramVec,
    leader: IntGaugeVec,
    downloads: IntCounterVec,
}

impl Metrics {
    /// Registers every family on a registry of its own.
    ///
    /// # Errors
    /// A family name that is registered twice or is not a valid metric name, which is a bug.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let family = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        let histogram = |name: &str, help: &str, labels: &[&str], buckets: Vec<f64>| {
            let family = HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels)?;
            registry.register(Box::new(family.clone()))?;
            Ok::<_, prometheus::Error>(family)
        };
        Ok(Self {
            gotk_duration: histogram(
                "gotk_reconcile_duration_seconds",
                "The duration in seconds of a GitOps Toolkit resource reconciliation.",
                &["kind", "name", "namespace"],
                exponential_range(0.01, 1800.0, 10),
            )?,
            reconcile_total: counter(
                "controller_runtime_reconcile_total",
                "Total number of reconciliations per controller",
                &["controller", "result"],
            )?,
            reconcile_errors: counter(
                "controller_runtime_reconcile_errors_total",
                "Total number of reconciliation errors per controller",
                &["controller"],
            )?,
            reconcile_time: histogram(
                "controller_runtime_reconcile_time_seconds",
                "Length of time per reconciliation per controller",
                &["controller"],
                exponential_range(0.005, 60.0, 20),
            )?,
            reconcile_panics: counter(
                "controller_runtime_reconcile_panics_total",
                "Total number of reconciliation panics per controller",
                &["controller"],
            )?,
            active_workers: gauge(
                "controller_runtime_active_workers",
                "Number of currently used workers per controller",
                &["controller"],
            )?,
            max_concurrent: gauge(
                "controller_runtime_max_concurrent_reconciles",
                "Maximum number of concurrent reconciles per controller",
                &["controller"],
            )?,
            queue_depth: gauge("workqueue_depth", "Current depth of workqueue", &["name"])?,
            queue_adds: counter(
                "workqueue_adds_total",
                "Total number of adds handled by workqueue",
                &["name"],
            )?,
            queue_retries: counter(
                "workqueue_retries_total",
                "Total number of retries handled by workqueue",
                &["name"],
            )?,
            queue_wait: histogram(
                "workqueue_queue_duration_seconds",
                "How long in seconds an item stays in workqueue before being requested",
                &["name"],
                exponential_range(1e-6, 1000.0, 10),
            )?,
            leader: gauge(
                "leader_election_master_status",
                "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master.",
                &["name"],
            )?,
            downloads: counter(
                "openflux_artifact_fetch_total",
                "Artifacts asked for, by where they came from: cache, or download",
                &["origin"],
            )?,
            registry,
        })
    }

    /// Renders all families in the Prometheus text format.
    ///
    /// # Errors
    /// A family that cannot be encoded, which is a bug.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Gives the metrics of the queue and reconciler of `controller`, such as `kustomization`.
    pub fn queue(&self, controller: &str) -> QueueMetrics {
        let label = &[controller];
        QueueMetrics {
            depth: self.queue_depth.with_label_values(label),
            adds: self.queue_adds.with_label_values(label),
            retries: self.queue_retries.with_label_values(label),
            wait: self.queue_wait.with_label_values(label),
            panics: self.reconcile_panics.with_label_values(label),
        }
    }

    /// Announces how many reconciliations of `controller` may run at once.
    pub fn set_concurrency(&self, controller: &str, workers: usize) {
        self.max_concurrent
            .with_label_values(&[controller])
            .set(i64::try_from(workers).unwrap_or(i64::MAX));
    }

    /// Counts a reconciliation of `controller` as running until the guard is dropped.
    pub fn active(&self, controller: &str) -> ActiveGuard {
        let gauge = self.active_workers.with_label_values(&[controller]);
        gauge.inc();
        ActiveGuard(gauge)
    }

    /// Records the end of a reconciliation; `result` is `success`, `requeue_after`, `requeue` or `error`.
    pub fn reconciled(&self, controller: &str, result: &str, took: Duration) {
        self.reconcile_total
            .with_label_values(&[controller, result])
            .inc();
        if result == "error" {
            self.reconcile_errors.with_label_values(&[controller]).inc();
        }
        self.reconcile_time
            .with_label_values(&[controller])
            .observe(took.as_secs_f64());
    }

    /// Records how long one object took, under Flux's own metric name.
    pub fn object_reconciled(&self, kind: &str, namespace: &str, name: &str, took: Duration) {
        self.gotk_duration
            .with_label_values(&[kind, name, namespace])
            .observe(took.as_secs_f64());
    }

    /// Drops the series of a deleted object.
    pub fn object_deleted(&self, kind: &str, namespace: &str, name: &str) {
        // A series that was never recorded is no error.
        let _ = self.gotk_duration.remove_label_values(&[kind, name, namespace]);
    }

    /// Records whether this process holds the lease `name`.
    pub fn set_leader(&self, name: &str, leading: bool) {
        self.leader.with_label_values(&[name]).set(i64::from(leading));
    }

    /// Counts one artifact that was asked for; `origin` is `cache` or `download`.
    pub fn artifact_fetched(&self, origin: &str) {
        self.downloads.with_label_values(&[origin]).inc();
    }
}

/// `count` buckets whose bounds grow by a constant factor from `first` to `last`.
fn exponential_range(first: f64, last: f64, count: i32) -> Vec<f64> {
    let factor = (last / first).powf(1.0 / f64::from(count - 1));
    (0..count).map(|step| first * factor.powi(step)).collect()
}

/// Counts a running reconciliation until it is dropped.
pub struct ActiveGuard(IntGauge);

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The metrics of one work queue.
#[derive(Clone)]
pub struct QueueMetrics {
    depth: IntGauge,
    adds: IntCounter,
    retries: IntCounter,
    wait: Histogram,
    panics: IntCounter,
}

impl QueueMetrics {
    pub(crate) fn added(&self) {
        self.adds.inc();
    }

    pub(crate) fn started(&self, waited: Duration) {
        self.wait.observe(waited.as_secs_f64());
    }

    pub(crate) fn retried(&self) {
        self.retries.inc();
    }

    pub(crate) fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn depth(&self, keys: usize) {
        self.depth.set(i64::try_from(keys).unwrap_or(i64::MAX));
    }

    #[cfg(test)]
    pub(crate) fn unregistered() -> Self {
        Metrics::new().expect("metric names are valid").queue("test")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_keep_the_names_that_dashboards_query() {
        let metrics = Metrics::new().unwrap();
        metrics.queue("kustomization").added();
        metrics.reconciled("kustomization", "success", Duration::from_millis(5));
        metrics.object_reconciled("Kustomization", "apps", "web", Duration::from_secs(1));
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        for line in [
            r#"workqueue_adds_total{name="kustomization"} 1"#,
            r#"controller_runtime_reconcile_total{controller="kustomization",result="success"} 1"#,
            r#"gotk_reconcile_duration_seconds_count{kind="Kustomization",name="web",namespace="apps"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing from:\n{text}");
        }
    }
}
