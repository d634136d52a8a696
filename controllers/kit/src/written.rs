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

#[derive(Debug)]
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

    /// Gives what was written of an object that the watch does not show (yet).
    ///
    /// It may have been deleted before the answer to the write came, so this is not believed for long.
    pub fn unseen(&self, key: &ObjectKey) -> Option<V> {
        let written = self.0.lock();
        let recent = written
            .get(key)
            .filter(|written| written.at.elapsed() < UNSEEN_FOR);
        recent.map(|written| written.value.clone())
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
        assert_eq!(written.unseen(&key), Some("new"));
        assert_eq!(written.newer_than(&key, "10"), None);
        assert!(written.0.lock().is_empty(), "it would be kept twice");
    }

    #[test]
    fn versions_are_numbers() {
        assert!(is_newer("10", "9") && !is_newer("9", "10") && !is_newer("9", "9"));
        assert!(!is_newer("b", "a"));
    }
}
