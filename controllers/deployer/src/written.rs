//! What was written to the status of objects, until the watch brings it back.

use std::collections::HashMap;

use controller_kit::ObjectKey;
use flux_api::Deployed;
use parking_lot::Mutex;

/// The statuses that were last written and have not been seen since.
pub(crate) struct WrittenStatuses<O: Deployed>(Mutex<HashMap<ObjectKey, (String, O::Status)>>);

impl<O: Deployed> Default for WrittenStatuses<O> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<O: Deployed> WrittenStatuses<O> {
    /// Remembers a status, and the resource version that it got.
    pub(crate) fn remember(&self, key: &ObjectKey, version: String, status: O::Status) {
        self.0.lock().insert(key.clone(), (version, status));
    }

    /// Gives the status of an object: what was last written, as long as `object` is older than that.
    ///
    /// A run that started from an older inventory would lose sight of what the run before it created.
    pub(crate) fn latest(&self, key: &ObjectKey, object: &O) -> O::Status {
        self.seen(key, object);
        let written = self.0.lock();
        written
            .get(key)
            .map_or_else(|| object.status().clone(), |(_, status)| status.clone())
    }

    /// Gives the resource version that a status got which has not been seen since.
    pub(crate) fn version(&self, key: &ObjectKey) -> Option<String> {
        self.0.lock().get(key).map(|(version, _)| version.clone())
    }

    /// Forgets what the watch has caught up with.
    pub(crate) fn seen(&self, key: &ObjectKey, object: &O) {
        let number = |version: &str| version.parse::<u64>().unwrap_or(0);
        let seen = object.meta().resource_version.as_deref().map_or(0, number);
        let mut written = self.0.lock();
        if written
            .get(key)
            .is_some_and(|(version, _)| number(version) <= seen)
        {
            written.remove(key);
        }
    }

    pub(crate) fn forget(&self, key: &ObjectKey) {
        self.0.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use flux_api::Kustomization;

    use super::*;

    #[test]
    fn a_status_is_kept_until_the_watch_has_caught_up() {
        let (written, key) = (
            WrittenStatuses::<Kustomization>::default(),
            ObjectKey::new("apps", "web"),
        );
        let at = |version: &str, revision: &str| {
            let object = serde_json::json!({
                "metadata": {"name": "web", "resourceVersion": version},
                "status": {"lastAppliedRevision": revision},
            });
            serde_json::from_value::<Kustomization>(object).expect("a Kustomization")
        };
        written.remember(&key, "10".to_owned(), at("10", "new").status);
        assert_eq!(written.latest(&key, &at("9", "old")).last_applied_revision, "new");
        written.seen(&key, &at("9", "old"));
        assert_eq!(written.0.lock().len(), 1);
        written.seen(&key, &at("11", "newer"));
        assert!(
            written.0.lock().is_empty(),
            "it would hold the inventory a second time"
        );
        assert_eq!(
            written.latest(&key, &at("11", "newer")).last_applied_revision,
            "newer"
        );
    }
}
