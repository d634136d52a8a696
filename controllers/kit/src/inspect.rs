//! What the process is doing, for an operator who asks at its own machine: which runs are queued, in progress or parked,
//! and on what they wait; which watches are open, and how many objects they tell about. Nothing of what objects contain.
//!
//! There is one list of each for the process, as there is one process to ask.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;

static WATCHES: Mutex<BTreeMap<u64, Arc<Watch>>> = Mutex::new(BTreeMap::new());
static QUEUES: Mutex<Vec<Weak<dyn Runs>>> = Mutex::new(Vec::new());
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A queue that can tell about its runs.
pub(crate) trait Runs: Send + Sync {
    /// Tells what there is at the moment.
    fn runs(&self) -> QueueReport;
}

/// What one queue has to do.
#[derive(Debug, Serialize)]
pub(crate) struct QueueReport {
    /// The name that metrics have for it.
    pub(crate) queue: String,
    /// What waits for a worker slot, first come first.
    pub(crate) queued: Vec<Queued>,
    /// What goes on, the longest first.
    pub(crate) running: Vec<Running>,
    /// What is due later, the next first; not all of it where there is much.
    pub(crate) scheduled: Vec<Scheduled>,
    /// How many there are of the last.
    pub(crate) scheduled_in_all: usize,
}

/// A run that has not begun.
#[derive(Debug, Serialize)]
pub(crate) struct Queued {
    pub(crate) object: String,
    pub(crate) seconds: f64,
    pub(crate) because_of: Vec<&'static str>,
}

/// A run that goes on.
#[derive(Debug, Serialize)]
pub(crate) struct Running {
    pub(crate) object: String,
    pub(crate) seconds: f64,
    pub(crate) because_of: Vec<&'static str>,
    /// Whether a newer event has come since it began.
    pub(crate) is_superseded: bool,
    /// What it waits for outside its slot; nothing while it works.
    pub(crate) parked: Option<Parked>,
}

/// A wait outside the worker slot.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Parked {
    pub(crate) on: String,
    pub(crate) seconds: f64,
}

/// A run that a timer starts.
#[derive(Debug, Serialize)]
pub(crate) struct Scheduled {
    pub(crate) object: String,
    pub(crate) in_seconds: f64,
}

/// From now on a queue is asked about its runs, as long as there is one.
pub(crate) fn add_queue(queue: Weak<dyn Runs>) {
    let mut queues = QUEUES.lock();
    queues.retain(|known| known.strong_count() > 0);
    queues.push(queue);
}

/// Gives the runs of all queues as JSON.
pub(crate) fn runs() -> String {
    let queues: Vec<_> = QUEUES.lock().iter().filter_map(Weak::upgrade).collect();
    let mut reports: Vec<_> = queues.iter().map(|queue| queue.runs()).collect();
    reports.sort_by(|a, b| a.queue.cmp(&b.queue));
    json(&BTreeMap::from([("queues", reports)]))
}

/// One open watch.
struct Watch {
    what: String,
    since: Instant,
    objects: AtomicUsize,
    failing: Mutex<Option<String>>,
}

/// Keeps a watch on the list until it is dropped.
pub(crate) struct OpenWatch {
    number: u64,
    watch: Arc<Watch>,
}

impl OpenWatch {
    /// Puts a watch on the list.
    pub(crate) fn new(what: &str) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let watch = Arc::new(Watch {
            what: what.to_owned(),
            since: Instant::now(),
            objects: AtomicUsize::new(0),
            failing: Mutex::default(),
        });
        WATCHES.lock().insert(number, Arc::clone(&watch));
        Self { number, watch }
    }

    /// The watch tells about so many objects, and works.
    pub(crate) fn works(&self, objects: usize) {
        self.watch.objects.store(objects, Ordering::Relaxed);
        self.watch.failing.lock().take();
    }

    /// The watch does not work at the moment.
    pub(crate) fn fails(&self, why: &str) {
        *self.watch.failing.lock() = Some(why.to_owned());
    }
}

impl Drop for OpenWatch {
    fn drop(&mut self) {
        WATCHES.lock().remove(&self.number);
    }
}

#[derive(Serialize)]
struct WatchReport {
    watch: String,
    seconds: f64,
    objects: usize,
    failing: Option<String>,
}

/// Gives all open watches as JSON.
pub(crate) fn watches() -> String {
    let open: Vec<_> = WATCHES.lock().values().cloned().collect();
    let mut reports: Vec<_> = open
        .iter()
        .map(|watch| WatchReport {
            watch: watch.what.clone(),
            seconds: watch.since.elapsed().as_secs_f64(),
            objects: watch.objects.load(Ordering::Relaxed),
            failing: watch.failing.lock().clone(),
        })
        .collect();
    reports.sort_by(|a, b| a.watch.cmp(&b.watch));
    json(&BTreeMap::from([("watches", reports)]))
}

/// Such reports are always JSON.
fn json(report: &impl Serialize) -> String {
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_watch_is_listed_as_long_as_it_is_open() {
        let listed = || {
            let report: Value = serde_json::from_str(&watches()).expect("JSON");
            let all = report["watches"].as_array().cloned().unwrap_or_default();
            all.into_iter()
                .find(|watch| watch["watch"] == "a test of watches")
        };
        let open = OpenWatch::new("a test of watches");
        open.fails("no");
        assert_eq!(listed().map(|watch| watch["failing"].clone()), Some("no".into()));
        open.works(3);
        let watch = listed().expect("it is open");
        assert_eq!((&watch["objects"], &watch["failing"]), (&3.into(), &Value::Null));
        drop(open);
        assert_eq!(listed(), None);
    }
}
