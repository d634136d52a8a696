//! Who refers to what, so that whatever changes wakes those whom it concerns.

use std::collections::HashSet;
use std::sync::Arc;

use artifact_consumer::SourceKey;
use controller_kit::{ObjectKey, RefIndex};
use flux_api::Deployed;

use crate::step::dependencies;

/// The references of all objects that are ours.
#[derive(Default)]
pub(crate) struct References {
    sources: RefIndex<SourceKey, ObjectKey>,
    dependencies: RefIndex<ObjectKey, ObjectKey>,
    configs: RefIndex<(&'static str, ObjectKey), ObjectKey>,
}

impl References {
    /// Takes note of what an object refers to; of nothing if it is not ours.
    pub(crate) fn update<O: Deployed>(
        &mut self,
        key: &ObjectKey,
        object: Option<&Arc<O>>,
        source: Option<SourceKey>,
    ) {
        self.sources.set(key, source.into_iter().collect());
        let on = object.map(|object| dependencies(object.as_ref()));
        self.dependencies.set(key, on.unwrap_or_default());
        let configs = object.map(|object| object.configs()).unwrap_or_default();
        let config =
            |(kind, name): (&'static str, &str)| (kind, ObjectKey::new(key.namespace.as_str(), name));
        self.configs.set(key, configs.into_iter().map(config).collect());
    }

    /// Gives the objects that consume a source.
    pub(crate) fn consumers<'a>(&'a self, source: &'a SourceKey) -> impl Iterator<Item = &'a ObjectKey> {
        self.sources.referrers(source)
    }

    /// Gives the objects that depend on an object.
    pub(crate) fn dependents<'a>(&'a self, key: &'a ObjectKey) -> impl Iterator<Item = &'a ObjectKey> {
        self.dependencies.referrers(key)
    }

    /// Gives the objects that read a ConfigMap or Secret.
    pub(crate) fn readers(&self, kind: &'static str, config: ObjectKey) -> HashSet<ObjectKey> {
        self.configs.referrers(&(kind, config)).cloned().collect()
    }
}
