//! JSON merge patches between objects whose kind has no Go type.

use serde_json::{Map, Value};

use super::MergeError;
use super::value::{Kind, print};

type Object = Map<String, Value>;

/// The patch from one object to another.
pub(super) fn two_way(old: &Object, new: &Object) -> Object {
    let mut patch = Map::new();
    for (key, new) in new {
        match (old.get(key), new) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let inner = two_way(old, new);
                if !inner.is_empty() {
                    patch.insert(key.clone(), Value::Object(inner));
                }
            }
            (Some(old), new) if Kind::of(old) == Kind::of(new) && old == new => {}
            (_, new) => _ = patch.insert(key.clone(), new.clone()),
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    patch
}

/// The patch that sets what is different in `current` and deletes what only `original` had.
///
/// Both halves come from one `modified`, so that none deletes what the other sets: upstream's check for that finds nothing.
pub(super) fn three_way(
    original: &Object,
    modified: &Object,
    current: &Object,
) -> Result<Object, MergeError> {
    let set = without_nulls(two_way(current, modified));
    let mut patch = only_nulls(two_way(original, modified));
    lay_over(&mut patch, set);
    let renames = patch
        .get("metadata")
        .is_some_and(|metadata| metadata.get("name").is_some());
    if renames || ["apiVersion", "kind"].iter().any(|key| patch.contains_key(*key)) {
        return Err(MergeError::OtherObject(print(&Value::Object(patch))));
    }
    Ok(patch)
}

/// Drops the deletions of a patch, and the objects that hold nothing else.
fn without_nulls(patch: Object) -> Object {
    let keep = |(key, value)| match value {
        Value::Null => None,
        Value::Object(inner) if !inner.is_empty() => {
            let inner = without_nulls(inner);
            (!inner.is_empty()).then_some((key, Value::Object(inner)))
        }
        value => Some((key, value)),
    };
    patch.into_iter().filter_map(keep).collect()
}

/// Drops all but the deletions of a patch.
fn only_nulls(patch: Object) -> Object {
    let keep = |(key, value)| match value {
        Value::Null => Some((key, Value::Null)),
        Value::Object(inner) => {
            let inner = only_nulls(inner);
            (!inner.is_empty()).then_some((key, Value::Object(inner)))
        }
        _ => None,
    };
    patch.into_iter().filter_map(keep).collect()
}

/// Applies a patch without deletions. What was not there is taken without the nulls in it, also those in lists.
fn lay_over(lower: &mut Object, upper: Object) {
    for (key, value) in upper {
        match (lower.get_mut(&key), value) {
            (Some(Value::Object(lower)), Value::Object(value)) => lay_over(lower, value),
            (_, value) => _ = lower.insert(key, pruned(value)),
        }
    }
}

fn pruned(value: Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, pruned(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(pruned).collect(),
        scalar => scalar,
    }
}
