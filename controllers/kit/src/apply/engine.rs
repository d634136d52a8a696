//! The apply engine: plans a stage by dry-run, then carries the plan out.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use serde_json::Value;
use tokio::time::Instant;

use super::memory::{ApplyMemory, content_hash, value_hash};
use super::{Action, ApplyError, Entry, markers, normalize, undeclared};
use crate::live::{Live, LiveStore, owned_fields_hash};
use crate::mapper::{Mapper, Mapping};
use crate::object::{
    ObjectId, Subject, api_version, has_marker, id_of, kind, resource_version, split_api_version,
};
use crate::queue::Slot;
use crate::rest::{ObjectPath, Rest, RestError};

/// Applies objects as one identity.
pub struct Applier<'a> {
    /// Client of the identity that applies.
    pub rest: &'a Rest,
    /// Endpoints of the target cluster.
    pub mapper: &'a Mapper,
    /// Live state of the target cluster.
    pub live: &'a LiveStore,
    /// Whether values of all objects may be secret, and not only those of Secrets; errors do not repeat them then.
    pub hides_values: bool,
}

/// How many objects of one stage are planned at once.
#[derive(Clone, Copy, Debug)]
pub struct Concurrency(pub usize);

/// Whether objects that are known to be unchanged are verified all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Trust the memory: only what changed costs requests.
    Changed,
    /// Verify every object by dry-run, as stock does on each reconciliation.
    All,
}

/// What a run asks of the engine.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions {
    /// Recreate objects that cannot be changed in place (`spec.force`).
    pub force: bool,
    /// Which objects to verify.
    pub verify: Verify,
    /// How many objects are planned at once (`--concurrent-ssa`).
    pub concurrency: Concurrency,
    /// Longest wait for an object that is recreated to disappear.
    pub recreate_timeout: Duration,
}

/// What is to be done with one object.
enum Step {
    Skip,
    Keep {
        owned_fields: Option<u64>,
    },
    Apply {
        exists: bool,
        cleanup: Option<Value>,
    },
    Recreate,
    /// The only object of its stage that changed, and one that we own: applied without a dry-run.
    ApplyDirectly {
        known: Live,
    },
}

struct Planned {
    object: Value,
    mapping: Mapping,
    id: ObjectId,
    desired: u64,
    step: Step,
}

impl Planned {
    fn path(&self) -> ObjectPath<'_> {
        ObjectPath {
            mapping: &self.mapping,
            namespace: &self.id.namespace,
            name: &self.id.name,
        }
    }

    fn entry(&self, action: Action) -> Entry {
        Entry {
            id: self.id.clone(),
            version: self.mapping.version.clone(),
            action,
        }
    }
}

