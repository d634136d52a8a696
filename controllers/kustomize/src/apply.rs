//! Applies rendered objects in stages, and settles the inventory.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use controller_kit::apply::{
    Action, Applier, ApplyError, ApplyMemory, ApplyOptions, Concurrency, Entry, Interrupt, Plan, Stage,
    Verify, split_stages,
};
use controller_kit::events::Severity;
use controller_kit::live::{Target, WaitOptions};
use controller_kit::object::{ObjectId, Subject, split_api_version};
use controller_kit::{KindVersion, MapError, ObjectKey, Rest, Triggers};
use flux_api::{Inventory, InventoryEntry, Kustomization, reason};

use crate::context::Context;
use crate::deploy::remember;
use crate::health::{may_vanish, targets};
use crate::inventory;
use crate::prune::prune;
use crate::reconcile::Reconciliation;
use crate::render::Rendered;
use crate::report::{Failure, Outcome, duration_of};
use crate::status::StatusError;
use crate::takeover::await_children;

/// How long the objects of one stage may take before the next stage is given up, as in stock.
const STAGE_TIMEOUT: Duration = Duration::from_mins(1);

/// How often to look whether what is being planned is still wanted.
const LOOK: Duration = Duration::from_millis(250);

/// What an apply left: needed to judge readiness and to record the run.
pub(crate) struct Applied {
    pub(crate) checksum: String,
    /// What to wait for; nothing when no health checks are asked for.
    pub(crate) targets: Option<Vec<Target>>,
    pub(crate) changed: bool,
    pub(crate) new_revision: bool,
}

/// Applies everything that is desired, then deletes what no longer is.
pub(crate) async fn apply(
    run: &mut Reconciliation<'_>,
    rest: &Rest,
    rendered: Rendered,
) -> Result<Applied, Outcome> {
    let new_revision = run.status.last_applied_revision != run.status.last_attempted_revision;
    let vanishing: Vec<ObjectId> = rendered
        .objects
        .iter()
        .filter(|object| may_vanish(object))
        .map(controller_kit::object::id_of)
        .collect();
    let stages = split_stages(rendered.objects, &run.context.settings.custom_stage);
    let mut memory = run.context.take_memory(&run.key, rest.identity());
    let mut entries = Vec::new();
    let before = run.status.inventory.clone().unwrap_or_default();
    let applied = apply_stages(run, rest, stages, &mut memory, &mut entries).await;
    if let Err(stop) = applied {
        run.context.keep_memory(&run.key, memory);
        // What has been applied so far is ours to clean up, even if no later run gets further.
        if !stop.leaves_doubt() {
            let mut partial = before;
            inventory::keep(&mut partial, inventory::record(&entries).entries);
            run.status.inventory = Some(partial);
        }
        let error = match stop {
            Stop::Failed(error) => error,
            Stop::Superseded => return Err(Outcome::Superseded),
            Stop::Status(error) => {
                return Err(Outcome::Aborted(format!("cannot write the status: {error}")));
            }
        };
        remember(run, &rendered.checksum, reason::RECONCILIATION_FAILED);
        let message = [error.to_string(), change_list(&entries)].join("\n");
        let failure = Failure::new(reason::RECONCILIATION_FAILED, message.trim_end());
        let passes_soon = run.slot.park(passes_soon(run.context, &error)).await;
        return Err(Outcome::Failed(if passes_soon {
            failure.soon()
        } else {
            failure
        }));
    }
    crate::log::applied(run, &entries);
    let changes = change_list(&entries);
    if !changes.is_empty() {
        run.record(Severity::Info, reason::PROGRESSING, changes);
    }
    let mut old = run.status.inventory.clone().unwrap_or_default();
    let new = inventory::record(&entries);
    warn_of_adoption(run, &before, &entries);
    inventory::keep(&mut old, new.entries.iter().cloned());
    run.status.inventory = Some(old.clone());
    let children: Vec<(ObjectId, bool)> = entries
        .iter()
        .filter(|entry| matches!(entry.action, Action::Created | Action::Configured))
        .map(|entry| (entry.id.clone(), entry.action == Action::Created))
        .collect();
    await_children(run, &children).await;
    if let Some(aim) = &run.aim {
        let desired = entries.iter().map(|entry| &entry.id);
        run.context.progress.applied(&run.key, aim.clone(), desired);
    }
    let pruned = prune(run, rest, &old, new, &rendered.checksum).await;
    memory.retain(|id| entries.iter().any(|entry| entry.id == *id));
    run.context.keep_memory(&run.key, memory);
    pruned?;
    let targets = targets(run, &entries, &vanishing, &rendered.checksum)?;
    let changed = entries
        .iter()
        .any(|entry| !matches!(entry.action, Action::Unchanged | Action::Skipped));
    Ok(Applied {
        checksum: rendered.checksum,
        targets,
        changed,
        new_revision,
    })
}

