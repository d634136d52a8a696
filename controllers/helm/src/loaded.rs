//! Charts that runs have in use: of those that want the same one, whoever comes first loads it and parses its templates.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use helm::Chart;
use parking_lot::Mutex;

/// The charts that are in use, by the digests of their artifacts.
#[derive(Debug, Default)]
pub(crate) struct Loaded(Mutex<HashMap<String, Arc<Place>>>);

/// Where the runs that want a chart wait for the one that loads it.
type Place = Mutex<Known>;

/// What is known of a chart.
#[derive(Debug, Default)]
struct Known {
    chart: Weak<Chart>,
    /// Whether somebody could not load it. Who still waits then does not wait for the next one that tries.
    has_failed: bool,
}

impl Loaded {
    /// Gives a chart that somebody uses.
    pub(crate) fn get(&self, digest: &str) -> Option<Arc<Chart>> {
        let place = self.0.lock().get(digest).cloned()?;
        // Whoever is loading it holds the place: nobody waits for that here.
        place.try_lock()?.chart.upgrade()
    }

    /// Loads a chart, unless somebody uses it; who wants one that is being loaded waits for it. A chart that has no digest
    /// is nobody else's.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub(crate) fn get_or_load<E>(
        &self,
        digest: &str,
        load: impl FnOnce() -> Result<Chart, E>,
    ) -> Result<Arc<Chart>, E> {
        if digest.is_empty() {
            return load().map(Arc::new);
        }
        let place = self.place(digest);
        let mut known = place.lock();
        if let Some(chart) = known.chart.upgrade() {
            return Ok(chart);
        }
        if known.has_failed {
            drop(known);
            return load().map(Arc::new);
        }
        let loaded = load();
        known.has_failed = loaded.is_err();
        let chart = Arc::new(loaded?);
        known.chart = Arc::downgrade(&chart);
        Ok(chart)
    }

    fn place(&self, digest: &str) -> Arc<Place> {
        let mut all = self.0.lock();
        all.retain(|_, place| Arc::strong_count(place) > 1 || place.lock().chart.strong_count() > 0);
        Arc::clone(all.entry(digest.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use helm::{File, Limits, LoadError};

    use super::*;

    fn chart() -> Result<Chart, LoadError> {
        let file = File::new("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.0.0\n");
        Chart::from_files(vec![file], &Limits::default())
    }

    #[test]
    fn charts_are_kept_as_long_as_somebody_uses_them() {
        let loaded = Loaded::default();
        let first = loaded.get_or_load("sha256:a", chart).expect("a chart");
        let again = loaded.get("sha256:a").expect("it is in use");
        assert!(Arc::ptr_eq(&first, &again));
        drop((first, again));
        assert!(loaded.get("sha256:a").is_none());
        let _other = loaded.get_or_load("sha256:b", chart).expect("a chart");
        let _nameless = loaded.get_or_load("", chart).expect("a chart");
        assert!(loaded.get("").is_none());
        assert_eq!(loaded.0.lock().len(), 1);
    }

    #[test]
    fn a_chart_is_loaded_once_however_many_want_it_at_once() {
        let (loaded, loads, start) = (Loaded::default(), AtomicUsize::new(0), Barrier::new(8));
        let want = || {
            start.wait();
            loaded.get_or_load("sha256:a", || {
                loads.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(20));
                chart()
            })
        };
        let charts: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(want)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("it ends").expect("a chart"))
                .collect()
        });
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert!(charts.iter().all(|chart| Arc::ptr_eq(chart, &charts[0])));
    }

    #[test]
    fn who_waited_for_one_that_failed_waits_for_nobody_else() {
        let (loaded, start) = (Loaded::default(), Barrier::new(8));
        let (loading, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let want = || {
            start.wait();
            let failed: Result<Arc<Chart>, &str> = loaded.get_or_load("sha256:a", || {
                let now = loading.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(now, Ordering::Relaxed);
                std::thread::sleep(std::time::Duration::from_millis(100));
                loading.fetch_sub(1, Ordering::Relaxed);
                Err("no")
            });
            assert_eq!(failed.map(|_| ()), Err("no"));
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(want);
            }
        });
        assert!(most.load(Ordering::Relaxed) > 1);
    }

    #[test]
    fn who_fails_to_load_a_chart_keeps_nobody_from_it() {
        let loaded = Loaded::default();
        let failed: Result<_, &str> = loaded.get_or_load("sha256:a", || Err("no"));
        assert_eq!(failed.map(|_| ()), Err("no"));
        assert!(loaded.get_or_load("sha256:a", chart).is_ok());
    }
}
