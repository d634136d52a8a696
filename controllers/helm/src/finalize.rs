//! The end of a HelmRelease: uninstalls its release, and deletes the HelmChart that was made for it.

use flux_deployer::Run;

use crate::desired::no_digest;
use crate::digests::SpecDigests;
use crate::helm_chart;
use crate::kind::Helm;
use crate::stop::{Stop, error_text};
use crate::uninstall::uninstall;

/// Deals with what an object has made; one that is suspended leaves everything as it is.
///
/// # Errors
/// Something is still there.
pub(crate) async fn clean_up(run: &mut Run<'_, Helm>) -> Result<(), Stop> {
    if run.object.spec.suspend {
        return Ok(());
    }
    if run.status.storage_namespace.is_empty() {
        tracing::info!("skipping Helm release uninstallation: no storage namespace configured");
    } else if has_somewhere_to_act(run).await? {
        let digests = SpecDigests::of(&run.object, run.context.own.settings.digests).map_err(no_digest)?;
        Box::pin(uninstall(run, &digests)).await?;
        tracing::info!("uninstalled Helm release for deleted resource");
    }
    helm_chart::delete(run).await
}

/// Tells whether there is a cluster to uninstall the release from, and somebody to do it as. A namespace that is being deleted
/// takes its accounts and Secrets first, and would wait for this object for ever.
async fn has_somewhere_to_act(run: &mut Run<'_, Helm>) -> Result<bool, Stop> {
    let skipping = "skipping Helm release uninstallation";
    match run.cluster().await {
        Err(error) if error.is_not_found() => {
            tracing::error!(error = error_text(&error), "{skipping}");
            return Ok(false);
        }
        Err(error) => return Err(Stop::LastCluster(error)),
        Ok(_) => {}
    }
    // The account of another cluster is not looked for.
    if run.object.spec.kube_config.is_some() || may_act(run).await? {
        return Ok(true);
    }
    let account = run.service_account();
    let error = format!("service account {account:?} does not exist");
    tracing::error!(error, "{skipping}");
    Ok(false)
}

async fn may_act(run: &Run<'_, Helm>) -> Result<bool, Stop> {
    let may = run.may_act().await;
    may.map_err(|error| Stop::LastIdentity {
        account: run.service_account().to_owned(),
        error,
    })
}
