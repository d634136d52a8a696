//! `lookup`: objects of a live cluster.

use std::fmt;

/// Where templates find live objects.
pub trait Lookup: fmt::Debug + Send + Sync {
    /// Returns an object, or without a name the list of all of them; nothing if there is none.
    ///
    /// Without a namespace the object is cluster-scoped, or the list spans all namespaces. The error's text fails the
    /// render.
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<serde_json::Value>, String>;
}

/// Finds nothing, as `helm template` does.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCluster;

impl Lookup for NoCluster {
    fn lookup(&self, _: &str, _: &str, _: &str, _: &str) -> Result<Option<serde_json::Value>, String> {
        Ok(None)
    }
}
