//! The template function `lookup`: objects of the live cluster, as the release's identity sees them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use controller_kit::object::split_api_version;
use controller_kit::{Ask, MapError, RestError};
use helm::Lookup;
use http::Method;
use serde_json::Value;
use tokio::runtime::Handle;

use super::Cluster;

/// Looks objects up for a render, which runs on a thread of its own that may block.
pub(crate) struct ClusterLookup {
    cluster: Cluster,
    runtime: Handle,
    /// How many there have been.
    count: AtomicUsize,
}

/// How often one render may look: a chart that does so in a loop without an end is not to occupy anybody for hours.
const LOOKUPS: usize = 10_000;

impl ClusterLookup {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        Self {
            cluster: cluster.clone(),
            runtime: Handle::current(),
            count: AtomicUsize::new(0),
        }
    }

    async fn find(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, String> {
        let (group, version) = split_api_version(api_version);
        let mapping = match self.cluster.mapper.mapping(group, version, kind).await {
            Ok(mapping) => mapping,
            Err(error) => return self.no_mapping(api_version, kind, error).await,
        };
        let path = if name.is_empty() {
            mapping.collection(namespace)
        } else {
            mapping.path(namespace, name)
        };
        match self.cluster.rest.ask(&Ask::new(Method::GET, &path)).await {
            Err(error) if error.is_not_found() => Ok(None),
            answer => answer.map(Some).map_err(|error| error.to_string()),
        }
    }

    /// A kind that its version lacks is nothing; a version that is not served is an error.
    async fn no_mapping(
        &self,
        api_version: &str,
        kind: &str,
        error: MapError,
    ) -> Result<Option<Value>, String> {
        let (group, version) = split_api_version(api_version);
        let path = if group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{api_version}")
        };
        let reason = match error {
            MapError::NoMatch { .. } => match self.cluster.rest.ask(&Ask::new(Method::GET, &path)).await {
                Ok(_) => return Ok(None),
                Err(RestError::Api(status)) if status.code == 404 => {
                    "the server could not find the requested resource".to_owned()
                }
                Err(error) => error.to_string(),
            },
            error => error.to_string(),
        };
        Err(format!(
            "unable to get apiresource from unstructured: {group}/{version}, Kind={kind}: {reason}"
        ))
    }
}

impl Lookup for ClusterLookup {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, String> {
        if self.count.fetch_add(1, Ordering::Relaxed) >= LOOKUPS {
            return Err(format!("a render may look up {LOOKUPS} times"));
        }
        self.runtime
            .block_on(self.find(api_version, kind, namespace, name))
    }
}

impl fmt::Debug for ClusterLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterLookup").finish_non_exhaustive()
    }
}
