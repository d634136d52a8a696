//! What was applied before: the knowledge that lets an unchanged object cost no request.
//!
//! After an apply, the API server lists the fields that we own in `managedFields`. Whoever changes or removes one of
//! them takes it out of that list. An object is therefore known to be what it should be as long as (a) the desired
//! object has not changed and (b) the watched object still carries the very list that our last apply left. The
//! memory is lost on restart, after which every object is verified by dry-run once.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::object::ObjectId;

static SEED: LazyLock<std::hash::RandomState> = LazyLock::new(std::hash::RandomState::new);

/// Hashes a JSON value; equal values have equal hashes within this process, whatever the order of their keys.
pub(crate) fn value_hash(value: &Value) -> u64 {
    let mut hasher = SEED.build_hasher();
    match value {
        Value::Null => hasher.write_u8(0),
        Value::Bool(value) => (1u8, value).hash(&mut hasher),
        Value::Number(number) => (2u8, number).hash(&mut hasher),
        Value::String(text) => (3u8, text).hash(&mut hasher),
        Value::Array(items) => {
            (4u8, items.len()).hash(&mut hasher);
            for item in items {
                hasher.write_u64(value_hash(item));
            }
        }
        Value::Object(entries) => {
            (5u8, entries.len()).hash(&mut hasher);
            hasher.write_u64(sum(entries
                .iter()
                .map(|(key, value)| entry_hash(key, value_hash(value)))));
        }
    }
    hasher.finish()
}

/// Hashes what drift is judged by: everything but `status` and `metadata`, and of those the labels and annotations.
///
/// Absent and empty labels or annotations are the same. Upstream: fluxcd/pkg/ssa `hasDrifted`.
pub(crate) fn content_hash(object: &Value) -> u64 {
    let texts = |field| {
        let entries = crate::object::metadata_map(object, field).into_iter().flatten();
        sum(entries.map(|(key, value)| entry_hash(key, value_hash(value))))
    };
    let fields = object
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "metadata" && *key != "status");
    let rest = sum(fields.map(|(key, value)| entry_hash(key, value_hash(value))));
    SEED.hash_one((texts("labels"), texts("annotations"), rest))
}

fn entry_hash(key: &str, value: u64) -> u64 {
    SEED.hash_one((key, value))
}

/// Combines the hashes of entries so that their order does not matter.
fn sum(hashes: impl Iterator<Item = u64>) -> u64 {
    hashes.fold(0, u64::wrapping_add)
}

/// What one owner applied: per object the hashes of what was desired and of the fields that it then owned.
#[derive(Debug, Default)]
pub struct ApplyMemory {
    objects: HashMap<ObjectId, Applied>,
    verified: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Applied {
    desired: u64,
    owned_fields: u64,
}

impl ApplyMemory {
    /// Tells whether `id` was applied as `desired` and still owns exactly the fields that it owned then.
    pub(super) fn is_unchanged(&self, id: &ObjectId, desired: u64, owned_fields: u64) -> bool {
        self.objects.get(id)
            == Some(&Applied {
                desired,
                owned_fields,
            })
    }

    /// Tells whether `id` was applied by this process, in whatever form, and nobody touched its fields since.
    pub(super) fn is_undisturbed(&self, id: &ObjectId, owned_fields: u64) -> bool {
        self.objects
            .get(id)
            .is_some_and(|applied| applied.owned_fields == owned_fields)
    }

    pub(super) fn remember(&mut self, id: ObjectId, desired: u64, owned_fields: u64) {
        self.objects.insert(
            id,
            Applied {
                desired,
                owned_fields,
            },
        );
    }

    pub(super) fn forget(&mut self, id: &ObjectId) {
        self.objects.remove(id);
    }

    /// Tells whether nothing has been applied yet, so that everything is about to be verified.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Takes note that all objects have just been verified.
    pub fn note_verified(&mut self) {
        self.verified = Some(Instant::now());
    }

    /// Tells whether all objects have been verified within the last `time`.
    pub fn was_verified_within(&self, time: Duration) -> bool {
        self.verified.is_some_and(|at| at.elapsed() < time)
    }

    /// Forgets all objects but those that `keep` names.
    pub fn retain(&mut self, keep: impl Fn(&ObjectId) -> bool) {
        self.objects.retain(|id, _| keep(id));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn drift_ignores_status_and_most_metadata() {
        let base = json!({"metadata": {"name": "a", "resourceVersion": "1"}, "spec": {"a": 1}});
        let same = json!({"metadata": {"name": "a", "resourceVersion": "2", "labels": {}}, "spec": {"a": 1}, "status": {}});
        assert_eq!(content_hash(&base), content_hash(&same));
        for different in [
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"a": 1}}),
            json!({"metadata": {"annotations": {"a": "b"}}, "spec": {"a": 1}}),
            json!({"metadata": {}, "spec": {"a": 2}}),
            json!({"metadata": {}, "spec": {"a": 1}, "data": {}}),
        ] {
            assert_ne!(content_hash(&base), content_hash(&different), "{different}");
        }
    }
}
