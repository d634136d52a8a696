//! What the results of the stages mean for status, history and events: nothing else writes them during a run.

use std::collections::{BTreeMap, HashSet, VecDeque};

use artifact_crd::Artifact;
use controller_kit::Mapper;
use controller_kit::apply::{Action, Entry, Plan, Stage};
use controller_kit::events::Severity;
use controller_kit::object::{ObjectId, Subject};
use flux_api::{
    Attempt, ConditionStatus, ConditionsExt, Deployed as _, GoDuration, HEALTHY, Inventory, InventoryEntry,
    ORIGIN_REVISION, READY, event, reason,
};
use flux_deployer::health::Waited;
use flux_deployer::prune::Deletions;
use flux_deployer::{About, Outcome, Run, StatusError, Success, Wait, health_checks, inventory, is_held};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::kind::Kustomize;
use crate::log;
use crate::stop::{Problem, Stop};

/// The run is about an artifact.
pub(crate) fn begins(run: &mut Run<'_, Kustomize>, artifact: &Artifact) {
    run.is_about(about_artifact(artifact));
    run.aims_at(artifact);
}

fn about_artifact(artifact: &Artifact) -> About {
    let metadata = artifact.spec.metadata.as_ref();
    let origin = metadata.and_then(|all| all.get(ORIGIN_REVISION)).cloned();
    about(&artifact.spec.revision, &origin.unwrap_or_default())
}

/// The run is the end of the object.
pub(crate) fn ends(run: &mut Run<'_, Kustomize>) {
    let status = &run.status;
    let last = about(
        &status.last_applied_revision,
        &status.last_applied_origin_revision,
    );
    run.is_about(last);
}

fn about(revision: &str, origin: &str) -> About {
    About {
        revision: revision.to_owned(),
        details: vec![(event::ORIGIN_REVISION, origin.to_owned())],
    }
}

/// The revision is about to be tried; gives whether it is another one than was applied last.
pub(crate) fn attempts(run: &mut Run<'_, Kustomize>) -> bool {
    let revision = run.about().revision;
    let is_new = run.status.last_applied_revision != revision;
    run.status.last_attempted_revision = revision;
    is_new
}

/// Writes down what is about to be applied, before it is: a process that ends in between leaves nothing behind that
/// nobody knows of. What is listed already costs nothing.
pub(crate) async fn record_ahead(
    run: &mut Run<'_, Kustomize>,
    mapper: &Mapper,
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
    let later = objects.filter_map(|object| inventory::entry_of(mapper, object));
    let ahead: Vec<_> = planned.into_iter().map(|(_, entry)| entry).chain(later).collect();
    inventory::keep(&mut inventory, ahead);
    run.status.inventory = Some(inventory);
    run.write_stage().await
}

/// Not everything was applied: what was is ours to clean up, even if no later run gets further.
pub(crate) fn partly_applied(run: &mut Run<'_, Kustomize>, before: Inventory, entries: &[Entry]) {
    let mut partial = before;
    inventory::keep(&mut partial, inventory::record(entries).entries);
    // Stock has none before something was applied.
    let is_none = partial.entries.is_empty() && run.status.last_applied_revision.is_empty();
    run.status.inventory = (!is_none).then_some(partial);
}

/// Everything was applied; gives the inventory of what there is until the rest has been pruned.
pub(crate) fn applied(run: &mut Run<'_, Kustomize>, before: &Inventory, entries: &[Entry]) -> Inventory {
    let grouped = run.context.own.settings.group_change_log;
    log::applied(&run.about().revision, entries, grouped);
    let changes = change_list(entries);
    if !changes.is_empty() {
        run.record(Severity::Info, reason::PROGRESSING, changes);
    }
    warn_of_adoption(run, before, entries);
    let mut all = run.status.inventory.clone().unwrap_or_default();
    inventory::keep(&mut all, inventory::record(entries).entries);
    run.status.inventory = Some(all.clone());
    all
}

