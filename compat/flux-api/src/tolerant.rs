//! Objects that a watch can carry even when it cannot read them.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::Resource;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};

/// An object of kind `K`, or its metadata and the reason why the rest could not be read.
///
/// A list or watch of `K` fails as a whole when one object does not decode, and so one odd object would hide all the
/// others. A list or watch of `Tolerant<K>` goes on: the odd object is one entry with an [`Undecodable`] in it. Only
/// an object without readable `metadata` fails, and the API server does not serve those.
///
/// Of `metadata.managedFields` the lists of fields (`fieldsV1`) are left out. Nobody reads them from a cache, and in
/// memory they are several times the size of all the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Tolerant<K>(pub Result<K, Undecodable>);

/// What is left of an object that does not decode as its kind.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("the object does not have the form of its kind: {reason}")]
pub struct Undecodable {
    /// Why it does not decode.
    pub reason: String,
    /// The object's metadata.
    pub metadata: ObjectMeta,
}

impl<'de, K: Resource + DeserializeOwned> Deserialize<'de> for Tolerant<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut object = serde_json::Value::deserialize(deserializer)?;
        drop_field_lists(&mut object);
        match K::deserialize(&object) {
            Ok(typed) => Ok(Self(Ok(typed))),
            Err(error) => {
                let metadata = object.get("metadata").unwrap_or(&serde_json::Value::Null);
                let metadata = ObjectMeta::deserialize(metadata).map_err(D::Error::custom)?;
                Ok(Self(Err(Undecodable {
                    reason: error.to_string(),
                    metadata,
                })))
            }
        }
    }
}

fn drop_field_lists(object: &mut serde_json::Value) {
    let entries = object.pointer_mut("/metadata/managedFields");
    for entry in entries
        .and_then(|entries| entries.as_array_mut())
        .into_iter()
        .flatten()
    {
        if let Some(entry) = entry.as_object_mut() {
            entry.remove("fieldsV1");
        }
    }
}

impl<K: Resource> Resource for Tolerant<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }
    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }
    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }
    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }
    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(object) => object.meta(),
            Err(undecodable) => &undecodable.metadata,
        }
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(object) => object.meta_mut(),
            Err(undecodable) => &mut undecodable.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kustomization;
    use kube_core::WatchEvent;
    use serde_json::json;

    fn read(object: &serde_json::Value) -> Tolerant<Kustomization> {
        let event = json!({"type": "ADDED", "object": object}).to_string();
        match serde_json::from_str(&event).expect("the watch goes on") {
            WatchEvent::Added(object) => object,
            other => panic!("not an addition: {other:?}"),
        }
    }

    #[test]
    fn one_odd_object_does_not_stop_a_watch() {
        let odd = [
            json!({"prune": "yes"}),
            json!({"path": 7}),
            json!({"sourceRef": "apps"}),
            json!("not even an object"),
        ];
        for spec in odd {
            let object = read(&json!({"metadata": {"name": "odd", "namespace": "apps"}, "spec": spec}));
            assert_eq!(object.meta().name.as_deref(), Some("odd"));
            assert!(object.0.is_err(), "{spec}");
        }
    }

    #[test]
    fn managers_are_kept_without_their_fields() {
        let fields = json!({"f:spec": {"f:path": {}}});
        let entry =
            json!({"manager": "flux", "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields});
        let object = read(&json!({"metadata": {"name": "app", "managedFields": [entry]}}));
        let managers = object.meta().managed_fields.clone().expect("managers");
        assert_eq!(managers[0].manager.as_deref(), Some("flux"));
        assert_eq!(managers[0].fields_v1, None);
    }

    #[test]
    fn unknown_fields_and_odd_durations_do_not_make_an_object_odd() {
        let object = read(&json!({
            "metadata": {"name": "fine"},
            "spec": {"interval": "99999999999h", "prune": true, "invention": {"a": [1]}},
            "status": {"conditions": null, "inventory": {"entries": null}, "more": 1}
        }));
        let object = object.0.expect("decodes");
        assert!(object.spec.prune);
        assert!(object.spec.interval.get().is_err());
    }
}
