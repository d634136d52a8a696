//! Garbage collection: deletes what is no longer desired, but only what carries the owner's labels.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;

use crate::mapper::{MapError, Mapper};
use crate::mapping::Mapping;
use crate::object::{GroupKind, ObjectId, Subject, group_kind, has_marker, metadata_map};
use crate::ownership::markers;
use crate::queue::Slot;
use crate::rest::{ObjectPath, Rest, RestError, Seen};

/// Deletes objects as one identity.
pub struct GarbageCollection<'a> {
    /// Client of the identity that deletes.
    pub rest: &'a Rest,
    /// Endpoints of the target cluster.
    pub mapper: &'a Mapper,
    /// Labels that an object must carry, with their exact values, to be deleted.
    pub owner_labels: &'a [(String, String)],
    /// Objects that another owner desires, although they may not say so yet.
    pub desired_elsewhere: &'a HashSet<ObjectId>,
    /// The namespace that the controller runs in, which takes the controller along.
    pub own_namespace: &'a str,
}

/// What became of one object.
#[derive(Debug)]
pub enum Deletion {
    /// It was deleted, or did not exist any more.
    Deleted,
    /// It belongs to somebody else, or a marker protects it.
    Skipped,
    /// It carries the owner's labels still, but another owner desires it, and has to be told.
    Left,
    /// It is the namespace that the controller runs in.
    Spared,
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

impl DeleteFailure {
    fn new(id: &ObjectId, verb: &'static str, reason: &impl ToString) -> Self {
        Self {
            id: id.clone(),
            verb,
            reason: reason.to_string(),
        }
    }
}

/// What one look at an object came to.
enum Look {
    Done(Deletion),
    /// Somebody wrote between the look and the deletion.
    Changed,
    /// The cluster does not know the kind.
    NotServed,
}

/// How often an object is looked at that somebody else changes all the time.
const LOOKS: usize = 10;

/// A kind is gone, with its objects, if it is still not served after this time; until then it may be missing for a
/// moment, because its definition is replaced or an API server has just started.
const GONE_AFTER: Duration = Duration::from_secs(3);

impl GarbageCollection<'_> {
    /// Deletes the objects in order, continuing past failures; `version` is the API version that was applied.
    ///
    /// Propagation is in the background. A kind that two discoveries some seconds apart do not list took its objects
    /// along; `slot` is given up between the two.
    pub async fn delete_all(
        &self,
        objects: Vec<(ObjectId, String)>,
        slot: &mut Slot,
    ) -> Vec<(ObjectId, Deletion)> {
        let mut gone = HashSet::new();
        let mut deletions = Vec::with_capacity(objects.len());
        for (id, version) in objects {
            let deletion = self.delete(&id, &version, slot, &mut gone).await;
            deletions.push((id, deletion.unwrap_or_else(Deletion::Failed)));
        }
        deletions
    }

    async fn delete(
        &self,
        id: &ObjectId,
        version: &str,
        slot: &mut Slot,
        gone: &mut HashSet<GroupKind>,
    ) -> Result<Deletion, DeleteFailure> {
        let kind = group_kind(id);
        let mut missing = gone.contains(&kind);
        for _ in 0..LOOKS {
            match self.look(id, version).await? {
                Look::Done(deletion) => return Ok(deletion),
                Look::Changed => {}
                Look::NotServed if missing => {
                    gone.insert(kind);
                    return Ok(Deletion::Deleted);
                }
                Look::NotServed => {
                    missing = true;
                    let what = format!("{} to be served again, or not", id.kind);
                    slot.on(what).park(tokio::time::sleep(GONE_AFTER)).await;
                }
            }
        }
        Err(DeleteFailure::new(
            id,
            "delete",
            &"somebody else changes it all the time",
        ))
    }

    /// Looks at an object, and deletes it in the version that was seen if it is the owner's to delete.
    async fn look(&self, id: &ObjectId, version: &str) -> Result<Look, DeleteFailure> {
        let mapping = match self.endpoint(id, version).await {
            Ok(mapping) => mapping,
            Err(MapError::NoMatch { .. }) => return Ok(Look::NotServed),
            Err(error @ (MapError::Discovery(_) | MapError::Stale { .. })) => {
                return Err(DeleteFailure::new(id, "query", &error));
            }
        };
        let live = match self.rest.get(&mapping, &id.namespace, &id.name).await {
            Ok(Some(live)) => live,
            Ok(None) => return Ok(Look::Done(Deletion::Deleted)),
            Err(error) => return self.unless_served(error, id, "query").await,
        };
        if !self.is_owned(&live) || is_protected(&live) {
            return Ok(Look::Done(Deletion::Skipped));
        }
        if self.desired_elsewhere.contains(id) {
            return Ok(Look::Done(Deletion::Left));
        }
        if id.group.is_empty() && id.kind == "Namespace" && id.name == self.own_namespace {
            return Ok(Look::Done(Deletion::Spared));
        }
        let at = ObjectPath {
            mapping: &mapping,
            namespace: &id.namespace,
            name: &id.name,
        };
        match self.rest.delete(&at, Seen::of(&live)).await {
            Ok(_) => Ok(Look::Done(Deletion::Deleted)),
            Err(error) if error.is_conflict() => Ok(Look::Changed),
            Err(error) => self.unless_served(error, id, "delete").await,
        }
    }