impl Applier<'_> {
    /// Applies the objects of one stage in their order, and appends to `entries` what became of each.
    ///
    /// `slot` is given up while an object that is recreated goes away.
    ///
    /// # Errors
    /// What the API server would reject; nothing of the stage is applied then. An object that is rejected in spite of
    /// its dry-run ends the stage after those before it were applied.
    pub async fn apply_stage(
        &self,
        objects: Vec<Value>,
        options: ApplyOptions,
        memory: &mut ApplyMemory,
        slot: &mut Slot,
        entries: &mut Vec<Entry>,
    ) -> Result<(), ApplyError> {
        for item in self.plan(objects, options, memory).await? {
            entries.push(self.execute(item, options, memory, slot).await?);
        }
        Ok(())
    }

    async fn plan(
        &self,
        objects: Vec<Value>,
        options: ApplyOptions,
        memory: &ApplyMemory,
    ) -> Result<Vec<Planned>, ApplyError> {
        let mut known = Vec::new();
        let mut open = Vec::new();
        for (at, object) in objects.into_iter().enumerate() {
            match self.resolve(object).await {
                Ok(mut item) => {
                    if self.known_step(&mut item, options, memory) {
                        known.push((at, Ok(item)));
                    } else {
                        open.push((at, item));
                    }
                }
                Err(error) => known.push((at, Err(error))),
            }
        }
        if let [(_, only)] = open.as_mut_slice()
            && known.iter().all(|(_, item)| item.is_ok())
            && let Some(live) = self.direct(only, options, memory)
        {
            only.step = Step::ApplyDirectly { known: live };
            known.push((open[0].0, Ok(open.remove(0).1)));
        }
        let verified = stream::iter(open)
            .map(|(at, item)| async move { (at, self.verify(item, options).await) })
            .buffer_unordered(options.concurrency.0.max(1))
            .collect::<Vec<_>>()
            .await;
        known.extend(verified);
        known.sort_by_key(|(at, _)| *at);
        let (mut planned, mut errors) = (Vec::new(), Vec::new());
        for (_, item) in known {
            match item {
                Ok(item) => planned.push(item),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(planned)
        } else {
            Err(ApplyError::several(errors))
        }
    }

    /// Normalises an object and finds its endpoint.
    async fn resolve(&self, mut object: Value) -> Result<Planned, ApplyError> {
        normalize(&mut object)?;
        let mut id = id_of(&object);
        let (group, version) = split_api_version(api_version(&object));
        let mapping = match self.mapper.mapping(group, version, kind(&object)).await {
            Ok(mapping) => mapping,
            Err(source) => return Err(ApplyError::Kind { id, source }),
        };
        if !mapping.namespaced {
            id.namespace.clear();
        } else if id.namespace.is_empty() {
            return Err(ApplyError::NoNamespace { id });
        }
        self.live.follow(&mapping);
        let desired = value_hash(&object);
        Ok(Planned {
            object,
            mapping,
            id,
            desired,
            step: Step::Skip,
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
                && memory.is_unchanged(&item.id, item.desired, live.owned_fields)
        });
        if unchanged {
            item.step = Step::Keep { owned_fields: None };
        }
        unchanged
    }

    /// An object that we applied before, and that nobody has touched since, can be applied without a dry-run when
    /// no other object of its stage depends on the answer.
    fn direct(&self, item: &Planned, options: ApplyOptions, memory: &ApplyMemory) -> Option<Live> {
        let plain = !options.force
            && options.verify == Verify::Changed
            && ![markers::SSA, markers::FORCE]
                .iter()
                .any(|marker| has_any(&item.object, marker));
        let live = self.live_state(item).filter(|_| plain)?;
        let undisturbed =
            !live.needs_cleanup && !live.has_markers && memory.is_undisturbed(&item.id, live.owned_fields);
        undisturbed.then_some(live)
    }

    fn live_state(&self, item: &Planned) -> Option<Live> {
        self.live.get(&item.mapping, &item.id.namespace, &item.id.name)
    }

    /// Finds out by dry-run what applying the object would change.
    async fn verify(&self, mut item: Planned, options: ApplyOptions) -> Result<Planned, ApplyError> {
        let if_not_present = has_marker(&item.object, markers::SSA, "IfNotPresent");
        let live_markers = self.live_state(&item).is_some_and(|live| live.has_markers);
        let mut live = None;
        if if_not_present || live_markers {
            live = self.read(&item).await?;
            if let Some(live) = &live
                && (if_not_present || is_ignored(live))
            {
                item.id = id_of(live);
                return Ok(item);
            }
        }
        let dry_run = match self.send(&mut item, true).await {
            Ok(dry_run) => dry_run,
            Err(source) => {
                if source.is_not_served() {
                    // Its definition was replaced by one with another name or scope.
                    self.mapper.invalidate().await;
                }
                return self.plan_recreation(item, options, source).await;
            }
        };
        item.id = id_of(&dry_run);
        let version = resource_version(&dry_run);
        if version.is_empty() {
            item.step = Step::Apply {
                exists: false,
                cleanup: None,
            };
            return Ok(item);
        }
        // The watch has the very state that the dry-run was computed from: no need to read it again.
        if let Some(known) = self
            .live_state(&item)
            .filter(|known| *known.resource_version == *version)
            && !known.needs_cleanup
            && !known.has_markers
        {
            item.step = if known.content == content_hash(&dry_run) {
                Step::Keep {
                    owned_fields: Some(known.owned_fields),
                }
            } else {
                Step::Apply {
                    exists: true,
                    cleanup: None,
                }
            };
            return Ok(item);
        }
        if live.is_none() {
            live = self.read(&item).await?;
        }
        let Some(live) = live else {
            item.step = Step::Apply {
                exists: false,
                cleanup: None,
            };
            return Ok(item);
        };
        if is_ignored(&live) {
            return Ok(item);
        }
        let merged =
            has_marker(&item.object, markers::SSA, "Merge") || has_marker(&live, markers::SSA, "Merge");
        let cleanup = if merged {
            None
        } else {
            self.live.managers().cleanup_patch(&live)
        };
        item.step = if cleanup.is_none() && content_hash(&live) == content_hash(&dry_run) {
            Step::Keep {
                owned_fields: Some(owned_fields_hash(&live, self.live.managers())),
            }
        } else {
            Step::Apply {
                exists: true,
                cleanup,
            }
        };
        Ok(item)
    }

    /// Applies an object, without the fields that its built-in kind does not have.
    async fn send(&self, item: &mut Planned, dry_run: bool) -> Result<Value, RestError> {
        let answer = self.send_known_fields(item, dry_run).await;
        let is_secret = item.id.group.is_empty() && item.id.kind == "Secret";
        if is_secret || self.hides_values {
            answer.map_err(RestError::without_values)
        } else {
            answer
        }
    }

    async fn send_known_fields(&self, item: &mut Planned, dry_run: bool) -> Result<Value, RestError> {
        let manager = self.manager();
        let answer = self
            .rest
            .apply(&item.path(), manager, dry_run, &item.object)
            .await;
        let Err(error) = &answer else { return answer };
        let refusal = error.to_string();
        let dropped = undeclared::remove(&mut item.object, &item.mapping.group, &refusal);
        if dropped.is_empty() {
            return answer;
        }
        if dry_run {
            let fields = dropped.join(", ");
            tracing::info!(object = %Subject(&item.id), fields, "fields that the kind does not have are left out");
        }
        self.rest
            .apply(&item.path(), manager, dry_run, &item.object)
            .await
    }

    async fn read(&self, item: &Planned) -> Result<Option<Value>, ApplyError> {
        let found = self
            .rest
            .get(&item.mapping, &item.id.namespace, &item.id.name)
            .await;
        found.map_err(|source| ApplyError::dry_run(item.id.clone(), source))
    }

    /// Decides whether an object that was refused may be recreated.
    async fn plan_recreation(
        &self,
        mut item: Planned,
        options: ApplyOptions,
        source: RestError,
    ) -> Result<Planned, ApplyError> {
        let refused = matches!(source.code(), Some(409 | 422)) || source.is_immutable();
        let asked = options.force || has_marker(&item.object, markers::FORCE, "enabled");
        let may_carry_marker = self.live_state(&item).is_none_or(|live| live.has_markers);
        if !refused || !(asked || may_carry_marker) {
            return Err(ApplyError::dry_run(item.id, source));
        }
        let Some(live) = self.read(&item).await? else {
            return Err(ApplyError::dry_run(item.id, source));
        };
        let forced = asked || has_marker(&live, markers::FORCE, "enabled");
        if forced && (source.is_immutable() || self.acceptable_as_new(&item).await) {
            item.step = Step::Recreate;
            return Ok(item);
        }
        Err(ApplyError::dry_run(item.id, source))
    }

    /// Tells whether the API server would take the object under another name, so that only the existing one stands
    /// in the way. Upstream deletes on any validation error and may then fail to create (kustomize-controller #734).
    async fn acceptable_as_new(&self, item: &Planned) -> bool {
        let mut probe = item.object.clone();
        let probe_name = format!("{}-recreate", item.id.name);
        probe["metadata"]["name"] = Value::String(probe_name.clone());
        let at = ObjectPath {
            mapping: &item.mapping,
            namespace: &item.id.namespace,
            name: &probe_name,
        };
        self.rest.apply(&at, self.manager(), true, &probe).await.is_ok()
    }

    async fn execute(
        &self,
        mut item: Planned,
        options: ApplyOptions,
        memory: &mut ApplyMemory,
        slot: &mut Slot,
    ) -> Result<Entry, ApplyError> {
        let action = match &item.step {
            Step::Skip => {
                memory.forget(&item.id);
                return Ok(item.entry(Action::Skipped));
            }
            Step::Keep { owned_fields } => {
                if let Some(owned_fields) = owned_fields {
                    memory.remember(item.id.clone(), item.desired, *owned_fields);
                }
                return Ok(item.entry(Action::Unchanged));
            }
            Step::Apply { exists: false, .. } => Action::Created,
            Step::Apply {
                exists: true,
                cleanup,
            } => {
                if let Some(patch) = cleanup {
                    let cleaned = self.rest.json_patch(&item.path(), self.manager(), patch).await;
                    cleaned.map_err(|source| ApplyError::Apply {
                        id: item.id.clone(),
                        source,
                    })?;
                }
                Action::Configured
            }
            Step::Recreate => {
                slot.park(self.delete_and_wait(&item, options.recreate_timeout))
                    .await?;
                Action::Created
            }
            Step::ApplyDirectly { .. } => Action::Configured,
        };
        let applied = self.send(&mut item, false).await;
        let applied = applied.map_err(|source| match item.step {
            Step::ApplyDirectly { .. } => ApplyError::dry_run(item.id.clone(), source),
            _ => ApplyError::Apply {
                id: item.id.clone(),
                source,
            },
        })?;
        self.live.learn(&item.mapping, &applied);
        if item.mapping.kind == "CustomResourceDefinition" {
            self.mapper.invalidate().await;
        }
        memory.remember(
            item.id.clone(),
            item.desired,
            owned_fields_hash(&applied, self.live.managers()),
        );
        let untouched = matches!(&item.step,
            Step::ApplyDirectly { known } if *known.resource_version == *resource_version(&applied));
        Ok(item.entry(if untouched { Action::Unchanged } else { action }))
    }

    async fn delete_and_wait(&self, item: &Planned, timeout: Duration) -> Result<(), ApplyError> {
        let failed = |source| ApplyError::Apply {
            id: item.id.clone(),
            source,
        };
        self.rest.delete(&item.path(), "").await.map_err(failed)?;
        let deadline = Instant::now() + timeout;
        while self
            .rest
            .get(&item.mapping, &item.id.namespace, &item.id.name)
            .await
            .map_err(failed)?
            .is_some()
        {
            if Instant::now() >= deadline {
                return Err(ApplyError::NotGone {
                    id: item.id.clone(),
                    seconds: timeout.as_secs(),
                });
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    fn manager(&self) -> &str {
        &self.live.managers().own
    }
}

/// Tells whether a marker keeps an object from being applied, whether it is desired or live.
fn is_ignored(object: &Value) -> bool {
    has_marker(object, markers::RECONCILE, "disabled") || has_marker(object, markers::SSA, "Ignore")
}

fn has_any(object: &Value, key: &str) -> bool {
    ["labels", "annotations"].iter().any(|field| {
        crate::object::metadata_map(object, field).is_some_and(|entries| entries.contains_key(key))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn markers_on_labels_or_annotations_stop_an_apply() {
        let marked = |field: &str, key: &str, value: &str| json!({"metadata": {field: {key: value}}});
        assert!(is_ignored(&marked("labels", markers::RECONCILE, "Disabled")));
        assert!(is_ignored(&marked("annotations", markers::SSA, "ignore")));
        assert!(!is_ignored(&marked("annotations", markers::SSA, "Merge")));
    }
}
