//! What is told about an object: its status, and events.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::events::{EventRecord, EventRecorder, Regarding, Severity};
use crate::metrics::Metrics;
use crate::watch::ObjectKey;
use crate::written::Written;

/// Writes the status of an object as `manager`, and remembers it until the watch brings it; false if it could not be written.
///
/// An object that is gone, or another one by now, has nobody who misses it.
pub async fn write_status<K, S>(
    client: &Client,
    manager: &str,
    object: &K,
    status: S,
    written: &Written<S>,
) -> bool
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    S: Serialize + Clone,
{
    let key = ObjectKey::of(object);
    let body = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": {"name": key.name, "uid": object.meta().uid}, "status": status,
    });
    let api: Api<K> = Api::namespaced(client.clone(), &key.namespace);
    let params = PatchParams::apply(manager).force();
    match api.patch_status(&key.name, &params, &Patch::Apply(&body)).await {
        Ok(answer) => {
            let version = answer.resource_version().unwrap_or_default();
            written.remember(&key, version, status);
            true
        }
        Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => {
            tracing::debug!(object = %key, "the object is gone, or another one by now");
            true
        }
        Err(error) => {
            tracing::warn!(object = %key, %error, "cannot write the status of an object");
            false
        }
    }
}

/// Gives the status that an object has: what was written last, or what the watch has brought, which is `seen`.
pub fn status_of<K: Resource, S: Clone>(object: &K, written: &Written<S>, seen: impl FnOnce() -> S) -> S {
    let version = object.resource_version().unwrap_or_default();
    let newer = written.newer_than(&ObjectKey::of(object), &version);
    newer.unwrap_or_else(seen)
}

/// Counts a look at an object of `kind`, and how long it took.
pub fn count(metrics: &Metrics, kind: &str, key: &ObjectKey, is_right: bool, took: Duration) {
    let result = if is_right { "success" } else { "error" };
    metrics.reconciled(&kind.to_lowercase(), result, took);
    metrics.object_reconciled(kind, &key.namespace, &key.name, took);
}

/// Tells the people behind an object something; keys of `metadata` get the group of the object for a prefix.
pub fn record<K: Resource<DynamicType = ()>>(
    recorder: &EventRecorder,
    object: &K,
    severity: Severity,
    reason: &str,
    message: &str,
    metadata: &[(&str, &str)],
) {
    let group = K::group(&());
    let metadata = metadata.iter();
    let metadata = metadata.map(|(key, value)| (format!("{group}/{key}"), (*value).to_owned()));
    recorder.record(EventRecord {
        regarding: Regarding {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            resource_version: object.resource_version().unwrap_or_default(),
        },
        severity,
        reason: reason.to_owned(),
        message: message.to_owned(),
        metadata: metadata.collect(),
    });
}

/// Tells the people behind an object that it does not have the shape of its kind, so that nobody looks at it.
pub fn record_unreadable<K: Resource<DynamicType = ()>>(
    recorder: &EventRecorder,
    key: &ObjectKey,
    error: &str,
) {
    recorder.record(EventRecord {
        regarding: Regarding {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: String::new(),
            resource_version: String::new(),
        },
        severity: Severity::Error,
        reason: "Unreadable".to_owned(),
        message: format!("the object cannot be read, and is left alone until it can: {error}"),
        metadata: BTreeMap::new(),
    });
}
