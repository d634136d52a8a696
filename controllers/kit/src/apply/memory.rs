//! What was applied before: the knowledge that lets an unchanged object cost no request.
//!
//! An object is known to be what it should be as long as (a) the desired object has not changed and (b) the watched
//! object still has the very fields and values that our last apply left: see the module `ownership`. The memory is lost on
//! restart and when somebody else applies, after which every object is verified by dry-run once.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::object::ObjectId;
use crate::ownership::{SEED, entry_hash, sum, value_hash};

/// What is desired of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Desired {
    /// Hash of everything.
    all: u64,
    /// Hash of which fields there are, their values left out.
    fields: u64,
}

impl Desired {
    pub(super) fn of(object: &Value) -> Self {
        let version = value_hash(&object["apiVersion"]);
        Self {
            all: value_hash(object),
            fields: SEED.hash_one((version, fields_hash(object))),
        }
    }
}

/// Hashes which fields a value has. What tells the elements of a list apart depends on the kind, so that lists count
/// with their values; but an image never does.
fn fields_hash(value: &Value) -> u64 {
    let below = |fields: &Map<String, Value>, hash: fn(&Value) -> u64| {
        sum(fields.iter().map(|(key, value)| entry_hash(key, hash(value))))
    };
    match value {
        Value::Object(fields) => SEED.hash_one((1u8, fields.len(), below(fields, fields_hash))),
        Value::Array(items) => SEED.hash_one((2u8, items.iter().map(element_hash).collect::<Vec<_>>())),
        Value::Null => 3,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => 4,
    }
}

fn element_hash(value: &Value) -> u64 {
    let Value::Object(fields) = value else {
        return value_hash(value);
    };
    sum(fields.iter().map(|(key, value)| {
        let is_image = key == "image" && value.is_string();
        entry_hash(key, if is_image { 4 } else { value_hash(value) })
    }))
}

/// What one owner applied as one identity: per object what was desired, and what we then owned of it.
#[derive(Debug, Default)]
pub struct ApplyMemory {
    identity: String,
    objects: HashMap<ObjectId, Applied>,
    verified: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Applied {
    desired: Desired,
    owned: u64,
}

impl ApplyMemory {
    /// Begins to remember what is applied as `identity`.
    pub fn of(identity: &str) -> Self {
        Self {
            identity: identity.to_owned(),
            ..Self::default()
        }
    }

    /// Tells whether this is what was applied as `identity`: what one may do says nothing about another.
    pub fn is_of(&self, identity: &str) -> bool {
        self.identity == identity
    }

    /// Tells whether `id` was applied as `desired` and we still own exactly what we owned then.
    pub(super) fn is_unchanged(&self, id: &ObjectId, desired: Desired, owned: u64) -> bool {
        self.objects.get(id) == Some(&Applied { desired, owned })
    }

    /// Tells whether `id` was applied with the same fields, if perhaps other values, and nobody touched them since.
    pub(super) fn has_only_other_values(&self, id: &ObjectId, desired: Desired, owned: u64) -> bool {
        self.objects
            .get(id)
            .is_some_and(|applied| applied.owned == owned && applied.desired.fields == desired.fields)
    }

    pub(super) fn remember(&mut self, id: ObjectId, desired: Desired, owned: u64) {
        self.objects.insert(id, Applied { desired, owned });
    }

    pub(super) fn forget(&mut self, id: &ObjectId) {
        self.objects.remove(id);
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
    fn other_values_of_the_same_fields_take_no_ownership() {
        let base = json!({"apiVersion": "apps/v1", "spec": {"replicas": 1, "containers": [{"name": "web", "image": "one"}]}});
        let fields = |object: &Value| Desired::of(object).fields;
        let changed = |pointer: &str, value: Value| {
            let mut object = base.clone();
            *object.pointer_mut(pointer).unwrap() = value;
            object
        };
        for same in [
            changed("/spec/replicas", json!(2)),
            changed("/spec/containers/0/image", json!("two")),
        ] {
            assert_eq!(fields(&base), fields(&same), "{same}");
            assert_ne!(Desired::of(&base), Desired::of(&same), "{same}");
        }
        for different in [
            changed("/apiVersion", json!("apps/v2")),
            changed("/spec/replicas", Value::Null),
            changed("/spec/containers/0/name", json!("other")),
            changed(
                "/spec/containers/0",
                json!({"name": "web", "image": "one", "args": []}),
            ),
            changed("/spec", json!({"replicas": 1})),
        ] {
            assert_ne!(fields(&base), fields(&different), "{different}");
        }
    }

    #[test]
    fn what_one_identity_applied_says_nothing_about_another() {
        assert!(ApplyMemory::of("a").is_of("a"));
        assert!(!ApplyMemory::of("a").is_of("b"));
    }
}
