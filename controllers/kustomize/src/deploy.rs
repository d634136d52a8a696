//! Brings an artifact into the cluster: fetch, render, apply, prune, wait for readiness.

use artifact_crd::Artifact;
use controller_kit::Cluster;
use controller_kit::apply::{Action, ApplyError, Entry, encrypted, split_stages};
use controller_kit::live::Target;
use controller_kit::object::{ObjectId, id_of};
use flux_api::{GoDuration, Inventory, STALLED};
use flux_deployer::fetch::ArtifactError;
use flux_deployer::takeover::{await_children, await_takeover};
use flux_deployer::{Outcome, Run, Wait, fetch, health, inventory, prune};

use crate::apply::apply_stages;
use crate::build::build;
use crate::checks::{expressions, may_vanish, targets};
use crate::decryption;
use crate::kind::Kustomize;
use crate::kinds::are_coming;
use crate::ledger::{self, change_list};
use crate::render::{self, Rendered};
use crate::stop::{Problem, Stop};
use crate::tree::ArtifactFiles;

/// Brings `artifact` into the cluster.
pub(crate) async fn deploy(run: &mut Run<'_, Kustomize>, artifact: &Artifact) -> Outcome {
    if let Some(refusal) = decryption::refusal(&run.object, &run.context.own.settings.decryption) {
        return Outcome::Refused(refusal);
    }
    match Box::pin(try_deploy(run, artifact)).await {
        Ok(()) => ledger::succeeded(run),
        Err(Stop::Artifact(ArtifactError::NotFound(_))) => {
            let (revision, timeout) = (run.about().revision, GoDuration::from(run.timeout()));
            let stage = format!("Fetching manifests for revision {revision} with a timeout of {timeout}");
            let mut conditions = run.conditions();
            conditions.remove(STALLED);
            conditions.retrying(&stage);
            let again = GoDuration::from(run.context.settings.requeue_dependency);
            let message = format!("Source is not ready, artifact not found, retrying in {again}");
            Outcome::Waiting(Wait::Artifact(message))
        }
        Err(stop) => stop.into(),
    }
}

async fn try_deploy(run: &mut Run<'_, Kustomize>, artifact: &Artifact) -> Result<(), Stop> {
    ledger::begins(run, artifact);
    run.enter("Fetching manifests");
    // What is slow in another cluster holds no worker from here on; that it cannot be had is told where stock does.
    let cluster = run.cluster().await;
    let tree = fetch::tree(run, artifact).await??;
    render::path(&ArtifactFiles::new(&tree), &run.object).map_err(Problem::Path)?;
    let is_new = ledger::attempts(run);
    run.enter("Building manifests");
    let cluster = cluster.map_err(Problem::Cluster)?;
    let rendered = build(run, artifact, tree).await?;
    if is_new {
        ledger::warn_of_loss(run, &rendered.lost);
    }
    run.enter("Detecting drift");
    let checksum = rendered.checksum.clone();
    let end = bring(run, &cluster, rendered, is_new).await;
    ledger::ended(run, &checksum, &end);
    end
}

/// Brings what was rendered into the cluster.
async fn bring(
    run: &mut Run<'_, Kustomize>,
    cluster: &Cluster,
    rendered: Rendered,
    is_new: bool,
) -> Result<(), Stop> {
    let applied = apply(run, cluster, rendered).await?;
    let Some(targets) = applied.targets else {
        ledger::not_waited(run);
        return Ok(());
    };
    run.enter("Running health checks");
    let is_news = !ledger::was_healthy(run) || (is_new && applied.changed);
    let expressions = expressions(run)?;
    let waited = health::wait(run, cluster, targets, expressions).await?;
    ledger::waited(run, waited, is_news)
}

/// What an apply left.
struct Applied {
    /// What to wait for; nothing when no health checks are asked for.
    targets: Option<Vec<Target>>,
    changed: bool,
}

/// Applies everything that is desired, then deletes what no longer is.
async fn apply(run: &mut Run<'_, Kustomize>, cluster: &Cluster, rendered: Rendered) -> Result<Applied, Stop> {
    // One that is refused keeps everything from being applied, whatever stage the others are in.
    if let Some(secret) = rendered.objects.iter().find_map(encrypted) {
        return Err(ApplyError::from(secret).into());
    }
    let own = &run.context.own;
    let vanishing = rendered.objects.iter().filter(|object| may_vanish(object));
    let vanishing: Vec<ObjectId> = vanishing.map(id_of).collect();
    let stages = split_stages(rendered.objects, &own.settings.custom_stage);
    let before = run.status.inventory.clone().unwrap_or_default();
    let mut memory = own.take_memory(&run.key, &memory_of(run, cluster));
    let mut entries = Vec::new();
    let applied = apply_stages(run, cluster, stages, &mut memory, &mut entries).await;
    if let Err(stop) = applied {
        own.keep_memory(&run.key, memory);
        if !stop.leaves_doubt() {
            ledger::partly_applied(run, before, &entries);
        }
        return Err(explain(run, cluster, stop, &entries).await);
    }
    let listed = ledger::applied(run, &before, &entries);
    let is_changed = |entry: &&Entry| matches!(entry.action, Action::Created | Action::Configured);
    let changed = entries.iter().filter(is_changed);
    let changed: Vec<_> = changed
        .map(|entry| (entry.id.clone(), entry.action == Action::Created))
        .collect();
    await_children(run, &changed).await;
    run.has_applied(entries.iter().map(|entry| &entry.id));
    let pruned = prune_stale(run, cluster, &listed, &entries).await;
    memory.retain(|id| entries.iter().any(|entry| entry.id == *id));
    own.keep_memory(&run.key, memory);
    pruned?;
    let untouched = |entry: &Entry| matches!(entry.action, Action::Unchanged | Action::Skipped);
    Ok(Applied {
        targets: targets(&run.object, &entries, &vanishing)?,
        changed: !entries.iter().all(untouched),
    })
}

/// Tells for whom and how objects were applied that are known to be unchanged: what is left alone of them is part of that.
fn memory_of(run: &Run<'_, Kustomize>, cluster: &Cluster) -> String {
    let (identity, ignored) = (cluster.identity(), &run.object.spec.ignore);
    if ignored.is_empty() {
        return identity;
    }
    format!("{identity}, but {ignored:?}")
}

/// Adds to the reason why an apply stopped what it changed before, and whether the reason passes by itself.
async fn explain(run: &mut Run<'_, Kustomize>, cluster: &Cluster, stop: Stop, entries: &[Entry]) -> Stop {
    match stop {
        Stop::Failed(Problem::Apply { error, .. }) => {
            let coming = are_coming(&cluster.mapper, &error);
            let what = "whether missing kinds are being defined";
            let coming = run.slot.on(what).park(coming).await;
            let changes = change_list(entries);
            Problem::Apply {
                error,
                changes,
                coming,
            }
            .into()
        }
        other => other,
    }
}

/// Deletes what is `listed` and was not applied; the inventory lists everything until then.
async fn prune_stale(
    run: &mut Run<'_, Kustomize>,
    cluster: &Cluster,
    listed: &Inventory,
    entries: &[Entry],
) -> Result<(), Stop> {
    let desired = inventory::record(entries);
    let stale = inventory::stale(listed, &desired).map_err(Problem::Inventory)?;
    if !run.object.spec.prune || stale.is_empty() {
        return ledger::pruned(run, desired, prune::Deletions::default());
    }
    await_takeover(run, stale.iter().map(|(id, _)| id)).await?;
    let deletions = prune::delete(run, cluster, stale).await;
    ledger::pruned(run, desired, deletions)
}
