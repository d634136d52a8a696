//! Deletes what is no longer desired, by inventory.

use controller_kit::Cluster;
use controller_kit::apply::{Deletion, GarbageCollection, sort_for_delete};
use controller_kit::object::{ObjectId, Subject};
use flux_api::InventoryEntry;

use crate::kind::Kind;
use crate::run::Run;
use crate::takeover::{desired_elsewhere, tell_takers};

/// What became of objects that were to be deleted.
#[derive(Debug, Default)]
pub struct Deletions {
    /// A line for each object that is gone or left alone, as events tell it.
    pub lines: Vec<String>,
    /// What could not be deleted, and why.
    pub failures: Vec<String>,
    /// Inventory entries of the objects that are still there.
    pub survivors: Vec<InventoryEntry>,
    /// What was deleted, with the version that was applied.
    pub deleted: Vec<(ObjectId, String)>,
    /// What is not deleted because the controller runs in it.
    pub spared: Vec<ObjectId>,
}

/// Deletes objects in reverse order of application, as far as they carry the labels of the run's object.
pub async fn delete<K: Kind>(
    run: &mut Run<'_, K>,
    cluster: &Cluster,
    mut objects: Vec<(ObjectId, String)>,
) -> Deletions {
    let context = run.context;
    let [name, namespace] = K::NAMES.owner_labels;
    let owner_labels = [
        (name.to_owned(), run.key.name.clone()),
        (namespace.to_owned(), run.key.namespace.clone()),
    ];
    let ids: Vec<ObjectId> = objects.iter().map(|(id, _)| id.clone()).collect();
    let collection = GarbageCollection {
        rest: &cluster.rest,
        mapper: &cluster.mapper,
        owner_labels: &owner_labels,
        desired_elsewhere: &desired_elsewhere(context, &run.key, cluster.id(), &ids),
        own_namespace: cluster.spares(&context.settings.own_namespace),
    };
    sort_for_delete(&mut objects, |(id, _)| id.clone());
    let versions: Vec<String> = objects.iter().map(|(_, version)| version.clone()).collect();
    let (mut result, mut left) = (Deletions::default(), Vec::new());
    let deletions = collection.delete_all(objects, run.slot).await;
    for ((id, deletion), version) in deletions.into_iter().zip(versions) {
        let became = match &deletion {
            Deletion::Deleted => "deleted",
            Deletion::Skipped | Deletion::Left | Deletion::Spared => "skipped",
            Deletion::Failed(failure) => {
                result.failures.push(failure.to_string());
                result.survivors.push(InventoryEntry::new(&id, version));
                continue;
            }
        };
        result.lines.push(format!("{} {became}", Subject(&id)));
        match deletion {
            Deletion::Deleted => result.deleted.push((id, version)),
            Deletion::Left => {
                // It stays listed until it says that it is the other's, which may change its mind first.
                result.survivors.push(InventoryEntry::new(&id, version));
                left.push(id);
            }
            Deletion::Spared => result.spared.push(id),
            Deletion::Skipped | Deletion::Failed(_) => {}
        }
    }
    tell_takers(context, &run.key, cluster.id(), &left);
    result
}
