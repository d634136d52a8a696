//! Hashes of JSON values, which live as long as the process.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use serde_json::Value;

use crate::object::metadata_map;

pub(crate) static SEED: LazyLock<std::hash::RandomState> = LazyLock::new(std::hash::RandomState::new);

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
        let entries = metadata_map(object, field).into_iter().flatten();
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

pub(crate) fn entry_hash(key: &str, value: u64) -> u64 {
    SEED.hash_one((key, value))
}

/// Combines the hashes of entries so that their order does not matter.
pub(crate) fn sum(hashes: impl Iterator<Item = u64>) -> u64 {
    hashes.fold(0, u64::wrapping_add)
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
