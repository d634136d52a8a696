//! Prometheus metrics under the names that dashboards for Flux and controller-runtime expect.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud_auth::Tokens;
use parking_lot::Mutex;
use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::process_metrics::ProcessMetrics;
use crate::token_metrics::TokenMetrics;

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
    queue_work: HistogramVec,
    queue_unfinished: GaugeVec,
    queue_longest: GaugeVec,
    refreshed: Arc<Refreshed>,
    process: ProcessMetrics,
    terminal_errors: IntCounterVec,
    requests: IntCounterVec,
    leader: IntGaugeVec,
    downloads: IntCounterVec,
}

/// What is read when it is rendered.
struct Refreshed {
    /// The runs in progress, by queue.
    working: Mutex<BTreeMap<String, Working>>,
    tokens: TokenMetrics,
    /// One at a time renders: what is read anew is set to zero first, which nobody else may see.
    rendering: Mutex<()>,
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
        let seconds = |name: &str, help: &str| {
            let family = GaugeVec::new(Opts::new(name, help), &["name"])?;
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
            queue_work: histogram(
                "workqueue_work_duration_seconds",
                "How long in seconds processing an item from workqueue takes.",
                &["name"],
                exponential_range(1e-6, 1000.0, 10),
            )?,
            queue_unfinished: seconds(
                "workqueue_unfinished_work_seconds",
                "How many seconds of work has been done that is in progress and hasn't been observed by work_duration.",
            )?,
            queue_longest: seconds(
                "workqueue_longest_running_processor_seconds",
                "How many seconds has the longest running processor for workqueue been running.",
            )?,
            refreshed: Arc::new(Refreshed {
                working: Mutex::default(),
                tokens: TokenMetrics::new()?,
                rendering: Mutex::default(),
            }),
            process: ProcessMetrics::register(&registry)?,
            terminal_errors: counter(
                "controller_runtime_terminal_reconcile_errors_total",
                "Total number of terminal reconciliation errors per controller",
                &["controller"],
            )?,
            requests: counter(
                "rest_client_requests_total",
                "Number of HTTP requests, partitioned by status code, method, and host.",
                &["code", "host", "method"],
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

    /// Has a family rendered too that belongs to one controller; clones of the family count together.
    ///
    /// # Errors
    /// There is one of its name already.
    pub fn register(
        &self,
        family: &(impl prometheus::core::Collector + Clone + 'static),
    ) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(family.clone()))
    }

    /// Renders all families in the Prometheus text format.
    ///
    /// # Errors
    /// A family that cannot be encoded, which is a bug.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let _rendering = self.refreshed.rendering.lock();
        for (name, working) in &*self.refreshed.working.lock() {
            let (sum, longest) = working.seconds();
            self.queue_unfinished.with_label_values(&[name]).set(sum);
            self.queue_longest.with_label_values(&[name]).set(longest);
        }
        self.process.refresh();
        self.refreshed.tokens.refresh();
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Gives the metrics of the queue and reconciler of `controller`, such as `kustomization`.
    pub fn queue(&self, controller: &str) -> QueueMetrics {
        let label = &[controller];
        QueueMetrics {
            name: Arc::from(controller),
            depth: self.queue_depth.with_label_values(label),
            adds: self.queue_adds.with_label_values(label),
            retries: self.queue_retries.with_label_values(label),
            wait: self.queue_wait.with_label_values(label),
            panics: self.reconcile_panics.with_label_values(label),
            work: self.queue_work.with_label_values(label),
            working: self
                .refreshed
                .working
                .lock()
                .entry(controller.to_owned())
                .or_default()
                .clone(),
            active: self.active_workers.with_label_values(label),
        }
    }

    /// Announces how many reconciliations of `controller` may run at once.
    pub fn set_concurrency(&self, controller: &str, workers: usize) {
        self.max_concurrent
            .with_label_values(&[controller])
            .set(i64::try_from(workers).unwrap_or(i64::MAX));
        // As in controller-runtime, what has not happened is there as zero.
        for family in [
            &self.reconcile_errors,
            &self.terminal_errors,
            &self.reconcile_panics,
        ] {
            family.with_label_values(&[controller]);
        }
    }

    /// Counts a request to the API server.
    pub(crate) fn requested(&self, code: &str, host: &str, method: &str) {
        self.requests.with_label_values(&[code, host, method]).inc();
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

    /// Has what is done with tokens told under Flux's names.
    pub fn count_tokens(&self, tokens: &Arc<Tokens>) {
        if let Err(error) = self.refreshed.tokens.count(tokens, &self.registry) {
            tracing::error!(%error, "metrics of tokens are missing");
        }
    }

    /// Drops the series of a deleted object.
    pub fn object_deleted(&self, kind: &str, namespace: &str, name: &str) {
        self.refreshed.tokens.object_deleted(kind, namespace, name);
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

/// The runs of one queue that are in progress, parked ones among them, and when each began.
#[derive(Clone, Default)]
struct Working(Arc<Mutex<(u64, BTreeMap<u64, Instant>)>>);

impl Working {
    /// How long all of them have taken together, and the longest.
    fn seconds(&self) -> (f64, f64) {
        let runs = self.0.lock();
        let taken = runs.1.values().map(|since| since.elapsed().as_secs_f64());
        taken.fold((0.0, 0.0), |(sum, longest), seconds| {
            (sum + seconds, f64::max(longest, seconds))
        })
    }
}

/// Counts a run as in progress until it is dropped.
pub(crate) struct WorkGuard {
    number: u64,
    begun: Instant,
    working: Working,
    work: Histogram,
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        self.working.0.lock().1.remove(&self.number);
        self.work.observe(self.begun.elapsed().as_secs_f64());
    }
}

/// Counts a worker as used until it is dropped.
pub(crate) struct ActiveGuard(IntGauge);

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The metrics of one work queue.
#[derive(Clone)]
pub struct QueueMetrics {
    name: Arc<str>,
    depth: IntGauge,
    adds: IntCounter,
    retries: IntCounter,
    wait: Histogram,
    panics: IntCounter,
    work: Histogram,
    working: Working,
    active: IntGauge,
}

impl QueueMetrics {
    /// Gives the name of the queue.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Counts a run as in progress.
    pub(crate) fn working(&self) -> WorkGuard {
        let begun = Instant::now();
        let mut runs = self.working.0.lock();
        runs.0 += 1;
        let number = runs.0;
        runs.1.insert(number, begun);
        drop(runs);
        WorkGuard {
            number,
            begun,
            working: self.working.clone(),
            work: self.work.clone(),
        }
    }

    /// Counts a worker as used.
    pub(crate) fn active(&self) -> ActiveGuard {
        self.active.inc();
        ActiveGuard(self.active.clone())
    }

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
    pub(crate) fn active_now(&self) -> i64 {
        self.active.get()
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
        let queue = metrics.queue("kustomization");
        queue.added();
        drop(queue.working());
        let _active = queue.active();
        metrics.set_concurrency("kustomization", 4);
        metrics.requested("200", "api", "GET");
        metrics.reconciled("kustomization", "success", Duration::from_millis(5));
        metrics.object_reconciled("Kustomization", "apps", "web", Duration::from_secs(1));
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        for line in [
            r#"workqueue_adds_total{name="kustomization"} 1"#,
            r#"workqueue_work_duration_seconds_count{name="kustomization"} 1"#,
            r#"workqueue_unfinished_work_seconds{name="kustomization"} 0"#,
            r#"controller_runtime_active_workers{controller="kustomization"} 1"#,
            r#"controller_runtime_terminal_reconcile_errors_total{controller="kustomization"} 0"#,
            r#"rest_client_requests_total{code="200",host="api",method="GET"} 1"#,
            "process_resident_memory_bytes",
            r#"controller_runtime_reconcile_total{controller="kustomization",result="success"} 1"#,
            r#"gotk_reconcile_duration_seconds_count{kind="Kustomization",name="web",namespace="apps"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing from:\n{text}");
        }
    }

    #[test]
    fn tokens_are_told_of_where_any_are_kept() {
        let metrics = Metrics::new().unwrap();
        let text = || String::from_utf8(metrics.render().unwrap()).unwrap();
        metrics.count_tokens(&Arc::new(Tokens::new(0, Duration::from_hours(1))));
        assert!(!text().contains("gotk_token"));
        for _ in 0..2 {
            metrics.count_tokens(&Arc::new(Tokens::new(100, Duration::from_hours(1))));
        }
        for line in ["gotk_token_cached_items 0", "gotk_token_cache_evictions_total 0"] {
            assert!(text().contains(line), "{line} is missing from:\n{}", text());
        }
    }
}
