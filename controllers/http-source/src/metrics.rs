//! What operators see of downloads.

use controller_kit::Metrics;
use controller_kit::ObjectKey;
use prometheus::{IntCounterVec, IntGaugeVec, Opts};

/// The families of the source; clones share them.
#[derive(Clone)]
pub(crate) struct HttpMetrics {
    fetched: IntCounterVec,
    checked: IntGaugeVec,
}

impl HttpMetrics {
    /// Registers the families.
    pub(crate) fn register(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let fetched = IntCounterVec::new(
            Opts::new(
                "openflux_http_fetch_total",
                "Downloads of Http sources: a body, nothing new, or the reason of a failure.",
            ),
            &["result"],
        )?;
        let checked = IntGaugeVec::new(
            Opts::new(
                "openflux_http_last_check_timestamp_seconds",
                "When the server of an Http source last answered what it has.",
            ),
            &["namespace", "name"],
        )?;
        metrics.register(&fetched)?;
        metrics.register(&checked)?;
        Ok(Self { fetched, checked })
    }

    /// Counts a download, by what came of it.
    pub(crate) fn fetched(&self, result: &str) {
        self.fetched.with_label_values(&[result]).inc();
    }

    /// Takes note that a server has said what it has.
    pub(crate) fn checked(&self, key: &ObjectKey, now: i64) {
        let labels = [key.namespace.as_str(), key.name.as_str()];
        self.checked.with_label_values(&labels).set(now);
    }

    /// Forgets a source that is gone.
    pub(crate) fn forget(&self, key: &ObjectKey) {
        // One that was never answered is not known.
        let _ = self
            .checked
            .remove_label_values(&[key.namespace.as_str(), key.name.as_str()]);
    }
}
