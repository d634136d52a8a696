//! Brings the chart in an artifact into the cluster: what has to be known first, then the release.

use std::sync::Arc;

use artifact_consumer::SourceKey;
use artifact_crd::Artifact;
use flux_api::{Rollback, event, reason};
use flux_deployer::{About, Outcome, Run, health, wanted};

use crate::desired::Desired;
use crate::kind::Helm;
use crate::machine::{Ending, begin_attempt, target_change};
use crate::release;
use crate::source::{has_generation, not_ready, source};
use crate::status::machine;
use crate::stop::{PREREQUISITES, Stop, begins_anew, ended};
use crate::uninstall::uninstall;

/// Reasons for which an object is not ready that are over once its release is looked at.
const PASSED: [&str; 6] = [
    reason::DEPENDENCY_NOT_READY,
    reason::ACCESS_DENIED,
    reason::ARTIFACT_FAILED,
    reason::SOURCE_NOT_READY,
    reason::VALUES_ERROR,
    reason::REST_CLIENT_ERROR,
];

/// What stock says of a source that was edited.
const OUTDATED: &str = "latest generation of object has not been reconciled";

/// Brings the chart in `artifact` into the cluster.
pub(crate) async fn deploy(run: &mut Run<'_, Helm>, artifact: &Artifact) -> Outcome {
    match try_deploy(run, artifact).await {
        Ok(outcome) => outcome,
        Err(stop) => stop.conclude(run),
    }
}

async fn try_deploy(run: &mut Run<'_, Helm>, artifact: &Artifact) -> Result<Outcome, Stop> {
    let object = Arc::clone(&run.object);
    let source = source(&object, &run.context.settings.access);
    let source = source.map_err(|error| Stop::Refused((&error).into()))?;
    if object.spec.rollback.as_ref().is_some_and(recreates) {
        tracing::info!("warning: the .spec.rollback.recreate field is deprecated and has no effect");
    }
    // What is slow in another cluster holds no worker from here on; that it cannot be had is told where stock does.
    let cluster = run.cluster().await;
    if let Some(problem) = source_problem(run, &source, artifact) {
        return Err(Stop::Source(problem));
    }
    let desired = Desired::of(run, &source, artifact).await?;
    cluster.map_err(Stop::Cluster)?;
    run.is_about(about(&desired));
    let mut writing = machine(run, &object, &desired.digests);
    writing.mark_reconciling(reason::PROGRESSING, PREREQUISITES);
    writing.has_passed(&PASSED);
    if let Some(reason) = target_change(&object, &run.status, desired.identity().name) {
        tracing::info!(
            "release target configuration changed ({reason}): running uninstall for current release"
        );
        Box::pin(uninstall(run, &desired.digests)).await?;
        run.status.clear_failures();
        return Ok(begins_anew());
    }
    let same_values = desired.has_attempted_values(&run.status);
    let reset = begin_attempt(
        &object,
        &mut run.status,
        &desired.identity(),
        &desired.oci_digest,
        &desired.config_digest,
        same_values,
    );
    if let Some(reason) = reset {
        tracing::debug!("resetting failure count ({reason})");
    }
    let ending = Box::pin(release::reconcile(run, &desired)).await?;
    let gives_way = run.context.own.settings.cancels_waits && wanted::newer(run)();
    if gives_way && ending != Ending::Done {
        return Err(Stop::Halted(health::canceled(run)));
    }
    Ok(ended(ending))
}

fn recreates(rollback: &Rollback) -> bool {
    rollback.recreate
}

/// What the log and events say the run is about.
fn about(desired: &Desired) -> About {
    let chart = desired.identity();
    About {
        revision: chart.version.to_owned(),
        details: vec![
            (event::TOKEN, desired.config_digest.clone()),
            (event::APP_VERSION, chart.app_version.to_owned()),
            (event::OCI_DIGEST, desired.oci_digest.clone()),
        ],
    }
}

/// Tells why an artifact is not what its source is asked for now.
pub(crate) fn source_problem(run: &Run<'_, Helm>, source: &SourceKey, artifact: &Artifact) -> Option<String> {
    if !has_generation(source) {
        return None;
    }
    let status = &artifact.status;
    let outdated = || {
        // A HelmChart that was just changed may not have been looked at by anybody.
        let made = run.context.own.made(&run.key)?;
        (status.source_generation? < made.generation).then_some(OUTDATED)
    };
    let why = status.source_problem().or_else(outdated)?;
    Some(not_ready(source, why))
}
