//! Garbage collection: deletes what is no longer desired, but only what carries the owner's labels.

use futures::StreamExt;
use futures::stream;
use serde_json::Value;

use super::markers;
use crate::mapper::{MapError, Mapper, Mapping};
use crate::object::{ObjectId, Subject, has_marker, metadata_map};
use crate::rest::{ObjectPath, Rest, RestError, Seen};

/// Deletes objects as one identity.
pub struct GarbageCollection<'a> {
    /// Client of the identity that deletes.
    pub rest: &'a Rest,
    /// Endpoints of the target cluster.
    pub mapper: &'a Mapper,
    /// Labels that an object must carry, with their exact values, to be deleted.
    pub owner_labels: &'a [(String, String)],
}

/// What became of one object.
#[derive(Debug)]
pub enum Deletion {
    /// It was deleted, or did not exist any more.
    Deleted,
    /// It belongs to somebody else, or a marker protects it.
    Skipped,
    /// It could not be deleted.
    Failed(DeleteFailure),
}

/// Why an object could not be deleted.
#[derive(Debug, thiserror::Error)]
#[error("{} {verb} failed: {reason}", Subject(.id))]
pub struct DeleteFailure {
    /// The object.
    pub id: ObjectId,
    verb: &'static str,
    reason: String,
}

impl GarbageCollection<'_> {
    /// Deletes the objects in order, continuing past failures; `version` is the API version that was applied.
    ///
    /// Propagation is in the background. An API group that a fresh discovery no longer lists took its objects along.
    pub async fn delete_all(&self, objects: Vec<(ObjectId, String)>) -> Vec<(ObjectId, Deletion)> {
        let outcome = |(id, version): (ObjectId, String)| async move {
            let deletion = match self.delete(&id, &version).await {
                Ok(true) => Deletion::Deleted,
                Ok(false) => Deletion::Skipped,
                Err(failure) => Deletion::Failed(failure),
            };
            (id, deletion)
        };
        stream::iter(objects).then(outcome).collect().await
    }

    async fn delete(&self, id: &ObjectId, version: &str) -> Result<bool, DeleteFailure> {
        let failure = |verb, reason: String| DeleteFailure {
            id: id.clone(),
            verb,
            reason,
        };
        let mapping = match self.endpoint(id, version).await {
            Ok(mapping) => mapping,
            Err(MapError::NoMatch { .. }) => return Ok(true),
            Err(error @ (MapError::Discovery(_) | MapError::Stale { .. })) => {
                return Err(failure("query", error.to_string()));
            }
        };
        let live = self.rest.get(&mapping, &id.namespace, &id.name).await;
        let live = live.map_err(|error: RestError| failure("query", error.to_string()))?;
        let Some(live) = live else { return Ok(true) };
        if !self.is_owned(&live) || is_protected(&live) {
            return Ok(false);
        }
        let at = ObjectPath {
            mapping: &mapping,
            namespace: &id.namespace,
            name: &id.name,
        };
        self.rest
            .delete(&at, Seen::of(&live))
            .await
            .map_err(|error| failure("delete", error.to_string()))?;
        Ok(true)
    }

    /// The version that was applied may be gone while the kind is still served in another one.
    async fn endpoint(&self, id: &ObjectId, version: &str) -> Result<Mapping, MapError> {
        match self.mapper.mapping(&id.group, version, &id.kind).await {
            Err(MapError::NoMatch { .. }) => self.mapper.preferred(&id.group, &id.kind).await,
            other => other,
        }
    }

    fn is_owned(&self, live: &Value) -> bool {
        let labels = metadata_map(live, "labels");
        self.owner_labels.iter().all(|(key, value)| {
            labels.and_then(|labels| labels.get(key)).and_then(Value::as_str) == Some(value.as_str())
        })
    }
}

fn is_protected(live: &Value) -> bool {
    has_marker(live, markers::PRUNE, "disabled")
        || has_marker(live, markers::RECONCILE, "disabled")
        || has_marker(live, markers::SSA, "Ignore")
}
