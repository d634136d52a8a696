//! What we own of a live object: the fields that `managedFields` lists as ours, and their values.
//!
//! Whoever changes one of our fields takes it out of the list, unless they write under our name; then the value tells.
//! What others own may change as it likes.

use serde_json::Value;

use super::FieldManagers;
use super::hash::{entry_hash, sum, value_hash};

/// Hashes our fields in `live` with their values; 0 when we own none.
pub(crate) fn owned_hash(live: &Value, managers: &FieldManagers) -> u64 {
    let entry = managers.own_entry(live);
    entry
        .and_then(|entry| entry.get("fieldsV1"))
        .map_or(0, |fields| hash(fields, Some(live)))
}

/// Hashes the part of `value` that `fields` lists, in the `fieldsV1` notation.
fn hash(fields: &Value, value: Option<&Value>) -> u64 {
    match fields.as_object() {
        Some(fields) if !fields.is_empty() => sum(fields.iter().map(|(element, below)| {
            let part = match element.as_str() {
                // The map or list element as such, whatever else is in it.
                "." => u64::from(value.is_some()),
                _ => hash(below, value.and_then(|value| find(value, element))),
            };
            entry_hash(element, part)
        })),
        _ => value.map_or(0, value_hash),
    }
}

/// Finds what a path element means: `f:NAME`, `k:{KEYS}`, `v:VALUE` or `i:INDEX`.
fn find<'v>(value: &'v Value, element: &str) -> Option<&'v Value> {
    let (kind, what) = element.split_once(':')?;
    match kind {
        "f" => value.get(what),
        "k" => {
            let keys: Value = serde_json::from_str(what).ok()?;
            let keys = keys.as_object()?;
            let is_meant = |item: &&Value| keys.iter().all(|(key, expected)| item.get(key) == Some(expected));
            value.as_array()?.iter().find(is_meant)
        }
        "v" => {
            let expected: Value = serde_json::from_str(what).ok()?;
            value.as_array()?.iter().find(|item| **item == expected)
        }
        "i" => value.get(what.parse::<usize>().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn our_fields_count_with_their_values_and_those_of_others_do_not() {
        let managers = FieldManagers {
            own: "kustomize-controller".into(),
            overridden: Vec::new(),
        };
        let live = |labels: &Value, image: &str, finalizer: &str, replicas: u32, fields: &Value| {
            json!({
                "metadata": {"labels": labels, "finalizers": [finalizer], "managedFields": [
                    {"manager": "kustomize-controller", "operation": "Apply", "fieldsV1": fields}]},
                "spec": {"replicas": replicas, "containers": [{"name": "side", "image": "s"}, {"name": "web", "image": image}]},
            })
        };
        let fields = json!({
            "f:metadata": {"f:labels": {".": {}, "f:team": {}}, "f:finalizers": {"v:\"keep\"": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {".": {}, "f:name": {}, "f:image": {}}}},
        });
        let team = json!({"team": "a"});
        let hash = |labels: &Value, image: &str, finalizer: &str, replicas: u32, fields: &Value| {
            owned_hash(&live(labels, image, finalizer, replicas, fields), &managers)
        };
        let base = hash(&team, "one", "keep", 1, &fields);
        assert_eq!(
            base,
            hash(&json!({"team": "a", "theirs": "x"}), "one", "keep", 5, &fields)
        );
        assert_ne!(base, hash(&json!({"team": "b"}), "one", "keep", 1, &fields));
        assert_ne!(base, hash(&team, "two", "keep", 1, &fields));
        assert_ne!(base, hash(&team, "one", "other", 1, &fields));
        let mut fewer = fields.clone();
        fewer["f:metadata"] = json!({"f:labels": {".": {}, "f:team": {}}});
        assert_ne!(base, hash(&team, "one", "keep", 1, &fewer));
        assert_eq!(owned_hash(&json!({"metadata": {}}), &managers), 0);
    }
}
