//! Creating, updating and deleting the objects of a release, as Helm's client does.

use controller_kit::RestError;
use controller_kit::object::{kind, name};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::Value;

use super::error::ApplyError;
use super::log::{Attribute, Cause};
use super::method::{Method, discreet};
use super::requests::{self, Propagation};
use super::resource::{Resource, annotation};
use super::{Cluster, Log};

/// What an update did, as far as it got.
#[derive(Debug, Default)]
pub(crate) struct Updated {
    /// The objects that did not exist before, whether they do now or not.
    pub(crate) created: Vec<Resource>,
}

/// How many objects are read, created or deleted at once.
const AT_ONCE: usize = 16;

/// How often an object is read anew that somebody else changes all the time.
const ATTEMPTS: usize = 5;

/// The annotation by which an object outlives its release.
pub(crate) const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// The value of that annotation that does so.
const KEEP: &str = "keep";

impl Cluster {
    /// Creates objects, those of one kind at once; what cannot be created keeps no other from being so.
    pub(crate) async fn create(
        &self,
        resources: &mut [Resource],
        method: Method,
        log: &Log,
    ) -> Result<(), ApplyError> {
        log.debug("creating resource(s)", &[("resources", &resources.len())]);
        if resources.is_empty() {
            return Err(ApplyError::Nothing);
        }
        method.log_creation(log);
        let mut errors = Vec::new();
        for batch in resources.chunk_by_mut(|a, b| a.mapping.kind == b.mapping.kind) {
            let creating = batch
                .iter_mut()
                .map(|resource| self.create_one(resource, method, log).boxed());
            errors.extend(
                at_once(creating.collect())
                    .await
                    .into_iter()
                    .filter_map(Result::err),
            );
        }
        ApplyError::join(errors, "\n").map_or(Ok(()), Err)
    }

    /// Makes the cluster hold `targets` in the place of `originals`: creates what is missing, changes the rest in its
    /// order, and deletes what is not wanted any more unless something went wrong before.
    ///
    /// A failure to create ends the update; failures to change are collected.
    pub(crate) async fn update(
        &self,
        originals: &[Resource],
        targets: &mut [Resource],
        method: Method,
        upgrades_managers: bool,
        log: &Log,
    ) -> (Updated, Result<(), ApplyError>) {
        let mut updated = Updated::default();
        method.log_update(upgrades_managers, log);
        log.debug("checking resources for changes", &[("resources", &targets.len())]);
        let result = self
            .update_all(originals, targets, method, upgrades_managers, log, &mut updated)
            .await;
        let result = match result {
            Ok(()) => self.delete_obsolete(originals, targets, log).await,
            failed => failed,
        };
        (updated, result)
    }

    async fn update_all(
        &self,
        originals: &[Resource],
        targets: &mut [Resource],
        method: Method,
        upgrades_managers: bool,
        log: &Log,
        updated: &mut Updated,
    ) -> Result<(), ApplyError> {
        // What is there is read ahead, many objects at once. Whoever changes what rests on it looks again.
        let live = self.look_at(targets).await;
        let mut errors = Vec::new();
        for (target, live) in targets.iter_mut().zip(live) {
            let Some(live) = live.map_err(ApplyError::Look)? else {
                let created = self.create_one(target, method, log).await;
                updated.created.push(target.clone());
                created.map_err(|error| ApplyError::Create(Box::new(error)))?;
                log.debug("created a new resource", &attributes_of_kind(target));
                continue;
            };
            let original = originals.iter().find(|original| original.is(target));
            let changed = self.change_one(original, target, live, method, upgrades_managers, log);
            errors.extend(changed.await.err());
        }
        ApplyError::join(errors, " && ").map_or(Ok(()), Err)
    }

    /// Deletes the originals that are no targets, but those that are to be kept.
    async fn delete_obsolete(
        &self,
        originals: &[Resource],
        targets: &[Resource],
        log: &Log,
    ) -> Result<(), ApplyError> {
        let is_target = |original: &&Resource| targets.iter().any(|target| target.is(original));
        let mut errors = Vec::new();
        for original in originals.iter().filter(|original| !is_target(original)) {
            log.debug("deleting resource", &attributes_of_kind(original));
            if let Err(error) = self.delete_unless_kept(original, log).await {
                let error = discreet(original, error);
                let attributes = &attributes_of_kind(original);
                log.debug_error("failed to delete resource", attributes, Cause::Answer(&error));
                errors.push(ApplyError::Delete {
                    namespace: original.namespace.clone(),
                    name: original.name.clone(),
                    kind: original.mapping.kind.clone(),
                    error,
                });
            }
        }
        ApplyError::join(errors, " && ").map_or(Ok(()), Err)
    }

