//! Charts that runs have in use: of those that want the same one, whoever comes first loads it and parses its templates.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use helm::Chart;
use parking_lot::Mutex;

/// The charts that are in use, by the digests of their artifacts.
#[derive(Debug, Default)]
pub(crate) struct Loaded(Mutex<HashMap<String, Weak<Chart>>>);

impl Loaded {
    /// Gives a chart that somebody uses.
    pub(crate) fn get(&self, digest: &str) -> Option<Arc<Chart>> {
        self.0.lock().get(digest).and_then(Weak::upgrade)
    }

    /// Shares a chart for as long as somebody uses it; one that has no digest is nobody else's.
    pub(crate) fn share(&self, digest: &str, chart: Chart) -> Arc<Chart> {
        let chart = Arc::new(chart);
        if !digest.is_empty() {
            let mut all = self.0.lock();
            all.retain(|_, chart| chart.strong_count() > 0);
            all.insert(digest.to_owned(), Arc::downgrade(&chart));
        }
        chart
    }
}

#[cfg(test)]
mod tests {
    use helm::{File, Limits};

    use super::*;

    #[test]
    fn charts_are_kept_as_long_as_somebody_uses_them() {
        let chart = || {
            let file = File::new("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n");
            Chart::from_files(vec![file], &Limits::default()).expect("a chart")
        };
        let loaded = Loaded::default();
        let first = loaded.share("sha256:a", chart());
        let again = loaded.get("sha256:a").expect("it is in use");
        assert!(Arc::ptr_eq(&first, &again));
        drop((first, again));
        assert!(loaded.get("sha256:a").is_none());
        let _other = loaded.share("sha256:b", chart());
        let _nameless = loaded.share("", chart());
        assert!(loaded.get("").is_none());
        assert_eq!(loaded.0.lock().len(), 1);
    }
}