/// What is no longer desired was deleted, as far as it could be; `desired` is the inventory of what is.
///
/// # Errors
/// Some of it is still there.
pub(crate) fn pruned(
    run: &mut Run<'_, Kustomize>,
    mut desired: Inventory,
    deletions: Deletions,
) -> Result<(), Stop> {
    inventory::keep(&mut desired, deletions.survivors);
    run.status.inventory = Some(desired);
    warn_of_spared(run, &deletions.spared);
    if !deletions.lines.is_empty() {
        let lines = deletions.lines.join("\n");
        tracing::info!("garbage collection completed: {lines}");
        run.record(Severity::Info, reason::PROGRESSING, lines);
    }
    if deletions.failures.is_empty() {
        Ok(())
    } else {
        Err(Problem::Prune(deletions.failures).into())
    }
}

/// Nothing was waited for, so that nothing can be said about health.
pub(crate) fn not_waited(run: &mut Run<'_, Kustomize>) {
    run.conditions().remove(HEALTHY);
}

/// Tells whether everything was healthy when it was last looked at.
pub(crate) fn was_healthy(run: &Run<'_, Kustomize>) -> bool {
    run.status.conditions.has_status(HEALTHY, ConditionStatus::True)
}

/// The wait for readiness is over; that all is well is told if it `is_news`.
///
/// # Errors
/// Something is not ready.
pub(crate) fn waited(run: &mut Run<'_, Kustomize>, waited: Waited, is_news: bool) -> Result<(), Stop> {
    let Waited { took, unready } = waited;
    if let Some(detail) = unready {
        return Err(Problem::Unhealthy { took, detail }.into());
    }
    let message = format!("Health check passed in {took}");
    run.conditions()
        .healthy(ConditionStatus::True, reason::SUCCEEDED, &message);
    if is_news {
        run.record(Severity::Info, reason::PROGRESSING, message);
    }
    Ok(())
}

/// What was rendered as `checksum` has been brought into the cluster, or not.
pub(crate) fn ended(run: &mut Run<'_, Kustomize>, checksum: &str, end: &Result<(), Stop>) {
    let reason = match end {
        Ok(()) => {
            let About { revision, details } = run.about();
            run.status.last_applied_revision = revision;
            let origin = details.into_iter().next().map(|(_, origin)| origin);
            run.status.last_applied_origin_revision = origin.unwrap_or_default();
            Some(reason::RECONCILIATION_SUCCEEDED)
        }
        Err(stop) => stop.history_reason(),
    };
    if let Some(reason) = reason {
        remember(run, checksum, reason);
    }
}

/// What stock tells at the end of a run besides how it ended: which revision waits for a dependency, or cannot tell whether it
/// is ready, and of an object that was ready that its last run is over as well.
pub(crate) fn concluded(run: &mut Run<'_, Kustomize>, outcome: &Outcome) {
    let is_about_dependency = match outcome {
        Outcome::Waiting(Wait::Dependency { .. }) => true,
        Outcome::Refused(refusal) => {
            refusal.reason == reason::INVALID_CEL_EXPRESSION
                && health_checks(&run.object.spec.health_check_exprs).is_ok()
        }
        _ => false,
    };
    let artifact = is_about_dependency.then(|| run.context.observe(&run.object).artifact.ok());
    if let Some(artifact) = artifact.flatten() {
        run.is_about(about_artifact(&artifact));
    }
    let is_end = run.object.metadata.deletion_timestamp.is_some() && is_held(run.object.as_ref());
    let is_ready = run.status.conditions.has_status(READY, ConditionStatus::True);
    if matches!(outcome, Outcome::Gone) && is_end && is_ready && !run.object.spec.suspend {
        let took = GoDuration::from(run.started.elapsed());
        let next = run.object.interval();
        let text = format!("Reconciliation finished in {took}, next run in {next}");
        let mut last = run.about();
        let update = event::COMMIT_STATUS_UPDATE.to_owned();
        last.details.push((event::COMMIT_STATUS, update));
        run.tell(
            Severity::Info,
            reason::RECONCILIATION_SUCCEEDED,
            text,
            Some(&last),
        );
    }
}