/// Tells of a Namespace that was there before: `spec.targetNamespace` gives its own name to every Namespace of the
/// source, so that one of somebody else may be meant without anybody knowing, and goes with the Kustomization.
fn warn_of_adoption(run: &Reconciliation<'_>, before: &Inventory, entries: &[Entry]) {
    let target = &run.object.spec.target_namespace;
    let adopted = entries.iter().find(|entry| {
        let ObjectId {
            group, kind, name, ..
        } = &entry.id;
        group.is_empty() && kind == "Namespace" && name == target && entry.action == Action::Configured
    });
    let Some(adopted) = adopted else { return };
    let known = InventoryEntry::new(&adopted.id, adopted.version.as_str());
    if before.entries.iter().all(|entry| entry.id != known.id) {
        let message = format!(
            "{} existed before and is managed by this Kustomization now, because spec.targetNamespace renames the Namespace of the source; annotate it with kustomize.toolkit.fluxcd.io/prune: disabled to keep it when it leaves the source",
            Subject(&adopted.id)
        );
        run.record(Severity::Error, reason::PROGRESSING, message);
    }
}

/// Why not all stages were applied.
enum Stop {
    Failed(ApplyError),
    /// A newer event ended the wait between two stages.
    Superseded,
    /// What is about to be applied could not be written down, so that it is not applied.
    Status(StatusError),
}

impl Stop {
    /// Whether an object may be there although nobody said so: whatever is no refusal may have been done.
    fn leaves_doubt(&self) -> bool {
        let Self::Failed(ApplyError::Apply { source, .. }) = self else {
            return false;
        };
        !source.code().is_some_and(|code| (400..500).contains(&code))
    }
}

impl From<ApplyError> for Stop {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Interrupted => Self::Superseded,
            error => Self::Failed(error),
        }
    }
}

async fn apply_stages(
    run: &mut Reconciliation<'_>,
    rest: &Rest,
    stages: Vec<Stage>,
    memory: &mut ApplyMemory,
    entries: &mut Vec<Entry>,
) -> Result<(), Stop> {
    let context = run.context;
    let post_build = run.object.spec.post_build.iter();
    let mut sources = post_build.flat_map(|post_build| &post_build.substitute_from);
    let applier = Applier {
        hides_values: sources.any(|source| source.kind == "Secret"),
        rest,
        mapper: &context.mapper,
        live: &context.live,
    };
    let options = ApplyOptions {
        force: run.object.spec.force,
        verify: verification(run, memory),
        concurrency: Concurrency(context.settings.concurrent_ssa),
        timeout: run.timeout(),
        migrate_api_version: context.settings.migrate_api_version,
    };
    let mut obsolete = pin!(obsolete(context, run.key.clone(), Arc::clone(&run.object)));
    let superseded = run.superseded.clone();
    let mut stages: VecDeque<Stage> = stages.into();
    while let Some(stage) = stages.pop_front() {
        let wait = stage.wait;
        let defined = defined_kinds(&stage.objects);
        let before = entries.len();
        let mut interrupt = Interrupt {
            obsolete: obsolete.as_mut(),
            superseded: &superseded,
            slot: run.slot,
        };
        let plan = applier
            .plan(stage.objects, options, memory, &mut interrupt)
            .await?;
        record_ahead(run, &plan, &stages).await.map_err(Stop::Status)?;
        applier
            .carry_out(plan, options, memory, run.slot, entries)
            .await?;
        let applied = &entries[before..];
        let changed = applied
            .iter()
            .any(|entry| matches!(entry.action, Action::Created | Action::Configured));
        if wait {
            let targets = applied
                .iter()
                .filter(|entry| entry.action != Action::Skipped)
                .map(|entry| Target {
                    id: entry.id.clone(),
                    version: Some(entry.version.clone()),
                    owned: true,
                    may_vanish: false,
                })
                .collect();
            let options = WaitOptions {
                timeout: STAGE_TIMEOUT,
                fail_fast: false,
            };
            let waiting = async {
                tokio::select! {
                    end = context.live.wait(targets, options, rest) => Some(end),
                    () = superseded.wait() => None,
                }
            };
            let end = run.slot.park(waiting).await.ok_or(Stop::Superseded)?;
            if let Some(message) = end.message() {
                return Err(ApplyError::NotReady(message).into());
            }
            if changed {
                run.slot.park(await_served(context, &defined)).await;
            }
        }
    }
    if options.verify == Verify::All {
        memory.note_verified();
    }
    Ok(())
}

