//! Uninstalls a release that is not wanted any more: its object is being deleted, or asks for another one.

use std::sync::Arc;

use flux_api::shorten_release_name;
use flux_deployer::Run;
use helm::release::{Release, Status};

use crate::action::Uninstall;
use crate::cluster::Cluster;
use crate::digests::SpecDigests;
use crate::kind::Helm;
use crate::machine::UninstallResult;
use crate::observe::{is_made_for, remember};
use crate::scene::{actions, cluster, defaults, end};
use crate::status::machine;
use crate::stop::Stop;
use crate::storage::{Storage, StorageError};
use crate::tell::tell;

/// Uninstalls the release that the status tells of, if it tells of one, and forgets it.
///
/// # Errors
/// It is still there; the status says why.
pub(crate) async fn uninstall(run: &mut Run<'_, Helm>, digests: &SpecDigests) -> Result<(), Stop> {
    let object = Arc::clone(&run.object);
    let (cluster, defaults) = (cluster(run).await?, defaults(run));
    if run.status.history.latest().is_none() {
        find_unnoted(run, &cluster).await?;
    }
    let current = run.status.history.latest().map(|current| current.name.clone());
    let (events, result) = match current {
        None => {
            let none = UninstallResult::Done(None);
            machine(run, &object, digests).uninstalled::<Release>(&[], none, "")
        }
        Some(name) => {
            let uninstall = Uninstall::of(&object, &name, defaults);
            let uninstall = uninstall.map_err(|error| Stop::Uninstall(error.to_string()))?;
            let mut actions = actions(run, &cluster);
            let result = Box::pin(actions.uninstall(&uninstall)).await;
            let (written, log) = (actions.written().to_vec(), actions.log());
            end(actions)?;
            machine(run, &object, digests).uninstalled(&written, result, &log)
        }
    };
    tell(run, events);
    result.map_err(Stop::Uninstall)?;
    run.status.history.clear();
    run.status.storage_namespace.clear();
    Ok(())
}

/// Takes note of a release that was made for the object without the status telling of it, because whoever made it came to
/// an end before.
async fn find_unnoted(run: &mut Run<'_, Helm>, cluster: &Cluster) -> Result<(), Stop> {
    let storage = Storage::new(cluster.rest.clone(), &run.status.storage_namespace);
    let name = shorten_release_name(&run.object.release_name());
    let found = match storage.last(&name).await {
        // What cannot be read was perhaps made for somebody else.
        Err(StorageError::Damaged { .. }) => None,
        found => found.map_err(|error| Stop::Uninstall(error.to_string()))?,
    };
    if let Some(release) = found
        && release.info.status != Status::Uninstalled
        && is_made_for(&release, &run.object)
    {
        tracing::info!(
            release = name,
            revision = release.version,
            "uninstalling a release that is not in the history"
        );
        remember(&mut run.status, &release, run.context.own.settings.digests);
    }
    Ok(())
}
