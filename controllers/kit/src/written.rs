//! What was written, until a watch brings it back: whoever reads sees it at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::watch::ObjectKey;

/// How long an answer to a write stands for an object that the watch does not show.
const UNSEEN_FOR: Duration = Duration::from_secs(10);

/// Tells whether one resource version of an object is newer than another.
///
/// Resource versions of one kind are comparable numbers (KEP-5504); anything else counts as not newer.
pub fn is_newer(version: &str, than: &str) -> bool {
    let number = |version: &str| version.parse::<u64>().ok();
    matches!((number(version), number(than)), (Some(version), Some(than)) if version > than)
}

/// What was last written of objects and has not been seen since, with the resource version that it got.
#[derive(Debug)]
pub struct Written<V>(Mutex<HashMap<ObjectKey, Entry<V>>>);

#[derive(Clone, Debug)]
struct Entry<V> {
    version: String,
    at: Instant,
    value: V,
}

impl<V> Default for Written<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V: Clone> Written<V> {
    /// Remembers what was written, and the resource version that it got.
    pub fn remember(&self, key: &ObjectKey, version: String, value: V) {
        let at = Instant::now();
        self.0.lock().insert(key.clone(), Entry { version, at, value });
    }

    /// Gives what was written of an object, as long as it is newer than the version that was `seen`.
    pub fn newer_than(&self, key: &ObjectKey, seen: &str) -> Option<V> {
        self.seen(key, seen);
        self.0.lock().get(key).map(|written| written.value.clone())
    }

    /// Gives an object as it is known: as it was written, until `watched` gives it as new. That is asked after what was written has
    /// been looked up; the other way round, the watch could bring it in between and have it forgotten.
    ///
    /// What the watch does not show (yet) may have been deleted before the answer to the write came, so that is not believed for long.
    pub fn newest(&self, key: &ObjectKey, watched: impl FnOnce() -> Option<(String, V)>) -> Option<V> {
        let written = self.0.lock().get(key).cloned();
        match (written, watched()) {
            (Some(written), Some((version, value))) => {
                let is_ahead = is_newer(&written.version, &version);
                Some(if is_ahead { written.value } else { value })
            }
            (Some(written), None) => (written.at.elapsed() < UNSEEN_FOR).then_some(written.value),
            (None, watched) => watched.map(|(_, value)| value),
        }
    }

    /// Gives the resource version that a write got which has not been seen since.
    pub fn version(&self, key: &ObjectKey) -> Option<String> {
        self.0.lock().get(key).map(|written| written.version.clone())
    }

    /// Forgets what the watch has caught up with.
    pub fn seen(&self, key: &ObjectKey, seen: &str) {
        let mut written = self.0.lock();
        if written
            .get(key)
            .is_some_and(|written| !is_newer(&written.version, seen))
        {
            written.remove(key);
        }
    }

    /// Forgets what was written of an object.
    pub fn forget(&self, key: &ObjectKey) {
        self.0.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_kept_until_the_watch_has_caught_up() {
        let (written, key) = (Written::default(), ObjectKey::new("apps", "web"));
        written.remember(&key, "10".to_owned(), "new");
        assert_eq!(written.newer_than(&key, "9"), Some("new"));
        assert_eq!(written.version(&key).as_deref(), Some("10"));
        assert_eq!(written.newer_than(&key, "10"), None);
        assert!(written.0.lock().is_empty(), "it would be kept twice");
    }

    #[test]
    fn what_the_watch_brings_while_somebody_reads_is_not_lost() {
        let (written, key) = (Written::default(), ObjectKey::new("apps", "web"));
        let at = |version: &str, value: &'static str| Some((version.to_owned(), value));
        assert_eq!(written.newest(&key, || at("9", "old")), Some("old"));
        written.remember(&key, "10".to_owned(), "new");
        assert_eq!(written.newest(&key, || None), Some("new"));
        assert_eq!(written.newest(&key, || at("11", "newer")), Some("newer"));
        // The reader has an old copy, and the watch catches up before it has compared.
        let behind = written.newest(&key, || {
            written.seen(&key, "10");
            at("9", "old")
        });
        assert_eq!(behind, Some("new"));
        assert_eq!(written.newest(&key, || None), None);
    }

    #[test]
    fn versions_are_numbers() {
        assert!(is_newer("10", "9") && !is_newer("9", "10") && !is_newer("9", "9"));
        assert!(!is_newer("b", "a"));
    }
}