/// The run has come to its end.
pub(crate) fn succeeded(run: &Run<'_, Kustomize>) -> Outcome {
    Outcome::Succeeded(Success {
        reason: reason::RECONCILIATION_SUCCEEDED,
        message: format!("Applied revision: {}", run.status.last_applied_revision),
    })
}

/// At the end of the object nothing can be deleted, because there is nobody to do it as.
pub(crate) fn left_behind(run: &Run<'_, Kustomize>, objects: &[(ObjectId, String)]) {
    let list: Vec<_> = objects.iter().map(|(id, _)| Subject(id).to_string()).collect();
    let message = format!("unable to prune objects: \n{}", list.join("\n"));
    run.record(Severity::Error, reason_of(run), message);
}

/// Upstream tells what it does at the end of an object with whatever reason that was ready, or not, when it was deleted.
fn reason_of<'r>(run: &'r Run<'_, Kustomize>) -> &'r str {
    let ready = run.status.conditions.get_condition(READY);
    ready.map_or(reason::RECONCILIATION_SUCCEEDED, |ready| ready.reason.as_str())
}

/// At the end of the object what it applied was deleted, as far as it could be; gives what was.
///
/// # Errors
/// Some of it is still there.
pub(crate) fn cleaned_up(
    run: &Run<'_, Kustomize>,
    deletions: Deletions,
) -> Result<Vec<(ObjectId, String)>, Stop> {
    warn_of_spared(run, &deletions.spared);
    if !deletions.failures.is_empty() {
        return Err(Problem::LastPrune(deletions.failures).into());
    }
    if !deletions.lines.is_empty() {
        run.record(Severity::Info, reason_of(run), deletions.lines.join("\n"));
    }
    Ok(deletions.deleted)
}

/// At the end of the object what was deleted is still there after `spec.timeout`.
pub(crate) fn not_terminated(run: &Run<'_, Kustomize>) {
    let message = "failed to wait for resources termination".to_owned();
    run.record(Severity::Error, reason_of(run), message);
}

fn warn_of_spared(run: &Run<'_, Kustomize>, spared: &[ObjectId]) {
    for id in spared {
        let message = format!(
            "{} is not deleted, because the controller runs in it; delete it by hand if that is what you want",
            Subject(id)
        );
        run.record(Severity::Error, reason::PRUNE_FAILED, message);
    }
}

/// Tells of a Namespace that was there before: `spec.targetNamespace` gives its own name to every Namespace of the
/// source, so that one of somebody else may be meant without anybody knowing, and goes with the Kustomization.
fn warn_of_adoption(run: &Run<'_, Kustomize>, before: &Inventory, entries: &[Entry]) {
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

/// Says which values decryption could not keep, which sops does not say.
pub(crate) fn warn_of_loss(run: &Run<'_, Kustomize>, lost: &[String]) {
    const TOLD: usize = 10;
    if lost.is_empty() {
        return;
    }
    let more = if lost.len() > TOLD { ", ..." } else { "" };
    let places: Vec<_> = lost.iter().take(TOLD).map(String::as_str).collect();
    let message = format!(
        "values are null after decryption, because sops prints no text of several lines that begins with a tab in YAML: {}{more}; \
         let the text begin with something else, or encrypt the file in another format",
        places.join(", ")
    );
    run.record(Severity::Error, reason::PROGRESSING, message);
}

/// Records the run in the history.
fn remember(run: &mut Run<'_, Kustomize>, checksum: &str, status: &str) {
    let About { revision, details } = run.about();
    let mut metadata = BTreeMap::from([("revision".to_owned(), revision)]);
    let details = details.into_iter().filter(|(_, value)| !value.is_empty());
    metadata.extend(details.map(|(key, value)| (key.to_owned(), value)));
    run.status.history.record(Attempt {
        digest: checksum.to_owned(),
        status: status.to_owned(),
        at: Time(Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()),
        took: GoDuration::from(run.started.elapsed()),
        metadata,
    });
}

/// A line for each object that was changed.
pub(crate) fn change_list(entries: &[Entry]) -> String {
    let changed = entries
        .iter()
        .filter(|entry| matches!(entry.action, Action::Created | Action::Configured));
    changed.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
