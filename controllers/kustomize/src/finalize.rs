//! The end of a Kustomization: deletes what it applied, as its deletion policy says.

use std::time::Duration;

use controller_kit::object::ObjectId;
use controller_kit::{Cluster, MapError};
use flux_api::{DeletionPolicy, InventoryEntry, ObjectIdError};
use flux_deployer::takeover::await_takeover;
use flux_deployer::{Run, prune};
use tokio::time::Instant;

use crate::decide::deletes;
use crate::kind::Kustomize;
use crate::ledger;
use crate::stop::{Problem, Stop};

/// Deletes the inventory unless the policy keeps it.
pub(crate) async fn clean_up(run: &mut Run<'_, Kustomize>) -> Result<(), Stop> {
    ledger::ends(run);
    let inventory = run.status.inventory.clone().unwrap_or_default();
    if !deletes(&run.object) || inventory.entries.is_empty() {
        return Ok(());
    }
    let object = |entry: &InventoryEntry| Ok::<_, ObjectIdError>((entry.object_id()?, entry.version.clone()));
    let objects: Result<Vec<_>, _> = inventory.entries.iter().map(object).collect();
    let objects = objects.map_err(Problem::LastInventory)?;
    if !run.may_act().await.map_err(Problem::LastIdentity)? {
        ledger::left_behind(run, &objects);
        return Ok(());
    }
    let cluster = run.cluster().await.map_err(Problem::LastCluster)?;
    await_takeover(run, objects.iter().map(|(id, _)| id)).await?;
    let deletions = prune::delete(run, &cluster, objects).await;
    let deleted = ledger::cleaned_up(run, deletions)?;
    if run.object.deletion_policy() == DeletionPolicy::WaitForTermination {
        let timeout = run.timeout();
        let terminated = await_termination(&cluster, &deleted, timeout);
        // Where a newer event comes first, the next run goes on from here.
        run.slot.on("the end of what was deleted");
        if !run.unless_superseded(terminated).await? {
            ledger::not_terminated(run);
        }
    }
    Ok(())
}

async fn await_termination(cluster: &Cluster, objects: &[(ObjectId, String)], timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    for (id, version) in objects {
        while !is_terminated(cluster, id, version).await {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
    true
}

/// Tells whether an object does not exist, or its kind is not served any more; what cannot be asked may exist.
async fn is_terminated(cluster: &Cluster, id: &ObjectId, version: &str) -> bool {
    let mapping = match cluster.mapper.mapping(&id.group, version, &id.kind).await {
        Ok(mapping) => mapping,
        Err(error) => return matches!(error, MapError::NoMatch { .. }),
    };
    match cluster.rest.get(&mapping, &id.namespace, &id.name).await {
        Ok(live) => live.is_none(),
        Err(error) => {
            if error.is_not_served() {
                cluster.mapper.invalidate().await;
            }
            false
        }
    }
}
