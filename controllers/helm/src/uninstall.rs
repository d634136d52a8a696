//! Uninstalls a release that is not wanted any more: its object is being deleted, or asks for another one.

use std::sync::Arc;

use flux_deployer::Run;
use helm::release::Release;

use crate::action::Uninstall;
use crate::digests::SpecDigests;
use crate::kind::Helm;
use crate::machine::UninstallResult;
use crate::scene::{actions, cluster, defaults};
use crate::status::machine;
use crate::stop::Stop;
use crate::tell::tell;

/// Uninstalls the release that the status tells of, if it tells of one, and forgets it.
///
/// # Errors
/// It is still there; the status says why.
pub(crate) async fn uninstall(run: &mut Run<'_, Helm>, digests: &SpecDigests) -> Result<(), Stop> {
    let object = Arc::clone(&run.object);
    let (cluster, defaults) = (cluster(run).await?, defaults(run));
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
            drop(actions);
            machine(run, &object, digests).uninstalled(&written, result, &log)
        }
    };
    tell(run, events);
    result.map_err(Stop::Uninstall)?;
    run.status.history.clear();
    run.status.storage_namespace.clear();
    Ok(())
}
