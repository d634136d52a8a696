//! Creating, updating and deleting the objects of a release, as Helm's client does.

use std::collections::{HashMap, HashSet};

use controller_kit::RestError;
use controller_kit::object::{kind, name};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use serde_json::Value;

use super::error::ApplyError;
use super::log::{Attribute, Cause};
use super::manifest::RESOURCE_POLICY;
use super::method::{Method, discreet};
use super::requests::{self, Attempts, Propagation};
use super::resource::{Resource, annotation};
use super::{Cluster, Log, Patience};

/// What an update did, as far as it got.
#[derive(Debug, Default)]
pub(crate) struct Updated {
    /// The objects that did not exist before, whether they do now or not.
    pub(crate) created: Vec<Resource>,
}

/// How many objects of one release are read, created or deleted at once: all workers together keep the API server busy, and
/// a connection costs both sides more than what it would still gain.
const AT_ONCE: usize = 4;

/// How many objects are read ahead, and are in memory as they are there.
pub(super) const AHEAD: usize = 16;

/// The policy by which an object outlives its release.
const KEEP: &str = "keep";

impl Cluster {
    /// Creates objects, those of one kind at once; what cannot be created keeps no other from being so.
    pub(crate) async fn create(
        &self,
        resources: &mut [Resource],
        method: Method,
        log: &Log,
        patience: &mut Patience<'_>,
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
            let created = at_once(creating.collect(), patience).await;
            errors.extend(created.into_iter().filter_map(Result::err));
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
        patience: &mut Patience<'_>,
    ) -> (Updated, Result<(), ApplyError>) {
        let mut updated = Updated::default();
        method.log_update(upgrades_managers, log);
        log.debug("checking resources for changes", &[("resources", &targets.len())]);
        let how = (method, upgrades_managers);
        let result = self
            .update_all(originals, targets, how, log, patience, &mut updated)
            .await;
        let result = match result {
            Ok(()) => self.delete_obsolete(originals, targets, log, patience).await,
            failed => failed,
        };
        (updated, result)
    }

    async fn update_all(
        &self,
        originals: &[Resource],
        targets: &mut [Resource],
        (method, upgrades_managers): (Method, bool),
        log: &Log,
        patience: &mut Patience<'_>,
        updated: &mut Updated,
    ) -> Result<(), ApplyError> {
        let mut known = HashMap::with_capacity(originals.len());
        for original in originals {
            known.entry(original.id()).or_insert(original);
        }
        let mut errors = Vec::new();
        for some in targets.chunks_mut(AHEAD) {
            // What is there is read ahead, many objects at once. Whoever changes what rests on it looks again.
            let live = self.look_at(some).await;
            for (target, live) in some.iter_mut().zip(live) {
                let live = live.map_err(ApplyError::Look)?;
                let created = self.unless_created(target, live, method, log, updated);
                let Some(live) = patience.answer(created).await? else {
                    continue;
                };
                let original = known.get(&target.id()).copied();
                let changed = self.change_one(original, target, live, method, upgrades_managers, log);
                errors.extend(patience.answer(changed).await.err());
            }
        }
        ApplyError::join(errors, " && ").map_or(Ok(()), Err)
    }

    /// Creates an object of which nothing is there; gives what is there of others.
    async fn unless_created(
        &self,
        target: &mut Resource,
        live: Option<Value>,
        method: Method,
        log: &Log,
        updated: &mut Updated,
    ) -> Result<Option<Value>, ApplyError> {
        if live.is_some() {
            return Ok(live);
        }
        let created = self.create_one(target, method, log).await;
        if let Err(ApplyError::Refused(error)) = &created
            && error.is_already_there()
        {
            // It came into being after it was looked for: another object of the release may have brought it.
            let live = self.look_at_one(target).await.map_err(ApplyError::Look)?;
            if live.is_some() {
                return Ok(live);
            }
        }
        updated.created.push(target.clone());
        created.map_err(|error| ApplyError::Create(Box::new(error)))?;
        log.debug("created a new resource", &attributes_of_kind(target));
        Ok(None)
    }

    /// Deletes the originals that are no targets, but those that are to be kept.
    async fn delete_obsolete(
        &self,
        originals: &[Resource],
        targets: &[Resource],
        log: &Log,
        patience: &mut Patience<'_>,
    ) -> Result<(), ApplyError> {
        let targets: HashSet<_> = targets.iter().map(Resource::id).collect();
        let mut errors = Vec::new();
        for original in originals
            .iter()
            .filter(|original| !targets.contains(&original.id()))
        {
            log.debug("deleting resource", &attributes_of_kind(original));
            let deleted = self.delete_unless_kept(original, log);
            if let Err(error) = patience.answer(deleted).await {
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
        let mut attempts = Attempts::default();
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
                Err(error) if error.is_conflict() && attempts.pause().await => {}
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
        patience: &mut Patience<'_>,
    ) -> Result<Vec<Resource>, Vec<ApplyError>> {
        if resources.is_empty() {
            return Err(vec![ApplyError::NothingToDelete]);
        }
        let (mut left, mut errors) = (Vec::new(), Vec::new());
        for batch in resources.chunk_by(|a, b| a.mapping.kind == b.mapping.kind) {
            let deleting = batch
                .iter()
                .map(|resource| self.delete_one(resource, propagation, log).boxed());
            for deleted in at_once(deleting.collect(), patience).await {
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
        let looks: Vec<_> = looks.collect();
        futures::stream::iter(looks).buffered(AT_ONCE).collect().await
    }

    async fn look_at_one(&self, resource: &Resource) -> Result<Option<Value>, RestError> {
        if resource.name.is_empty() {
            return Ok(None);
        }
        requests::get(&self.rest, &resource.at()).await
    }
}

/// Asks the API server for work, many pieces at once; gives what came of each in their order.
async fn at_once<T>(work: Vec<BoxFuture<'_, T>>, patience: &mut Patience<'_>) -> Vec<T> {
    let mut answers = futures::stream::iter(work).buffered(AT_ONCE);
    let mut all = Vec::new();
    while let Some(answer) = patience.answer(answers.next()).await {
        all.push(answer);
    }
    all
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
