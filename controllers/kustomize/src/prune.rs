//! Deletes what is no longer desired.

use controller_kit::Rest;
use controller_kit::apply::{Deletion, GarbageCollection, sort_for_delete};
use controller_kit::events::Severity;
use controller_kit::object::{ObjectId, Subject};
use flux_api::{Inventory, InventoryEntry, KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE, reason};

use crate::deploy::remember;
use crate::inventory;
use crate::reconcile::Reconciliation;
use crate::report::{Failure, Outcome};
use crate::takeover::{await_takeover, desired_elsewhere, tell_takers};

/// Deletes what is no longer desired, and settles the inventory, which lists everything until then.
pub(crate) async fn prune(
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
    await_takeover(run, stale.iter().map(|(id, _)| id)).await?;
    let (deletions, failures) = delete(run, rest, stale).await;
    inventory::keep(&mut new, failures.survivors);
    run.status.inventory = Some(new);
    if !deletions.is_empty() {
        tracing::info!("garbage collection completed: {deletions}");
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
    run: &mut Reconciliation<'_>,
    rest: &Rest,
    mut objects: Vec<(ObjectId, String)>,
) -> (String, Deletions) {
    let context = run.context;
    let owner_labels = [
        (KUSTOMIZE_NAME.to_owned(), run.key.name.clone()),
        (KUSTOMIZE_NAMESPACE.to_owned(), run.key.namespace.clone()),
    ];
    let ids: Vec<ObjectId> = objects.iter().map(|(id, _)| id.clone()).collect();
    let collection = GarbageCollection {
        rest,
        mapper: &context.mapper,
        owner_labels: &owner_labels,
        desired_elsewhere: &desired_elsewhere(context, &run.key, &ids),
        own_namespace: &context.settings.own_namespace,
    };
    sort_for_delete(&mut objects, |(id, _)| id.clone());
    let versions: Vec<String> = objects.iter().map(|(_, version)| version.clone()).collect();
    let (mut lines, mut errors, mut survivors, mut deleted) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut left, mut spared) = (Vec::new(), Vec::new());
    let deletions = collection.delete_all(objects, run.slot).await;
    for ((id, deletion), version) in deletions.into_iter().zip(versions) {
        match deletion {
            Deletion::Deleted => {
                lines.push(format!("{} deleted", Subject(&id)));
                deleted.push((id, version));
            }
            Deletion::Skipped => lines.push(format!("{} skipped", Subject(&id))),
            Deletion::Left => {
                lines.push(format!("{} skipped", Subject(&id)));
                // It stays listed until it says that it is the other's, which may change its mind first.
                survivors.push(InventoryEntry::new(&id, version));
                left.push(id);
            }
            Deletion::Spared => {
                lines.push(format!("{} skipped", Subject(&id)));
                spared.push(id);
            }
            Deletion::Failed(failure) => {
                errors.push(failure.to_string());
                survivors.push(InventoryEntry::new(&id, version));
            }
        }
    }
    tell_takers(context, &run.key, &left);
    for id in spared {
        let message = format!(
            "{} is not deleted, because the controller runs in it; delete it by hand if that is what you want",
            Subject(&id)
        );
        run.record(Severity::Error, reason::PRUNE_FAILED, message);
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
