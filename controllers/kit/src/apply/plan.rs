//! Planning a stage: finds out what applying its objects would do.

use futures::StreamExt;
use futures::stream;
use serde_json::Value;

use super::engine::{Applier, ApplyOptions, Patience, Verify};
use super::interrupt::Interrupt;
use super::memory::{ApplyMemory, Desired};
use super::{Action, ApplyError, Entry, Normalized, normalize};
use crate::mapping::Mapping;
use crate::object::{ObjectId, api_version, has_marker, id_of, kind, metadata_map, split_api_version};
use crate::ownership::markers;
use crate::rest::ObjectPath;

/// What applying the objects of one stage would do, in the order of application.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) items: Vec<Planned>,
}

impl Plan {
    /// Gives what is to become of each object.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.items.iter().map(|item| item.entry(item.step.action()))
    }
}

/// What is to be done with one object.
#[derive(Debug)]
pub(super) enum Step {
    /// A marker says to leave it alone.
    Skip,
    /// It is what it should be.
    Keep {
        /// The hash of what we own of it, if that has just been seen.
        owned: Option<u64>,
    },
    /// It does not exist.
    Create,
    /// It differs.
    Change {
        /// The very object that it was compared with.
        uid: String,
        /// Its resource version then.
        version: String,
        /// Removes what other tools left behind.
        cleanup: Option<Value>,
    },
    /// It does not exist, as far as the watch of its kind knows, and is the first of its stage that is written: applied
    /// without a dry-run, if it does not exist.
    CreateDirectly,
    /// It differs in values that we own, and is the first of its stage that is written: applied without a dry-run.
    ChangeDirectly {
        /// Resource version at which we own it.
        version: String,
    },
    /// It cannot become what it should be.
    Recreate {
        /// The very object that is in the way.
        uid: String,
        /// Its resource version when that was found out.
        version: String,
    },
}

impl Step {
    pub(super) fn action(&self) -> Action {
        match self {
            Self::Skip => Action::Skipped,
            Self::Keep { .. } => Action::Unchanged,
            Self::Create | Self::CreateDirectly | Self::Recreate { .. } => Action::Created,
            Self::Change { .. } | Self::ChangeDirectly { .. } => Action::Configured,
        }
    }
}

/// An object, where it belongs, and what is to be done with it.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) object: Value,
    pub(super) mapping: Mapping,
    pub(super) id: ObjectId,
    pub(super) desired: Desired,
    pub(super) normalized: Normalized,
    pub(super) step: Step,
    /// What is sent instead of the object, which has fields that are left alone.
    pub(super) payload: Option<Value>,
}

impl Planned {
    pub(super) fn path(&self) -> ObjectPath<'_> {
        ObjectPath {
            mapping: &self.mapping,
            namespace: &self.id.namespace,
            name: &self.id.name,
        }
    }

    pub(super) fn entry(&self, action: Action) -> Entry {
        Entry {
            id: self.id.clone(),
            version: self.mapping.version.clone(),
            action,
        }
    }
}

