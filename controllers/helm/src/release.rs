//! Brings a release into the state that is wanted: look, decide, act, and again, until there is nothing more to do now.

use std::sync::Arc;

use flux_api::{DriftDetection, HelmRelease, shorten_release_name};
use flux_deployer::{Halt, Run};
use helm::release::Release;

use crate::desired::Desired;
use crate::drift::{self, Comparison};
use crate::kind::Helm;
use crate::machine::{
    Action, Drift, Ending, Facts, Next, Pace, Performed, Previous, Stored, decide, handle_force,
};
use crate::observe;
use crate::perform::perform;
use crate::scene::{cluster, patience};
use crate::status::machine;
use crate::stop::Stop;
use crate::storage::Storage;
use crate::tell::tell;

/// Brings the release into the state that is wanted, step by step; says how that ends.
///
/// # Errors
/// The run is halted, or acts as nobody.
pub(crate) async fn reconcile(run: &mut Run<'_, Helm>, desired: &Desired) -> Result<Ending, Stop> {
    let object = Arc::clone(&run.object);
    let rest = cluster(run).await?.rest;
    let mut performed = Performed::default();
    let mut released = None;
    loop {
        if run.context.shutdown.is_cancelled() {
            run.write().await?;
            let reason = "atomic release canceled: context canceled".to_owned();
            return Err(Halt::Aborted(reason).into());
        }
        let storage = Storage::new(rest.clone(), &run.status.storage_namespace);
        let (next, comparison) = next_step(run, &object, desired, &storage, released.take()).await?;
        let mut writing = machine(run, &object, &desired.digests);
        let events = writing.settle(&next);
        let ending = Pace::without_action(&mut writing, &next);
        tell(run, events);
        if let Some(ending) = ending {
            return Ok(ending);
        }
        let Next::Run { action, reason, .. } = next else {
            return Ok(Ending::Failed(
                "it is not known what comes next, please report this".to_owned(),
            ));
        };
        if matches!(action, Action::Install | Action::Upgrade) {
            // Whatever is wrong with it is known before anything is announced.
            desired.chart(run).await?;
        }
        let mut writing = machine(run, &object, &desired.digests);
        if let Some(ending) = Pace::before(&mut writing, &performed, &action) {
            return Ok(ending);
        }
        writing.announce(&action);
        let timeout = writing.timeout_of(&action);
        tracing::info!(
            reason,
            "running '{}' action with timeout of {timeout}",
            action.name()
        );
        run.write().await?;
        let (told, record) = Box::pin(perform(run, &object, desired, &action, &comparison)).await?;
        let (events, result) = told;
        tell(run, events);
        if let Some(ending) = Pace::after(&mut machine(run, &object, &desired.digests), &action, result) {
            return Ok(ending);
        }
        performed.note(&action);
        released = record;
        let detection = object.spec.drift_detection.as_ref();
        if released.is_none() || detection.is_some_and(DriftDetection::detects) {
            run.write().await?;
        }
        // What comes after a release that is not looked at is known at once, and is written with what came of it.
    }
}

/// Looks as long as the next step depends on something that nobody has looked at; the newest record need not be read if the
/// run has just `released` it.
///
/// # Errors
/// The run acts as nobody.
pub(crate) async fn next_step(
    run: &mut Run<'_, Helm>,
    object: &HelmRelease,
    desired: &Desired,
    storage: &Storage,
    released: Option<Release>,
) -> Result<(Next, Comparison), Stop> {
    let name = shorten_release_name(&object.release_name());
    let mut comparison = Comparison::default();
    let snapshot = run.status.history.latest();
    let last = match released {
        Some(release) => observe::known(release, snapshot).map(Some),
        None => observe::last(storage, &name, snapshot).await,
    };
    let last = match last {
        Ok(last) => last,
        Err(error) => return Ok((Next::Undetermined(error.to_string()), comparison)),
    };
    let (stored, record) = last.unzip();
    if let Some(record) = &record {
        machine(run, object, &desired.digests).note_untold(&record.info.description);
    }
    let forced = handle_force(object, &mut run.status);
    let mut known = Known {
        stored,
        preserved: object
            .spec
            .upgrade
            .as_ref()
            .is_some_and(|upgrade| upgrade.preserve_values)
            && record
                .as_ref()
                .zip(run.status.history.latest())
                .is_some_and(|(record, current)| desired.is_preserved_in(record, &current.config_digest)),
        ..Known::default()
    };
    loop {
        let next = decide(&facts(run, object, desired, &known, forced));
        match (&next, &record) {
            (Next::VerifyPrevious(snapshot), _) => {
                machine(run, object, &desired.digests).settle(&next);
                known.previous = Some(observe::previous(storage, snapshot).await);
            }
            (Next::CompareWithCluster, Some(record)) => {
                let cluster = cluster(run).await?;
                let mut managers = run.context.own.managers.clone();
                if run.is_shadow() {
                    // Taking over is writing.
                    managers.overridden.clear();
                }
                comparison = drift::look(&cluster, &managers, object, record, &mut patience(run)).await;
                known.drift = Some(comparison.drift());
            }
            _ => return Ok((next, comparison)),
        }
    }
}

/// What a run has looked at so far.
#[derive(Default)]
struct Known {
    stored: Option<Stored>,
    /// Whether the wanted values are those that were recorded, as far as they say anything.
    preserved: bool,
    previous: Option<Previous>,
    drift: Option<Drift>,
}

fn facts<'f>(
    run: &'f Run<'_, Helm>,
    object: &'f HelmRelease,
    desired: &'f Desired,
    known: &Known,
    forced: bool,
) -> Facts<'f> {
    let current = run.status.history.latest();
    Facts {
        object,
        status: &run.status,
        stored: known.stored.clone(),
        chart: desired.identity(),
        same_values: known.preserved
            || current.is_some_and(|current| desired.has_values(&current.config_digest)),
        post_renderers: &desired.digests.post_renderers,
        common_metadata: &desired.digests.common_metadata,
        drift: known.drift.clone(),
        previous: known.previous.clone(),
        forced,
        retry_by_default: run.context.own.settings.retry_by_default,
    }
}
