//! What a render asks its host: for objects of a live cluster, and whether to go on.

use std::fmt;
use std::sync::Arc;

/// Asked from time to time: whether nobody wants a render any more.
pub type Cancelled = Arc<dyn Fn() -> bool + Send + Sync>;

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