impl Applier<'_> {
    /// Finds out what applying `objects` would do; nothing is written, but for the migration of `managedFields`.
    ///
    /// # Errors
    /// What the API server would reject, all of it; or the first failure that says nothing about an object, such as a
    /// webhook that does not answer, since all others would only wait for the same. [`ApplyError::Interrupted`] when
    /// the plan is of no use any more.
    pub async fn plan(
        &self,
        objects: Vec<Value>,
        options: ApplyOptions,
        memory: &ApplyMemory,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Plan, ApplyError> {
        let patience = Patience::begin(options);
        let all = objects.len();
        let mut decided = Vec::with_capacity(all);
        let mut open = Vec::new();
        for (at, object) in objects.into_iter().enumerate() {
            match interrupt
                .answer(self.resolve(object), patience.deadline())
                .await?
            {
                Some(Ok(mut item)) => {
                    if self.known_step(&mut item, options, memory) {
                        decided.push((at, Ok(item)));
                    } else {
                        open.push((at, item));
                    }
                }
                Some(Err(error)) if error.is_of_system() => return Err(error),
                Some(Err(error)) => decided.push((at, Err(error))),
                None => return Err(patience.is_over(decided.len(), all)),
            }
        }
        // The first to be written need not be asked about: its refusal leaves the whole stage as it is, too.
        let all_possible = decided.iter().all(|(_, item)| item.is_ok());
        let first = open.first().filter(|_| all_possible);
        let first = first.and_then(|(_, item)| self.direct(item, options, memory));
        let mut first = first.map(|step| (open.remove(0), step));
        let verify = |(at, item)| async move { (at, self.verify(item, options).await) };
        let at_once = options.concurrency.0.max(1);
        let mut answers = stream::iter(open).map(verify).buffer_unordered(at_once);
        loop {
            match interrupt.answer(answers.next(), patience.deadline()).await? {
                Some(Some((at, item))) => {
                    let stop = item.as_ref().is_err_and(ApplyError::is_of_system);
                    decided.push((at, item));
                    if stop {
                        break;
                    }
                }
                Some(None) => {
                    let Some(((at, mut item), step)) = first.take() else {
                        break;
                    };
                    if decided.iter().all(|(_, item)| item.is_ok()) {
                        item.step = step;
                        decided.push((at, Ok(item)));
                        break;
                    }
                    // Nothing is applied, so that its own verdict is not to be missing.
                    answers = stream::iter(vec![(at, item)])
                        .map(verify)
                        .buffer_unordered(at_once);
                }
                None => {
                    let error = patience.is_over(decided.len(), all);
                    decided.push((all, Err(error)));
                    break;
                }
            }
        }
        decided.sort_by_key(|(at, _)| *at);
        let (mut items, mut errors) = (Vec::new(), Vec::new());
        for (_, item) in decided {
            match item {
                Ok(item) => items.push(item),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(Plan { items })
        } else {
            Err(ApplyError::several(errors))
        }
    }

    /// Normalises an object, finds its endpoint, and follows what becomes of it from then on.
    async fn resolve(&self, object: Value) -> Result<Planned, ApplyError> {
        let item = self.locate(object).await?;
        if !is_ignored(&item.object) {
            self.live.follow(&item.mapping);
        }
        Ok(item)
    }

    /// Normalises an object and finds its endpoint.
    pub(super) async fn locate(&self, mut object: Value) -> Result<Planned, ApplyError> {
        let normalized = normalize(&mut object)?;
        let mut id = id_of(&object);
        let (group, version) = split_api_version(api_version(&object));
        let ignored = is_ignored(&object);
        let mapping = match self.mapper.mapping(group, version, kind(&object)).await {
            Ok(mapping) => mapping,
            // What is left alone need not be possible.
            Err(_) if ignored => Mapping {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: kind(&object).to_owned(),
                plural: String::new(),
                namespaced: !id.namespace.is_empty(),
            },
            Err(source) => return Err(ApplyError::Kind { id, source }),
        };
        if !mapping.namespaced {
            id.namespace.clear();
        } else if id.namespace.is_empty() && !ignored {
            return Err(ApplyError::NoNamespace { id });
        }
        let desired = Desired::of(&object);
        Ok(Planned {
            object,
            mapping,
            id,
            desired,
            normalized,
            step: Step::Skip,
            payload: None,
        })
    }

    /// Decides what needs no request; tells whether the step is decided.
    fn known_step(&self, item: &mut Planned, options: ApplyOptions, memory: &ApplyMemory) -> bool {
        if is_ignored(&item.object) {
            item.step = Step::Skip;
            return true;
        }
        if options.verify == Verify::All || has_marker(&item.object, markers::SSA, "IfNotPresent") {
            return false;
        }
        let unchanged = self.live_state(item).is_some_and(|live| {
            !live.needs_cleanup
                && !live.has_markers
                && memory.is_unchanged(&item.id, item.desired, live.owned)
        });
        if unchanged {
            item.step = Step::Keep { owned: None };
        }
        unchanged
    }

    /// Tells how an object can be applied without a dry-run, when the rest of its stage has been accepted and nothing of it
    /// is applied before: one that does not exist, and one that we applied before, that nobody has touched since, and that
    /// differs only in values of fields that we own already. Of what equals the cluster, stock takes no ownership.
    fn direct(&self, item: &Planned, options: ApplyOptions, memory: &ApplyMemory) -> Option<Step> {
        let plain = self.ignores.is_none()
            && !options.force
            && !options.migrate_api_version
            && ![markers::SSA, markers::FORCE]
                .iter()
                .any(|marker| has_any(&item.object, marker));
        if !plain {
            return None;
        }
        if self.live.lacks(&item.mapping, &item.id.namespace, &item.id.name) {
            return Some(Step::CreateDirectly);
        }
        let live = self.live_state(item).filter(|live| {
            options.verify == Verify::Changed
                && !live.needs_cleanup
                && !live.has_markers
                && memory.has_only_other_values(&item.id, item.desired, live.owned)
        })?;
        Some(Step::ChangeDirectly {
            version: live.resource_version.into(),
        })
    }
}

/// Tells whether a marker keeps an object from being applied, whether it is desired or live.
pub(super) fn is_ignored(object: &Value) -> bool {
    has_marker(object, markers::RECONCILE, "disabled") || has_marker(object, markers::SSA, "Ignore")
}

fn has_any(object: &Value, key: &str) -> bool {
    ["labels", "annotations"]
        .iter()
        .any(|field| metadata_map(object, field).is_some_and(|entries| entries.contains_key(key)))
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;
    use std::time::Duration;

    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    use super::super::FieldManagers;
    use super::super::engine::Concurrency;
    use super::*;
    use crate::fake::{self, failure};
    use crate::live::LiveStore;
    use crate::mapper::Mapper;
    use crate::queue::{Slot, Superseded};
    use crate::rest::Rest;

    /// Plans a stage of one object on a cluster that serves none of the kinds.
    async fn plan(object: Value) -> Result<Vec<Entry>, ApplyError> {
        let client = fake::client(|_, _, _| failure(404, "NotFound", "nothing is here"), || false);
        let (rest, mapper) = (Rest::new(client.clone()), Mapper::new(client.clone()));
        let managers = FieldManagers {
            own: "kustomize-controller".to_owned(),
            overridden: Vec::new(),
        };
        let shutdown = CancellationToken::new();
        let live = LiveStore::new(client, mapper.clone(), managers, "owner", None, shutdown);
        let applier = Applier {
            rest: &rest,
            mapper: &mapper,
            live: &live,
            hides_values: false,
            own_namespace: "flux-system",
            ignores: None,
        };
        let options = ApplyOptions {
            force: false,
            verify: Verify::All,
            concurrency: Concurrency(1),
            timeout: Duration::from_secs(5),
            silence: Duration::from_secs(5),
            migrate_api_version: false,
        };
        let (mut obsolete, mut slot) = (pin!(pending()), Slot::outside());
        let mut interrupt = Interrupt {
            obsolete: obsolete.as_mut(),
            superseded: &Superseded::never(),
            slot: &mut slot,
        };
        let memory = ApplyMemory::default();
        let plan = applier
            .plan(vec![object], options, &memory, &mut interrupt)
            .await?;
        Ok(plan.entries().collect())
    }

    #[tokio::test]
    async fn what_is_left_alone_need_not_be_possible() {
        let object = |marker: &str| {
            json!({"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"namespace": "apps", "name": "w",
                "annotations": {markers::SSA: marker}}})
        };
        let entries = plan(object("Ignore")).await.expect("nothing is to be done");
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].to_string(), "Widget/apps/w skipped");
        assert_eq!(entries[0].version, "v1");
        let error = plan(object("Merge")).await.expect_err("there is no such kind");
        assert!(error.to_string().contains("no matches for kind"), "{error}");
    }

    #[test]
    fn markers_on_labels_or_annotations_stop_an_apply() {
        let marked = |field: &str, key: &str, value: &str| json!({"metadata": {field: {key: value}}});
        assert!(is_ignored(&marked("labels", markers::RECONCILE, "Disabled")));
        assert!(is_ignored(&marked("annotations", markers::SSA, "ignore")));
        assert!(!is_ignored(&marked("annotations", markers::SSA, "Merge")));
    }
}
