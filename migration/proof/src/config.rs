//! The ConfigMaps and Secrets that an object reads, by what tells whether they have changed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

/// A ConfigMap or Secret that is read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `ConfigMap` or `Secret`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its resource version; nothing if it is not there.
    pub version: Option<String>,
    /// When it was written last.
    pub changed: Option<Time>,
}

impl Config {
    /// Reads what counts of the object, if it is there.
    pub fn of(kind: &str, name: &str, object: Option<&Value>) -> Self {
        let metadata = object.and_then(|object| object.get("metadata"));
        let time = |value: Option<&Value>| {
            let value = value.cloned();
            value.and_then(|value| serde_json::from_value::<Time>(value).ok())
        };
        let entries = metadata.and_then(|metadata| metadata.get("managedFields"));
        let entries = entries.and_then(Value::as_array).into_iter().flatten();
        let written = entries.filter_map(|entry| time(entry.get("time")));
        let version = metadata.and_then(|metadata| metadata.get("resourceVersion"));
        Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            version: version.and_then(Value::as_str).map(str::to_owned),
            changed: written
                .max_by_key(|time| time.0)
                .or_else(|| time(metadata.and_then(|metadata| metadata.get("creationTimestamp")))),
        }
    }
}
