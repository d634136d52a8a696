//! Who owns which fields of an object, as `metadata.managedFields` has it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value};

use crate::FieldOwner;

/// A step on the way to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// A field of an object.
    Field(String),
    /// An element of a list.
    Index(usize),
}

impl Segment {
    pub(super) fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }
}

/// Manager, operation and subresource: what tells one entry from another.
type Key<'a> = (&'a str, &'a str, &'a str);

/// The entries of `metadata.managedFields` of an object.
pub(super) struct Owners<'a> {
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    key: Key<'a>,
    version: &'a str,
    time: Option<Time>,
    fields: Option<&'a Map<String, Value>>,
}

impl<'a> Owners<'a> {
    /// Reads them.
    pub(super) fn of(object: &'a Value) -> Self {
        let entries = object
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array);
        let entries = entries.into_iter().flatten().map(|entry| {
            let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
            let time = entry.get("time").cloned();
            Entry {
                key: (text("manager"), text("operation"), text("subresource")),
                version: text("apiVersion"),
                time: time.and_then(|time| serde_json::from_value(time).ok()),
                fields: entry.get("fieldsV1").and_then(Value::as_object),
            }
        });
        Self {
            entries: entries.collect(),
        }
    }

    /// Returns what tells the entries apart.
    pub(super) fn managers(&self) -> impl Iterator<Item = Key<'a>> {
        self.entries.iter().map(|entry| entry.key)
    }

    /// Returns all owners of the object itself, each with one of its fields.
    pub(super) fn all(&self) -> Vec<(FieldOwner, String)> {
        let of_object = self.entries.iter().filter(|entry| entry.key.2.is_empty());
        of_object
            .map(|entry| {
                let first = entry.fields.and_then(first_field).unwrap_or_default();
                (entry.owner(), first)
            })
            .collect()
    }

    /// Returns who owns a field of `object`.
    ///
    /// What is owned as a whole is owned with everything in it; a list or an object that is not owned itself says nothing about
    /// what is in it.
    pub(super) fn of_field(&self, object: &Value, path: &[Segment]) -> Vec<FieldOwner> {
        let owning = self
            .entries
            .iter()
            .filter(|entry| entry.fields.is_some_and(|fields| owns(fields, object, path)));
        owning.map(Entry::owner).collect()
    }

    /// Returns the first field that one manager owns here and not in `other`, or there and not here.
    pub(super) fn first_difference(&self, other: &Self, key: Key<'_>) -> Option<String> {
        let of = |owners: &Self| -> Vec<(String, Map<String, Value>)> {
            let mut fields: Vec<_> = owners
                .entries
                .iter()
                .filter(|entry| entry.key == key)
                .map(|entry| {
                    (
                        entry.version.to_owned(),
                        entry.fields.cloned().unwrap_or_default(),
                    )
                })
                .collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            fields
        };
        let (here, there) = (of(self), of(other));
        if here == there {
            return None;
        }
        let union = |entries: &[(String, Map<String, Value>)]| {
            let mut all = Map::new();
            for (_, fields) in entries {
                unite(&mut all, fields);
            }
            all
        };
        let (here, there) = (union(&here), union(&there));
        let mut path = Vec::new();
        // With the same fields the version differs.
        Some(
            first_apart(&here, &there, &mut path)
                .map_or_else(|| "apiVersion".to_owned(), |path| joined(&path)),
        )
    }
}

impl Entry<'_> {
    fn owner(&self) -> FieldOwner {
        FieldOwner {
            manager: self.key.0.to_owned(),
            operation: self.key.1.to_owned(),
            time: self.time.clone(),
        }
    }
}

fn owns(fields: &Map<String, Value>, value: &Value, path: &[Segment]) -> bool {
    // A leaf has everything below it.
    if fields.is_empty() {
        return true;
    }
    let Some((segment, rest)) = path.split_first() else {
        // The thing itself, or something in it, which goes with it.
        return true;
    };
    let owns_below = |below: &Value, value: Option<&Value>| {
        let below = below.as_object();
        below.is_some_and(|below| owns(below, value.unwrap_or(&Value::Null), rest))
    };
    match segment {
        Segment::Field(name) => fields
            .get(&format!("f:{name}"))
            .is_some_and(|below| owns_below(below, value.get(name))),
        Segment::Index(at) => {
            let Some(element) = value.get(at) else {
                return false;
            };
            fields
                .iter()
                .any(|(key, below)| is_element(key, *at, element) && owns_below(below, Some(element)))
        }
    }
}

/// Whether a path element means an element of a list: `k:{KEYS}`, `v:VALUE` or `i:INDEX`.
fn is_element(key: &str, at: usize, element: &Value) -> bool {
    let Some((kind, what)) = key.split_once(':') else {
        return false;
    };
    match kind {
        "k" => {
            let keys: Option<Map<String, Value>> = serde_json::from_str(what).ok();
            keys.is_some_and(|keys| keys.iter().all(|(key, value)| element.get(key) == Some(value)))
        }
        "v" => serde_json::from_str::<Value>(what).is_ok_and(|value| value == *element),
        "i" => what.parse() == Ok(at),
        _ => false,
    }
}

fn unite(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (
            into.get_mut(key).and_then(Value::as_object_mut),
            value.as_object(),
        ) {
            (Some(existing), Some(value)) => unite(existing, value),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The way to the first element that only one of two sets has.
fn first_apart(
    a: &Map<String, Value>,
    b: &Map<String, Value>,
    path: &mut Vec<String>,
) -> Option<Vec<String>> {
    let nothing = Map::new();
    let below = |fields: &Map<String, Value>, key: &str| {
        let below = fields.get(key).and_then(Value::as_object);
        below.unwrap_or(&nothing).clone()
    };
    for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
        path.push(key.clone());
        if !(a.contains_key(key) && b.contains_key(key)) {
            return Some(path.clone());
        }
        if let Some(found) = first_apart(&below(a, key), &below(b, key), path) {
            return Some(found);
        }
        path.pop();
    }
    None
}

/// The first field of a set, as people read it.
fn first_field(fields: &Map<String, Value>) -> Option<String> {
    let mut path = Vec::new();
    let mut at = fields;
    loop {
        let next = at.iter().find(|(key, _)| *key != ".");
        let Some((key, below)) = next else {
            return (!path.is_empty()).then(|| joined(&path));
        };
        path.push(key.clone());
        match below.as_object() {
            Some(below) => at = below,
            None => return Some(joined(&path)),
        }
    }
}

/// Writes a path of `managedFields` as people read one; elements of lists by what tells them apart, values left out.
fn joined(path: &[String]) -> String {
    let mut text = String::new();
    for element in path {
        match element.split_once(':') {
            Some(("f", name)) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Some(("k", keys)) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<_> = keys
                    .iter()
                    .map(|(key, value)| match value {
                        Value::String(value) => format!("{key}={value}"),
                        value => format!("{key}={value}"),
                    })
                    .collect();
                text.extend(["[", &keys.join(","), "]"]);
            }
            Some(("i", at)) => text.extend(["[", at, "]"]),
            Some(_) => text.push_str("[]"),
            None => {}
        }
    }
    text
}
