//! An object of any kind as plain JSON, in the shape that kube's watcher wants.

use std::borrow::Cow;

use kube::Resource;
use kube::core::{ApiResource, ObjectMeta};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::object::{name, namespace, resource_version};

/// An untyped object; of its metadata only name, namespace and resource version are typed.
#[derive(Clone, Debug)]
pub(crate) struct RawObject {
    meta: ObjectMeta,
    pub(crate) value: Value,
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let meta = ObjectMeta {
            name: Some(name(&value).to_owned()),
            namespace: Some(namespace(&value).to_owned()).filter(|namespace| !namespace.is_empty()),
            resource_version: Some(resource_version(&value).to_owned()),
            ..ObjectMeta::default()
        };
        Ok(Self { meta, value })
    }
}

impl Resource for RawObject {
    type DynamicType = ApiResource;
    type Scope = kube::core::DynamicResourceScope;

    fn kind(dt: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&dt.kind)
    }
    fn group(dt: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&dt.group)
    }
    fn version(dt: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&dt.version)
    }
    fn api_version(dt: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&dt.api_version)
    }
    fn plural(dt: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&dt.plural)
    }
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}
