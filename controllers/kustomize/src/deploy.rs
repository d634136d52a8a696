//! Brings an artifact into the cluster: fetch, render, apply in stages, prune, wait for readiness.

use std::sync::Arc;
use std::time::Duration;

use artifact_crd::Artifact;
use controller_kit::apply::{
    Action, Applier, ApplyError, ApplyMemory, ApplyOptions, Concurrency, Deletion, Entry, GarbageCollection,
    Stage, Verify, sort_for_delete, split_stages,
};
use controller_kit::artifact::{ArtifactTree, ContentError, Digest, FetchError};
use controller_kit::events::Severity;
use controller_kit::live::{Target, WaitEnd, WaitOptions};
use controller_kit::object::{ObjectId, Subject};
use controller_kit::{MapError, Rest, Triggers};
use flux_api::{
    Attempt, ConditionStatus, ConditionsExt, GoDuration, HEALTHY, Inventory, InventoryEntry, KUSTOMIZE_NAME,
    KUSTOMIZE_NAMESPACE, ORIGIN_REVISION, reason,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kustomize::Options;

use crate::context::Context;
use crate::reconcile::Reconciliation;
use crate::render::{RenderError, Rendered, render};
use crate::report::{Failure, Outcome, Wait};
use crate::tree::ArtifactFiles;
use crate::{inventory, variables};

/// How long the objects of one stage may take before the next stage is given up, as in stock.
const STAGE_TIMEOUT: Duration = Duration::from_mins(1);

/// Brings `artifact` into the cluster.
pub(crate) async fn deploy(run: &mut Reconciliation<'_>, artifact: &Artifact) -> Outcome {
    match try_deploy(run, artifact).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

async fn try_deploy(run: &mut Reconciliation<'_>, artifact: &Artifact) -> Result<Outcome, Outcome> {
    let revision = artifact.spec.revision.clone();
    let origin = artifact
        .spec
        .metadata
        .as_ref()
        .and_then(|all| all.get(ORIGIN_REVISION))
        .cloned()
        .unwrap_or_default();
    run.revision = Some((revision.clone(), origin.clone()));
    let tree = fetch(run, artifact).await?;
    run.status.last_attempted_revision.clone_from(&revision);
    let rendered = build(run, tree).await?;
    let rest = identity(run)?;
    let drifted = apply(run, &rest, rendered).await?;
    await_health(run, &rest, &drifted).await?;
    run.status.last_applied_revision = revision;
    run.status.last_applied_origin_revision = origin;
    remember(run, &drifted.checksum, reason::RECONCILIATION_SUCCEEDED);
    Ok(Outcome::Succeeded)
}

/// Gets the unpacked artifact, from the cache or from its server; waits outside the worker slot.
async fn fetch(run: &mut Reconciliation<'_>, artifact: &Artifact) -> Result<Arc<ArtifactTree>, Outcome> {
    let failed =
        |error: &dyn std::fmt::Display| Outcome::Failed(Failure::new(reason::ARTIFACT_FAILED, error));
    let digest = artifact
        .spec
        .digest
        .as_deref()
        .filter(|digest| !digest.is_empty())
        .ok_or_else(|| {
            let name = artifact.metadata.name.as_deref().unwrap_or_default();
            failed(&format!(
                "Artifact {name:?} has no spec.digest, so that what it points to cannot be verified"
            ))
        })?;
    let digest: Digest = digest.parse().map_err(|error| failed(&error))?;
    let (content, superseded) = (Arc::clone(&run.context.content), run.superseded.clone());
    let mut pause = Duration::from_millis(500);
    let mut retries = run.context.settings.http_retry;
    loop {
        let error = match run.slot.park(content.get(&artifact.spec.url, &digest)).await {
            Ok(tree) => return Ok(tree),
            Err(error) => error,
        };
        let ContentError::Fetch(fetch) = &error else {
            return Err(failed(&error));
        };
        match fetch.as_ref() {
            FetchError::NotFound { .. } => {
                return Err(Outcome::Waiting(Wait::Artifact(format!(
                    "Source is not ready, {error}"
                ))));
            }
            fetch if !fetch.is_transient() || retries == 0 => return Err(failed(&error)),
            _ => retries -= 1,
        }
        tracing::info!(namespace = %run.key.namespace, name = %run.key.name, %error, "artifact download failed, retrying");
        let pausing = async {
            tokio::select! {
                () = superseded.wait() => {}
                () = tokio::time::sleep(pause) => {}
            }
        };
        run.slot.park(pausing).await;
        if superseded.is_set() {
            return Err(Outcome::Superseded);
        }
        pause = (pause * 2).min(Duration::from_secs(30));
    }
}

/// Loads the variables and renders on a thread that may block.
async fn build(run: &mut Reconciliation<'_>, tree: Arc<ArtifactTree>) -> Result<Rendered, Outcome> {
    let failed = |error: &dyn std::fmt::Display| Outcome::Failed(Failure::new(reason::BUILD_FAILED, error));
    let variables = variables::load(&run.context.rest, &run.object)
        .await
        .map_err(|error| failed(&error))?;
    let Ok(_permit) = run.context.builds.acquire().await else {
        return Err(Outcome::Aborted("the controller is shutting down".to_owned()));
    };
    let (object, strict) = (Arc::clone(&run.object), run.context.settings.strict_substitution);
    let rendering = tokio::task::spawn_blocking(move || {
        render(
            &ArtifactFiles::new(&tree),
            &object,
            &variables,
            &Options::flux(),
            strict,
        )
    });
    match rendering.await {
        Ok(Ok(rendered)) => Ok(rendered),
        Ok(Err(error @ RenderError::Path(_))) => {
            Err(Outcome::Failed(Failure::new(reason::ARTIFACT_FAILED, error)))
        }
        Ok(Err(error)) => Err(failed(&error)),
        Err(error) => Err(failed(&format!(
            "the build stopped unexpectedly, please report this: {error}"
        ))),
    }
}

/// Gives the client of the identity that applies.
pub(crate) fn identity(run: &Reconciliation<'_>) -> Result<Rest, Outcome> {
    let context = run.context;
    let named = &run.object.spec.service_account_name;
    let account = if named.is_empty() {
        &context.settings.default_service_account
    } else {
        named
    };
    if account.is_empty() {
        return Ok(context.rest.clone());
    }
    let rest = context.rest.impersonating(&run.key.namespace, account);
    rest.map_err(|error| Outcome::Failed(Failure::new(reason::RECONCILIATION_FAILED, error)))
}

/// What an apply left: needed to judge readiness and to record the run.
struct Applied {
    checksum: String,
    targets: Vec<Target>,
    changed: bool,
    new_revision: bool,
}

async fn apply(run: &mut Reconciliation<'_>, rest: &Rest, rendered: Rendered) -> Result<Applied, Outcome> {
    let new_revision = run.status.last_applied_revision != run.status.last_attempted_revision;
    let vanishing: Vec<ObjectId> = rendered
        .objects
        .iter()
        .filter(|object| may_vanish(object))
        .map(controller_kit::object::id_of)
        .collect();
    let stages = split_stages(rendered.objects, &run.context.settings.custom_stage);
    let mut memory = run.context.take_memory(&run.key);
    let mut entries = Vec::new();
    let applied = apply_stages(run, rest, stages, &mut memory, &mut entries).await;
    let old = run.status.inventory.clone().unwrap_or_default();
    if let Err(error) = applied {
        run.context.keep_memory(&run.key, memory);
        // What has been applied so far is ours to clean up, even if no later run gets further.
        let mut partial = old;
        inventory::keep(&mut partial, inventory::record(&entries).entries);
        run.status.inventory = Some(partial);
        remember(run, &rendered.checksum, reason::RECONCILIATION_FAILED);
        let message = [error.to_string(), change_list(&entries)].join("\n");
        return Err(Outcome::Failed(Failure::new(
            reason::RECONCILIATION_FAILED,
            message.trim_end(),
        )));
    }
    let changes = change_list(&entries);
    if !changes.is_empty() {
        run.record(Severity::Info, reason::PROGRESSING, changes);
    }
    let new = inventory::record(&entries);
    let pruned = prune(run, rest, &old, new, &rendered.checksum).await;
    memory.retain(|id| entries.iter().any(|entry| entry.id == *id));
    run.context.keep_memory(&run.key, memory);
    pruned?;
    let targets = targets(run, &entries, &vanishing).await?;
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

async fn apply_stages(
    run: &mut Reconciliation<'_>,
    rest: &Rest,
    stages: Vec<Stage>,
    memory: &mut ApplyMemory,
    entries: &mut Vec<Entry>,
) -> Result<(), ApplyError> {
    let context = run.context;
    let applier = Applier {
        rest,
        mapper: &context.mapper,
        live: &context.live,
    };
    let verified_by_timer = run
        .triggers
        .intersects(Triggers::TIMER | Triggers::REQUESTED | Triggers::STARTUP);
    let options = ApplyOptions {
        force: run.object.spec.force,
        verify: if verified_by_timer {
            Verify::All
        } else {
            Verify::Changed
        },
        concurrency: Concurrency(context.settings.concurrent_ssa),
        recreate_timeout: run.timeout(),
    };
    let last = stages.len().saturating_sub(1);
    for (at, stage) in stages.into_iter().enumerate() {
        let wait = stage.wait && at < last;
        let defined = defined_kinds(&stage.objects);
        let applied = applier.apply_stage(stage.objects, options, memory).await?;
        let changed = applied
            .iter()
            .any(|entry| matches!(entry.action, Action::Created | Action::Configured));
        if wait && changed {
            let mut targets = Vec::new();
            for entry in &applied {
                if let Ok(mapping) = context
                    .mapper
                    .mapping(&entry.id.group, &entry.version, &entry.id.kind)
                    .await
                {
                    targets.push(Target {
                        mapping,
                        id: entry.id.clone(),
                        owned: true,
                        may_vanish: false,
                    });
                }
            }
            entries.extend(applied);
            let options = WaitOptions {
                timeout: STAGE_TIMEOUT,
                fail_fast: false,
            };
            let end = run.slot.park(context.live.wait(targets, options, rest)).await;
            if let Some(message) = end.message() {
                return Err(ApplyError::NotReady(message));
            }
            run.slot.park(await_served(context, &defined)).await;
        } else {
            entries.extend(applied);
        }
    }
    Ok(())
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

/// Deletes what is no longer desired, and settles the inventory.
async fn prune(
    run: &mut Reconciliation<'_>,
    rest: &Rest,
    old: &Inventory,
    mut new: Inventory,
    checksum: &str,
) -> Result<(), Outcome> {
    let stale = inventory::stale(old, &new).map_err(|error| {
        let message = format!("status.inventory cannot be read, nothing was pruned: {error}");
        Outcome::Failed(Failure::new(reason::RECONCILIATION_FAILED, message))
    })?;
    if !run.object.spec.prune || stale.is_empty() {
        run.status.inventory = Some(new);
        return Ok(());
    }
    let (deletions, failures) = delete(run, rest, stale).await;
    inventory::keep(&mut new, failures.survivors);
    run.status.inventory = Some(new);
    if !deletions.is_empty() {
        run.record(Severity::Info, reason::PROGRESSING, deletions);
    }
    if failures.message.is_empty() {
        return Ok(());
    }
    remember(run, checksum, reason::PRUNE_FAILED);
    Err(Outcome::Failed(Failure::new(
        reason::PRUNE_FAILED,
        failures.message,
    )))
}

/// What became of objects that were to be deleted.
pub(crate) struct Deletions {
    /// Inventory entries of the objects that are still there.
    pub(crate) survivors: Vec<InventoryEntry>,
    /// Text for people; empty when everything went well.
    pub(crate) message: String,
    /// What was deleted, with the version that was applied.
    pub(crate) deleted: Vec<(ObjectId, String)>,
}

/// Deletes objects in reverse order of application; gives the lines of the event, and the failures.
pub(crate) async fn delete(
    run: &Reconciliation<'_>,
    rest: &Rest,
    mut objects: Vec<(ObjectId, String)>,
) -> (String, Deletions) {
    let owner_labels = [
        (KUSTOMIZE_NAME.to_owned(), run.key.name.clone()),
        (KUSTOMIZE_NAMESPACE.to_owned(), run.key.namespace.clone()),
    ];
    let collection = GarbageCollection {
        rest,
        mapper: &run.context.mapper,
        owner_labels: &owner_labels,
    };
    sort_for_delete(&mut objects, |(id, _)| id.clone());
    let versions: Vec<String> = objects.iter().map(|(_, version)| version.clone()).collect();
    let (mut lines, mut errors, mut survivors, mut deleted) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((id, deletion), version) in collection.delete_all(objects).await.into_iter().zip(versions) {
        match deletion {
            Deletion::Deleted => {
                lines.push(format!("{} deleted", Subject(&id)));
                deleted.push((id, version));
            }
            Deletion::Skipped => lines.push(format!("{} skipped", Subject(&id))),
            Deletion::Failed(failure) => {
                errors.push(failure.to_string());
                survivors.push(InventoryEntry::new(&id, version));
            }
        }
    }
    let message = if errors.is_empty() {
        String::new()
    } else {
        format!("delete failed, errors: {}", errors.join("; "))
    };
    (
        lines.join("\n"),
        Deletions {
            survivors,
            message,
            deleted,
        },
    )
}

/// Gives the objects whose readiness this object waits for.
async fn targets(
    run: &Reconciliation<'_>,
    entries: &[Entry],
    vanishing: &[ObjectId],
) -> Result<Vec<Target>, Outcome> {
    let spec = &run.object.spec;
    let mapper = &run.context.mapper;
    let failed = |id: &ObjectId, error: &MapError| {
        let message = format!("can't determine status for {}: {error}", Subject(id));
        Outcome::Failed(Failure::new(reason::HEALTH_CHECK_FAILED, message))
    };
    let is_itself = |id: &ObjectId| {
        id.kind == "Kustomization" && id.name == run.key.name && id.namespace == run.key.namespace
    };
    let mut targets = Vec::new();
    if spec.wait {
        for entry in entries
            .iter()
            .filter(|entry| entry.action != Action::Skipped && !is_itself(&entry.id))
        {
            let id = entry.id.clone();
            let mapping = mapper
                .mapping(&id.group, &entry.version, &id.kind)
                .await
                .map_err(|error| failed(&id, &error))?;
            let may_vanish = vanishing.contains(&id);
            targets.push(Target {
                mapping,
                id,
                owned: true,
                may_vanish,
            });
        }
        return Ok(targets);
    }
    for check in &spec.health_checks {
        let api_version = if check.api_version.is_empty() {
            "apps/v1"
        } else {
            &check.api_version
        };
        let (group, _) = controller_kit::object::split_api_version(api_version);
        let id = ObjectId {
            namespace: check.namespace.clone(),
            name: check.name.clone(),
            group: group.to_owned(),
            kind: check.kind.clone(),
        };
        if is_itself(&id) {
            continue;
        }
        let mapping = mapper
            .preferred(group, &check.kind)
            .await
            .map_err(|error| failed(&id, &error))?;
        let may_vanish = vanishing.contains(&id);
        targets.push(Target {
            mapping,
            id,
            owned: false,
            may_vanish,
        });
    }
    Ok(targets)
}

/// Waits outside the worker slot until everything is ready; a newer event ends the wait.
async fn await_health(run: &mut Reconciliation<'_>, rest: &Rest, applied: &Applied) -> Result<(), Outcome> {
    let generation = run.object.metadata.generation;
    if applied.targets.is_empty() {
        run.status.conditions.remove_condition(HEALTHY);
        return Ok(());
    }
    let was_healthy = run.status.conditions.has_status(HEALTHY, ConditionStatus::True);
    let started = tokio::time::Instant::now();
    let timeout = run.timeout();
    let context = run.context;
    let options = WaitOptions {
        timeout,
        fail_fast: context.settings.fail_fast,
    };
    let superseded = run.superseded.clone();
    let mut waiting = Box::pin(context.live.wait(applied.targets.clone(), options, rest));
    // What is ready at once needs no word about waiting; a moment covers objects whose watch has just been opened.
    let quick = run.slot.park(tokio::time::timeout(QUICK, &mut waiting)).await;
    let end = if let Ok(end) = quick {
        end
    } else {
        announce_wait(run, timeout).await?;
        let interruptible = async {
            tokio::select! {
                end = &mut waiting => Some(end),
                () = superseded.wait() => None,
            }
        };
        run.slot.park(interruptible).await.ok_or(Outcome::Superseded)?
    };
    let took = GoDuration::from(started.elapsed());
    match end {
        WaitEnd::Ready => {
            let message = format!("Health check passed in {took}");
            let (value, text) = (ConditionStatus::True, message.as_str());
            run.status.conditions.set_condition(
                HEALTHY,
                value,
                reason::SUCCEEDED,
                text,
                generation,
                Timestamp::now(),
            );
            if !was_healthy || (applied.new_revision && applied.changed) {
                run.record(Severity::Info, reason::PROGRESSING, message);
            }
            Ok(())
        }
        end @ WaitEnd::NotReady { .. } => {
            remember(run, &applied.checksum, reason::HEALTH_CHECK_FAILED);
            let detail = end.message().unwrap_or_default();
            let message = format!("health check failed after {took}: {detail}");
            Err(Outcome::Failed(Failure::new(
                reason::HEALTH_CHECK_FAILED,
                message,
            )))
        }
    }
}

/// Writes that the run waits, with what it has applied so far, so that a restart loses nothing.
async fn announce_wait(run: &mut Reconciliation<'_>, timeout: Duration) -> Result<(), Outcome> {
    let revision = &run.status.last_attempted_revision;
    let timeout = GoDuration::from(timeout);
    let message = format!("Running health checks for revision {revision} with a timeout of {timeout}");
    let (value, text) = (ConditionStatus::Unknown, message.as_str());
    let generation = run.object.metadata.generation;
    run.status.conditions.set_condition(
        HEALTHY,
        value,
        reason::PROGRESSING,
        text,
        generation,
        Timestamp::now(),
    );
    let written = run.write_progress(&message).await;
    written.map_err(|error| Outcome::Aborted(format!("cannot write the status: {error}")))
}

/// Objects that become ready within this time need no word about waiting.
const QUICK: Duration = Duration::from_millis(1500);

/// Records the run in the history.
fn remember(run: &mut Reconciliation<'_>, checksum: &str, status: &str) {
    let (revision, origin) = run.revision.clone().unwrap_or_default();
    let mut metadata = std::collections::BTreeMap::from([("revision".to_owned(), revision)]);
    if !origin.is_empty() {
        metadata.insert("originRevision".to_owned(), origin);
    }
    run.status.history.record(Attempt {
        digest: checksum.to_owned(),
        status: status.to_owned(),
        at: Time(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()),
        took: GoDuration::from(run.started.elapsed()),
        metadata,
    });
}

fn change_list(entries: &[Entry]) -> String {
    let changed = entries
        .iter()
        .filter(|entry| matches!(entry.action, Action::Created | Action::Configured));
    changed.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A Job that removes itself when it is done is not missing when it is gone.
fn may_vanish(object: &serde_json::Value) -> bool {
    object.get("kind").and_then(serde_json::Value::as_str) == Some("Job")
        && object
            .pointer("/spec/ttlSecondsAfterFinished")
            .is_some_and(serde_json::Value::is_number)
}