    /// What was known of a kind that is not at its address any more is forgotten.
    async fn unless_served(
        &self,
        error: RestError,
        id: &ObjectId,
        verb: &'static str,
    ) -> Result<Look, DeleteFailure> {
        if !error.is_not_served() {
            return Err(DeleteFailure::new(id, verb, &error));
        }
        self.mapper.invalidate().await;
        Ok(Look::NotServed)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::Method;
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;
    use crate::fake::{self, failure};

    const OWNER: &str = "kustomize.toolkit.fluxcd.io/name";

    fn id() -> ObjectId {
        ObjectId {
            namespace: "apps".into(),
            name: "web".into(),
            group: String::new(),
            kind: "ConfigMap".into(),
        }
    }

    fn live(owner: &str, version: usize) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "apps", "name": "web",
            "uid": "u", "resourceVersion": version.to_string(), "labels": {OWNER: owner}}})
    }

    async fn delete(client: kube::Client, desired_elsewhere: &[ObjectId]) -> Deletion {
        let collection = GarbageCollection {
            rest: &Rest::new(client.clone()),
            mapper: &Mapper::new(client),
            owner_labels: &[(OWNER.to_owned(), "ours".to_owned())],
            desired_elsewhere: &desired_elsewhere.iter().cloned().collect(),
            own_namespace: "flux-system",
        };
        let objects = vec![(id(), "v1".to_owned())];
        let mut deletions = collection.delete_all(objects, &mut Slot::outside()).await;
        deletions.pop().expect("one object").1
    }

    /// An object whose version changes at each look; its owner is `owners` in their order, the last one for ever.
    fn busy(owners: &'static [&'static str]) -> (kube::Client, Arc<Mutex<Vec<Value>>>) {
        let (looks, deletions) = (AtomicUsize::new(0), Arc::new(Mutex::new(Vec::new())));
        let deleted = Arc::clone(&deletions);
        let answer = move |method: &Method, _: &str, body: &Value| {
            if method == Method::GET {
                let look = looks.fetch_add(1, Ordering::Relaxed);
                let owner = owners.get(look).or(owners.last()).copied().unwrap_or_default();
                return (200, live(owner, look));
            }
            deletions.lock().push(body["preconditions"].clone());
            let last = looks.load(Ordering::Relaxed) == owners.len();
            if last {
                (200, json!({}))
            } else {
                failure(409, "Conflict", "the object has been modified")
            }
        };
        (fake::client(answer, || true), deleted)
    }

    #[tokio::test]
    async fn what_somebody_took_over_in_between_is_not_deleted() {
        let (client, deletions) = busy(&["ours", "theirs"]);
        let deletion = delete(client, &[]).await;
        assert!(matches!(deletion, Deletion::Skipped), "{deletion:?}");
        assert_eq!(*deletions.lock(), [json!({"uid": "u", "resourceVersion": "0"})]);
    }

    #[tokio::test]
    async fn what_only_changed_in_between_is_deleted_as_it_is_now() {
        let (client, deletions) = busy(&["ours", "ours"]);
        let deletion = delete(client, &[]).await;
        assert!(matches!(deletion, Deletion::Deleted), "{deletion:?}");
        assert_eq!(deletions.lock()[1], json!({"uid": "u", "resourceVersion": "1"}));
    }

    #[tokio::test]
    async fn what_somebody_else_desires_is_left_to_them() {
        let (client, deletions) = busy(&["ours"]);
        let deletion = delete(client, &[id()]).await;
        assert!(matches!(deletion, Deletion::Left), "{deletion:?}");
        assert!(deletions.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_kind_that_is_missing_for_a_moment_takes_nothing_along() {
        for missing in [1, usize::MAX] {
            let (looks, asked) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
            let deleted = Arc::clone(&asked);
            let answer = move |method: &Method, _: &str, _: &Value| {
                if method == Method::DELETE {
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                (200, live("ours", 1))
            };
            let serves = move || looks.fetch_add(1, Ordering::Relaxed) >= missing;
            let start = tokio::time::Instant::now();
            let deletion = delete(fake::client(answer, serves), &[]).await;
            assert!(matches!(deletion, Deletion::Deleted), "{deletion:?}");
            assert!(start.elapsed() >= GONE_AFTER);
            let expected = usize::from(missing == 1);
            assert_eq!(
                deleted.load(Ordering::Relaxed),
                expected,
                "missing {missing} times"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_without_a_kind_is_no_object_that_is_gone() {
        let answers = AtomicUsize::new(0);
        let answer = move |method: &Method, _: &str, _: &Value| match answers.fetch_add(1, Ordering::Relaxed)
        {
            0 => failure(
                404,
                "NotFound",
                "the server could not find the requested resource",
            ),
            _ if method == Method::GET => failure(403, "Forbidden", "no"),
            _ => (200, json!({})),
        };
        let deletion = delete(fake::client(answer, || true), &[]).await;
        assert!(matches!(deletion, Deletion::Failed(_)), "{deletion:?}");
    }
}
