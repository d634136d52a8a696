//! Untyped Kubernetes objects: identity, metadata access and the rules that Flux reads from labels and annotations.

use std::fmt;

pub use flux_api::ObjectId;
use serde_json::{Map, Value};

/// A group and kind, such as `apps/Deployment`; the core group is empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKind {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind in its exact spelling.
    pub kind: String,
}

/// Reads the identity of an object.
pub fn id_of(object: &Value) -> ObjectId {
    let (group, _) = split_api_version(api_version(object));
    ObjectId {
        namespace: namespace(object).to_owned(),
        name: name(object).to_owned(),
        group: group.to_owned(),
        kind: kind(object).to_owned(),
    }
}

/// Gives the group and kind of an identity.
pub fn group_kind(id: &ObjectId) -> GroupKind {
    GroupKind {
        group: id.group.clone(),
        kind: id.kind.clone(),
    }
}

/// Prints an identity as Flux does in messages: `Kind/namespace/name`, or `Kind/name` for cluster-scoped objects.
pub struct Subject<'a>(pub &'a ObjectId);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectId {
            namespace,
            name,
            kind,
            ..
        } = self.0;
        if namespace.is_empty() {
            write!(f, "{kind}/{name}")
        } else {
            write!(f, "{kind}/{namespace}/{name}")
        }
    }
}

/// Splits `group/version`; a bare version belongs to the core group.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Gives `apiVersion`, or an empty string.
pub fn api_version(object: &Value) -> &str {
    text(object.get("apiVersion"))
}

/// Gives `kind`, or an empty string.
pub fn kind(object: &Value) -> &str {
    text(object.get("kind"))
}

/// Gives `metadata.name`, or an empty string.
pub fn name(object: &Value) -> &str {
    metadata_text(object, "name")
}

/// Gives `metadata.namespace`, or an empty string.
pub fn namespace(object: &Value) -> &str {
    metadata_text(object, "namespace")
}

/// Gives `metadata.resourceVersion`, or an empty string.
pub fn resource_version(object: &Value) -> &str {
    metadata_text(object, "resourceVersion")
}

/// Gives a string field of `metadata`, or an empty string.
pub fn metadata_text<'a>(object: &'a Value, field: &str) -> &'a str {
    text(object.get("metadata").and_then(|metadata| metadata.get(field)))
}

/// Gives the labels or the annotations (`field`) of an object.
pub fn metadata_map<'a>(object: &'a Value, field: &str) -> Option<&'a Map<String, Value>> {
    object.get("metadata")?.get(field)?.as_object()
}

/// Sets one label or annotation (`field`), creating the maps on the way.
///
/// Entries of which one is no string are all dropped, as upstream does: what cannot be read as a map of strings counts
/// as absent. An annotation that is null is one that the object's type makes an empty string of.
pub fn set_metadata_entry(object: &mut Value, field: &str, key: &str, value: &str) {
    let Some(object) = object.as_object_mut() else {
        return;
    };
    let metadata = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    let counts = |entry: &Value| entry.is_string() || (entry.is_null() && field == "annotations");
    let entries = metadata.entry(field).or_insert(Value::Null);
    if !entries
        .as_object()
        .is_some_and(|entries| entries.values().all(counts))
    {
        *entries = Value::Object(Map::new());
    }
    if let Some(entries) = entries.as_object_mut() {
        entries.insert(key.to_owned(), Value::String(value.to_owned()));
    }
}

/// Tells whether a label or an annotation `key` has `value`, ignoring case, as fluxcd/pkg/ssa matches its markers.
pub fn has_marker(object: &Value, key: &str, value: &str) -> bool {
    ["labels", "annotations"].iter().any(|field| {
        metadata_map(object, field)
            .and_then(|entries| entries.get(key))
            .and_then(Value::as_str)
            .is_some_and(|found| found.eq_ignore_ascii_case(value))
    })
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}
