//! The cluster that a release lives in, as one identity sees it.
//!
//! [`Resource`](resource::Resource)s are built from manifests; they are created, updated and deleted as Helm's client does
//! (`apply`), which release they belong to is written into them (`ownership`), and they are waited for (`wait`).

mod apply;
mod discovery;
mod error;
mod inventory;
mod legacy;
mod log;
mod lookup;
mod managers;
mod manifest;
mod metadata;
mod method;
mod ownership;
mod patience;
mod readiness;
mod requests;
mod resource;
mod wait;

use std::sync::Arc;

use controller_kit::live::LiveStore;
use controller_kit::{Mapper, Rest};
use flux_deployer::HealthChecks;
use helm::{Capabilities, KubeVersion};

pub(crate) use discovery::KnownDiscovery;
pub use discovery::{Discovery, DiscoveryError};
pub use error::ApplyError;
pub use inventory::InventoryError;
pub use manifest::ManifestError;
pub use ownership::OwnershipError;
pub use patience::{Canceled, News, Patience};
pub use requests::Propagation;
pub use resource::BuildError;
pub use wait::{WaitError, WaitStrategy};

pub(crate) use log::{Cause, Log};
pub(crate) use lookup::ClusterLookup;
pub(crate) use manifest::{Document, documents};
pub(crate) use method::Method;
pub(crate) use ownership::{Adoption, set_owner};
pub(crate) use resource::Resource;

/// The label of applied objects that names their HelmRelease, by which they are watched.
pub const ORIGIN_LABEL: &str = "helm.toolkit.fluxcd.io/name";

/// A cluster, as one identity; clones share what is known of it.
#[derive(Clone)]
pub struct Cluster {
    /// Requests, as the identity.
    pub rest: Rest,
    /// What the cluster serves.
    pub mapper: Mapper,
    /// What became of objects.
    pub live: LiveStore,
    /// What charts may ask about it.
    pub discovery: Discovery,
    /// What tells the readiness of some kinds, before any rule does.
    pub expressions: Option<Arc<HealthChecks>>,
}

impl Cluster {
    /// Reads what the cluster, which is of this version, can do; kinds that are gone by now are forgotten.
    pub(crate) async fn capabilities(&self, version: KubeVersion) -> Result<Capabilities, DiscoveryError> {
        let capabilities = self.discovery.capabilities(version).await?;
        self.mapper.forget_gone(&capabilities.api_versions).await;
        Ok(capabilities)
    }

    /// Forgets kinds that are gone by now. If nobody tells, whoever asks for them will be told.
    pub(crate) async fn forget_gone_kinds(&self) {
        match self.discovery.served().await {
            Ok(served) => self.mapper.forget_gone(&served).await,
            Err(error) => tracing::debug!(%error, "cannot tell which kinds are gone"),
        }
    }
}
