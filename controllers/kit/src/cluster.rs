//! A cluster as one identity: what is asked of it, what it serves, and what became of what was applied to it.

use std::sync::Arc;

use tokio_util::sync::DropGuard;

use crate::fair::FairBudget;
use crate::live::LiveStore;
use crate::mapper::Mapper;
use crate::queue::Slot;
use crate::rest::{Rest, RestError};

/// A cluster as one identity; clones share what is known of the cluster.
#[derive(Clone)]
pub struct Cluster {
    /// Requests, as the identity.
    pub rest: Rest,
    /// What the cluster serves.
    pub mapper: Mapper,
    /// What became of applied objects.
    pub live: LiveStore,
    remote: Option<Arc<Remote>>,
}

/// What a cluster has that is not our own.
pub(crate) struct Remote {
    pub(crate) id: Arc<str>,
    /// The places for work on other clusters.
    pub(crate) places: FairBudget,
    /// Ends its watches once nobody has the cluster any more.
    pub(crate) _end: DropGuard,
}

impl Cluster {
    /// The cluster that the controller runs in, as the controller itself.
    pub fn home(rest: Rest, mapper: Mapper, live: LiveStore) -> Self {
        Self {
            rest,
            mapper,
            live,
            remote: None,
        }
    }

    pub(crate) fn remote(rest: Rest, mapper: Mapper, live: LiveStore, remote: Remote) -> Self {
        Self {
            rest,
            mapper,
            live,
            remote: Some(Arc::new(remote)),
        }
    }

    /// Tells whether this is the cluster that the controller runs in, as far as is known: a kubeconfig may lead there too.
    pub fn is_home(&self) -> bool {
        self.remote.is_none()
    }

    /// Tells one cluster from another; empty for the one that the controller runs in.
    pub fn id(&self) -> &str {
        self.remote.as_ref().map_or("", |remote| &remote.id)
    }

    /// Names cluster and identity: what one may do in one place says nothing about another.
    pub fn identity(&self) -> String {
        match self.id() {
            "" => self.rest.identity().to_owned(),
            id => format!("{} at {id}", self.rest.identity()),
        }
    }

    /// The same cluster as the service account `name` of `namespace`.
    ///
    /// # Errors
    /// A name that cannot stand in a header.
    pub fn impersonating(&self, namespace: &str, name: &str) -> Result<Self, RestError> {
        Ok(Self {
            rest: self.rest.impersonating(namespace, name)?,
            ..self.clone()
        })
    }

    /// Gives the namespace that must be spared, where it is one of this cluster.
    pub fn spares<'n>(&self, own_namespace: &'n str) -> &'n str {
        if self.is_home() { own_namespace } else { "" }
    }

    /// Has a run go on where work on this cluster takes nothing from work on others: what is slow there, or does not answer,
    /// holds no worker.
    ///
    /// A cluster that does not answer at all gets no place: whatever is asked of it fails at once.
    pub async fn receive(&self, slot: &mut Slot) {
        let Some(remote) = &self.remote else { return };
        if self.rest.has_to_probe() {
            let probing = self.rest.probe();
            let answer = slot.on("an answer of another cluster").park(probing).await;
            if let Err(error) = &answer {
                tracing::info!(%error, "another cluster does not answer");
            }
        }
        // What has just been found out is known.
        if self.rest.probe().await.is_ok() {
            slot.move_to(&remote.places, Arc::clone(&remote.id)).await;
        }
    }
}
