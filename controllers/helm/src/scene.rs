//! Where and as whom a run acts.

use std::sync::Arc;

use flux_api::Inventory;
use flux_deployer::{Halt, HandOver, Run, health_checks, wanted};
use helm::File;
use helm::release::Release;

use crate::action::{Actions, Defaults};
use crate::cluster::{Cluster, Discovery, News, Patience};
use crate::kind::Helm;
use crate::machine::Event;
use crate::stop::Stop;
use crate::storage::Storage;

/// The cluster as the identity of a run sees it.
///
/// # Errors
/// It is not known how to get there, the service account cannot be one, or an expression of a health check is none.
pub(crate) async fn cluster(run: &mut Run<'_, Helm>) -> Result<Cluster, Stop> {
    let object = &run.object;
    // What ends is not asked for its health.
    let ends = object.metadata.deletion_timestamp.is_some();
    let expressions = match health_checks(&object.spec.health_check_exprs) {
        Ok(expressions) => expressions.filter(|_| !ends).map(Arc::new),
        Err(_) if ends => None,
        Err(refusal) => return Err(Stop::Refused(refusal)),
    };
    let cluster = run.cluster().await.map_err(Stop::Cluster)?;
    let discovery = run.context.own.discovery.of(cluster.id());
    Ok(Cluster {
        expressions,
        discovery: Discovery::known(cluster.rest.clone(), discovery),
        rest: cluster.rest,
        mapper: cluster.mapper,
        live: cluster.live,
    })
}

/// Which defaults hold.
pub(crate) fn defaults(run: &Run<'_, Helm>) -> Defaults {
    Defaults {
        helm3: run.context.own.settings.helm3_defaults,
    }
}

/// How a run waits: outside its worker slot.
pub(crate) fn patience<'s>(run: &'s mut Run<'_, Helm>) -> Patience<'s> {
    Patience::new(run.slot, run.context.shutdown.clone())
}

/// Prepares an action on the release of a run; its waits give the worker slot up.
pub(crate) fn actions<'s>(run: &'s mut Run<'_, Helm>, cluster: &'s Cluster) -> Actions<'s> {
    let hand_over = HandOver::of(run.context, &run.key, &run.object);
    let storage = Storage::new(cluster.rest.clone(), &run.status.storage_namespace);
    let cancels = run.context.own.settings.cancels_waits;
    let news = News {
        superseded: run.superseded.clone(),
        hand_over: hand_over.clone(),
        is_newer: cancels.then(|| Box::new(wanted::newer(run)) as _),
    };
    let patience = Patience::new(run.slot, run.context.shutdown.clone());
    Actions::new(cluster, storage.until(hand_over), patience.with_news(news))
}

/// Lets go of an action.
///
/// # Errors
/// The object is another controller's by now, and the action was given up: what comes of it is not ours to say.
pub(crate) fn end(actions: Actions<'_>) -> Result<(), Stop> {
    let was_stopped = actions.was_stopped();
    drop(actions);
    if was_stopped {
        tracing::info!(
            "the object moved to another controller during an action, which goes on with it there"
        );
        return Err(Halt::HandedOver.into());
    }
    Ok(())
}

/// Lists the objects of the record that was written last; tells of what could not be found out.
pub(crate) async fn inventory(
    cluster: &Cluster,
    written: &[Release],
    crds: &[File],
    key: &controller_kit::ObjectKey,
) -> (Option<Inventory>, Vec<Event>) {
    let warning = |reason, message| Event {
        is_error: true,
        reason,
        message,
        about: None,
    };
    let Some(release) = written.last() else {
        return (None, Vec::new());
    };
    match cluster.inventory(release, crds).await {
        Ok((inventory, warnings)) => {
            let skipped = (!warnings.is_empty())
                .then(|| warning(flux_api::reason::NAMESPACE_CHECK_SKIPPED, warnings.join("; ")));
            (Some(inventory), skipped.into_iter().collect())
        }
        Err(error) => {
            let message = format!("failed to build inventory for {key}: {error}");
            let event = warning(flux_api::reason::INVENTORY_BUILD_FAILED, message);
            (None, vec![event])
        }
    }
}
