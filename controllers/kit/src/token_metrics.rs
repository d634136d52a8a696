//! The families about tokens of clouds and of clusters, under Flux's names.

use std::sync::Arc;

use cloud_auth::Tokens;
use parking_lot::Mutex;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The families, which are filled when they are rendered.
pub(crate) struct TokenMetrics {
    events: IntCounterVec,
    items: IntGauge,
    requests: IntCounterVec,
    evictions: IntCounter,
    /// Whatever keeps tokens: each deployer has its own.
    caches: Mutex<Vec<Arc<Tokens>>>,
}

impl TokenMetrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            events: IntCounterVec::new(
                Opts::new(
                    "gotk_token_cache_events_total",
                    "Total number of cache retrieval events for a Gitops Toolkit resource reconciliation.",
                ),
                &["event_type", "kind", "name", "namespace", "operation"],
            )?,
            items: IntGauge::new("gotk_token_cached_items", "Total number of items in the cache.")?,
            requests: IntCounterVec::new(
                Opts::new(
                    "gotk_token_cache_requests_total",
                    "Total number of cache requests partioned by success or failure.",
                ),
                &["status"],
            )?,
            evictions: IntCounter::new(
                "gotk_token_cache_evictions_total",
                "Total number of cache evictions.",
            )?,
            caches: Mutex::default(),
        })
    }

    /// Has tokens counted from now on; as in stock, there is nothing to be told where none are kept.
    pub(crate) fn count(&self, tokens: &Arc<Tokens>, registry: &Registry) -> Result<(), prometheus::Error> {
        if !tokens.are_kept() {
            return Ok(());
        }
        let mut caches = self.caches.lock();
        if caches.is_empty() {
            registry.register(Box::new(self.events.clone()))?;
            registry.register(Box::new(self.items.clone()))?;
            registry.register(Box::new(self.requests.clone()))?;
            registry.register(Box::new(self.evictions.clone()))?;
        }
        caches.push(Arc::clone(tokens));
        Ok(())
    }

    /// Reads what there is to be told.
    pub(crate) fn refresh(&self) {
        let caches = self.caches.lock();
        self.events.reset();
        self.requests.reset();
        self.evictions.reset();
        let mut items = 0;
        for tokens in &*caches {
            let counts = tokens.counts();
            items += counts.kept;
            self.evictions.inc_by(counts.evictions);
            for (status, number) in [("success", counts.succeeded), ("failure", counts.failed)] {
                if number > 0 {
                    self.requests.with_label_values(&[status]).inc_by(number);
                }
            }
            for (of, events) in tokens.events() {
                for (event, number) in [("cache_hit", events.hits), ("cache_miss", events.misses)] {
                    if number > 0 {
                        let labels = [event, &of.kind, &of.name, &of.namespace, of.operation];
                        self.events.with_label_values(&labels).inc_by(number);
                    }
                }
            }
        }
        self.items.set(i64::try_from(items).unwrap_or(i64::MAX));
    }

    /// Drops the series of a deleted object.
    pub(crate) fn object_deleted(&self, kind: &str, namespace: &str, name: &str) {
        for tokens in &*self.caches.lock() {
            tokens.forget(kind, namespace, name);
        }
    }
}