/// Tells whether an error is about kinds that are on their way, so that it passes by itself, and soon.
async fn passes_soon(context: &Context, error: &ApplyError) -> bool {
    let errors = match error {
        ApplyError::Several(errors) => errors.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut missing = HashSet::new();
    for error in errors {
        let ApplyError::Kind { id, source } = error else {
            return false;
        };
        if let MapError::NoMatch { api_version, .. } = source {
            let (group, version) = split_api_version(api_version);
            missing.insert(KindVersion {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: id.kind.clone(),
            });
        }
    }
    context.mapper.are_coming(&missing).await
}

/// Writes down what is about to be applied, before it is: a process that ends in between leaves nothing behind that
/// nobody knows of. What is listed already costs nothing.
async fn record_ahead(
    run: &mut Reconciliation<'_>,
    plan: &Plan,
    later: &VecDeque<Stage>,
) -> Result<(), StatusError> {
    let mut inventory = run.status.inventory.clone().unwrap_or_default();
    let listed: HashSet<&str> = inventory.entries.iter().map(|entry| entry.id.as_str()).collect();
    let planned: Vec<(Action, InventoryEntry)> = plan
        .entries()
        .map(|entry| {
            (
                entry.action,
                InventoryEntry::new(&entry.id, entry.version.as_str()),
            )
        })
        .collect();
    let is_news = planned.iter().any(|(action, entry)| {
        matches!(action, Action::Created | Action::Configured) && !listed.contains(entry.id.as_str())
    });
    if !is_news {
        return Ok(());
    }
    // Most of the time all kinds are known by now, so that this is written once.
    let objects = later.iter().flat_map(|stage| &stage.objects);
    let later = objects.filter_map(|object| inventory::entry_of(&run.context.mapper, object));
    let ahead: Vec<_> = planned.into_iter().map(|(_, entry)| entry).chain(later).collect();
    inventory::keep(&mut inventory, ahead);
    run.status.inventory = Some(inventory);
    let message = run.stage.clone();
    run.write_progress(&message).await
}

/// Completes when nobody wants the object to be deployed as it was any more, or the controller ends.
///
/// A newer artifact can wait until this one is planned; were it not so, one that comes often enough would keep all of
/// them from being applied.
async fn obsolete(context: &Context, key: ObjectKey, object: Arc<Kustomization>) {
    let is_wanted = || {
        context.objects.get(&key).is_some_and(|now| {
            now.metadata.uid == object.metadata.uid
                && now.metadata.generation == object.metadata.generation
                && now.metadata.deletion_timestamp == object.metadata.deletion_timestamp
                && context.is_ours(&now)
        })
    };
    while !context.shutdown.is_cancelled() && is_wanted() {
        tokio::time::sleep(LOOK).await;
    }
}

/// Tells which objects to verify: all on request, after a start, at the interval, and whenever that has not been done
/// for longer than the interval, since runs for other reasons put the timer off.
///
/// A retry comes by timer too, but not to look for drift: what is known to be unchanged is watched, and need not be
/// verified every few seconds as long as something else is not ready. Half the interval leaves room for its jitter.
fn verification(run: &Reconciliation<'_>, memory: &ApplyMemory) -> Verify {
    let interval = duration_of(&run.object.spec.interval).to_std();
    let asked = run.triggers.intersects(Triggers::REQUESTED | Triggers::STARTUP);
    let is_due = !memory.was_verified_within(interval);
    let at_interval = run.triggers.intersects(Triggers::TIMER) && !memory.was_verified_within(interval / 2);
    if asked || is_due || at_interval {
        Verify::All
    } else {
        Verify::Changed
    }
}

/// The kinds that CustomResourceDefinitions define, by group, version and kind.
fn defined_kinds(objects: &[serde_json::Value]) -> Vec<[String; 3]> {
    let text = |value: &serde_json::Value, pointer: &str| {
        value
            .pointer(pointer)
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let definitions = objects
        .iter()
        .filter(|object| controller_kit::object::kind(object) == "CustomResourceDefinition");
    let versions = |definition: &serde_json::Value| {
        let versions = definition
            .pointer("/spec/versions")
            .and_then(serde_json::Value::as_array)
            .cloned();
        let served = |version: &serde_json::Value| {
            version.get("served").and_then(serde_json::Value::as_bool) == Some(true)
        };
        versions
            .unwrap_or_default()
            .into_iter()
            .filter(served)
            .collect::<Vec<_>>()
    };
    definitions
        .flat_map(|definition| {
            let (group, kind) = (
                text(definition, "/spec/group"),
                text(definition, "/spec/names/kind"),
            );
            versions(definition)
                .into_iter()
                .map(move |version| [group.clone(), text(&version, "/name"), kind.clone()])
        })
        .collect()
}

/// Waits until discovery lists new kinds, which lags a moment behind their becoming established.
async fn await_served(context: &Context, kinds: &[[String; 3]]) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    for [group, version, kind] in kinds {
        while context.mapper.mapping(group, version, kind).await.is_err()
            && tokio::time::Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
}

fn change_list(entries: &[Entry]) -> String {
    let changed = entries
        .iter()
        .filter(|entry| matches!(entry.action, Action::Created | Action::Configured));
    changed.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