    /// Deletes an object as it was seen: somebody may mark it as one to be kept meanwhile.
    async fn delete_unless_kept(&self, original: &Resource, log: &Log) -> Result<(), RestError> {
        let at = original.at();
        let mut attempt = 1;
        loop {
            let live = match requests::get(&self.rest, &at).await {
                Ok(Some(live)) => live,
                Ok(None) => return Ok(()),
                Err(error) => {
                    // As in Helm, what cannot be read is left alone and is no failure.
                    let attributes = &attributes_of_kind(original);
                    let error = discreet(original, error);
                    log.debug_error("unable to get object", attributes, Cause::Answer(&error));
                    return Ok(());
                }
            };
            if annotation(&live, RESOURCE_POLICY) == Some(KEEP) {
                let [kind, name, namespace] = attributes_of_kind(original);
                let policy: [Attribute<'_>; 2] = [("annotation", &RESOURCE_POLICY), ("value", &KEEP)];
                let [annotation, value] = policy;
                let attributes = [kind, name, namespace, annotation, value];
                log.debug("skipping delete due to annotation", &attributes);
                return Ok(());
            }
            match requests::delete_seen(&self.rest, &at, &live).await {
                Err(error) if error.is_not_found() => return Ok(()),
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => attempt += 1,
                answer => return answer.map(|_| ()),
            }
        }
    }

    /// Deletes objects, those of one kind at once; those that do not exist are deleted already.
    ///
    /// Gives those that are still there, as the API server has them, until somebody else has done their part.
    pub(crate) async fn delete(
        &self,
        resources: &[Resource],
        propagation: Propagation,
        log: &Log,
    ) -> Result<Vec<Resource>, Vec<ApplyError>> {
        if resources.is_empty() {
            return Err(vec![ApplyError::NothingToDelete]);
        }
        let (mut left, mut errors) = (Vec::new(), Vec::new());
        for batch in resources.chunk_by(|a, b| a.mapping.kind == b.mapping.kind) {
            let deleting = batch
                .iter()
                .map(|resource| self.delete_one(resource, propagation, log).boxed());
            for deleted in at_once(deleting.collect()).await {
                match deleted {
                    Ok(still_there) => left.extend(still_there),
                    Err(error) => errors.push(ApplyError::Refused(error)),
                }
            }
        }
        if errors.is_empty() { Ok(left) } else { Err(errors) }
    }

    async fn delete_one(
        &self,
        resource: &Resource,
        propagation: Propagation,
        log: &Log,
    ) -> Result<Option<Resource>, RestError> {
        log.debug("starting delete resource", &attributes_of_kind(resource));
        match requests::delete(&self.rest, resource, propagation).await {
            Err(error) if error.is_not_found() => {
                let attributes = &attributes_of_kind(resource);
                log.debug_error("ignoring delete failure", attributes, Cause::Answer(&error));
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(answer) => Ok(left_by(resource, answer)),
        }
    }

    /// Reads what is there of objects, many at once.
    pub(crate) async fn look_at(&self, resources: &[Resource]) -> Vec<Result<Option<Value>, RestError>> {
        let looks = resources
            .iter()
            .map(|resource| self.look_at_one(resource).boxed());
        at_once(looks.collect()).await
    }

    async fn look_at_one(&self, resource: &Resource) -> Result<Option<Value>, RestError> {
        if resource.name.is_empty() {
            return Ok(None);
        }
        requests::get(&self.rest, &resource.at()).await
    }
}

/// Does work, many pieces at once; gives what came of each in their order.
async fn at_once<T>(work: Vec<BoxFuture<'_, T>>) -> Vec<T> {
    futures::stream::iter(work).buffered(AT_ONCE).collect().await
}

/// What is left of an object after an answer to its deletion: the object as it is, or nothing but word of success.
fn left_by(resource: &Resource, answer: Value) -> Option<Resource> {
    let is_object = kind(&answer) == resource.mapping.kind && name(&answer) == resource.name;
    is_object.then(|| {
        let mut left = resource.clone();
        left.refresh(answer);
        left
    })
}

fn attributes_of_kind(resource: &Resource) -> [Attribute<'_>; 3] {
    [
        ("kind", &resource.mapping.kind),
        ("name", &resource.name),
        ("namespace", &resource.namespace),
    ]
}

#[cfg(test)]
mod tests {
    use controller_kit::Mapping;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_deletion_answers_with_what_is_left() {
        let secret = |name: &str| Resource {
            mapping: Mapping {
                group: String::new(),
                version: "v1".to_owned(),
                kind: "Secret".to_owned(),
                plural: "secrets".to_owned(),
                namespaced: true,
            },
            namespace: "apps".to_owned(),
            name: name.to_owned(),
            object: json!({"metadata": {"name": name, "labels": {"as": "written"}}}),
        };
        let gone =
            json!({"kind": "Status", "status": "Success", "details": {"name": "a", "kind": "secrets"}});
        assert!(left_by(&secret("a"), gone).is_none());
        let held =
            json!({"kind": "Secret", "metadata": {"namespace": "apps", "name": "a", "finalizers": ["b"]}});
        let left = left_by(&secret("a"), held.clone()).unwrap();
        assert_eq!(
            left.object, held,
            "its labels are those that it has, not those that are wanted"
        );
    }
}
