//! The end of a HelmRelease: uninstalls its release, and deletes the HelmChart that was made for it.

use flux_deployer::Run;

use crate::desired::no_digest;
use crate::digests::SpecDigests;
use crate::helm_chart;
use crate::kind::Helm;
use crate::stop::Stop;
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
    } else if may_act(run).await? {
        let digests = SpecDigests::of(&run.object).map_err(no_digest)?;
        Box::pin(uninstall(run, &digests)).await?;
        tracing::info!("uninstalled Helm release for deleted resource");
    } else {
        // A namespace that is being deleted takes its accounts first, and would wait for this object for ever.
        let account = run.service_account();
        tracing::error!(
            error = format!("service account {account:?} does not exist"),
            "skipping Helm release uninstallation"
        );
    }
    helm_chart::delete(run).await
}

async fn may_act(run: &Run<'_, Helm>) -> Result<bool, Stop> {
    let may = run.may_act().await;
    may.map_err(|error| Stop::LastIdentity {
        account: run.service_account().to_owned(),
        error,
    })
}
