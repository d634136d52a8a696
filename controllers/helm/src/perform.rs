//! Carries out what the state machine has decided, and has it write down what came of it.

use flux_api::{GoDuration, HelmRelease, ReleaseAction, ReleaseSnapshot, shorten_release_name};
use flux_deployer::Run;
use helm::release::Release;
use tokio::time::Instant;

use crate::action::{Actions, Install, Rollback, Test, Uninstall, Upgrade, Wanted};
use crate::desired::Desired;
use crate::drift::{Comparison, Corrected};
use crate::kind::Helm;
use crate::machine::{Action, Attempt, Told, Unlocking};
use crate::observe::remember;
use crate::scene::{actions, cluster, defaults, end, inventory, patience};
use crate::status::machine;
use crate::stop::Stop;
use crate::storage::Storage;

/// What comes of an action that could not even begin.
fn not_begun(error: impl std::fmt::Display) -> Told {
    (Vec::new(), Err(error.to_string()))
}

/// What an action has left, once it is over and the run is free again.
struct Done {
    written: Vec<Release>,
    error: Option<String>,
    log: String,
}

impl Done {
    fn of<T, E: std::fmt::Display>(actions: &Actions<'_>, result: &Result<T, E>) -> Self {
        Self {
            written: actions.written().to_vec(),
            error: result.as_ref().err().map(ToString::to_string),
            log: actions.log(),
        }
    }

    fn attempt(&self) -> Attempt<'_, Release> {
        Attempt {
            written: &self.written,
            result: self.error.as_deref().map_or(Ok(()), Err),
            log: &self.log,
        }
    }
}

/// Carries out an action on the release of a run; gives the events that tell of it, the error that the release does not
/// remember, and the newest record if the action has made it and nobody has to look whether it succeeded.
///
/// # Errors
/// The run acts as nobody.
pub(crate) async fn perform(
    run: &mut Run<'_, Helm>,
    object: &HelmRelease,
    desired: &Desired,
    action: &Action,
    comparison: &Comparison,
) -> Result<(Told, Option<Release>), Stop> {
    let told = match action {
        Action::Install => return release(run, object, desired, ReleaseAction::Install).await,
        Action::Upgrade => return release(run, object, desired, ReleaseAction::Upgrade).await,
        Action::Test => test(run, object, desired).await,
        Action::Rollback(target) => roll_back(run, object, desired, target).await,
        Action::Uninstall => uninstall(run, object, desired).await,
        Action::Unlock => unlock(run, object, desired).await,
        Action::CorrectDrift => correct(run, object, desired, comparison).await,
    };
    Ok((told?, None))
}

async fn correct(
    run: &mut Run<'_, Helm>,
    object: &HelmRelease,
    desired: &Desired,
    comparison: &Comparison,
) -> Result<Told, Stop> {
    let (cluster, timeout) = (cluster(run).await?, run.timeout());
    let Corrected { done, failures } = comparison.correct(&cluster, timeout, &mut patience(run)).await;
    let events = machine(run, object, &desired.digests).corrected(&done, &failures);
    // What could not be corrected is looked at again, and is no failure of the release.
    Ok((events, Ok(())))
}

async fn release(
    run: &mut Run<'_, Helm>,
    object: &HelmRelease,
    desired: &Desired,
    action: ReleaseAction,
) -> Result<(Told, Option<Release>), Stop> {
    let (cluster, defaults, key) = (cluster(run).await?, defaults(run), run.key.clone());
    let chart = desired.chart(run).await?;
    let own = &run.context.own;
    let wanted = Wanted {
        chart,
        values: &desired.values,
        renderer: &own.renderer,
        limits: own.settings.chart_limits,
        template_limits: own.settings.template_limits,
    };
    let started = Instant::now();
    let mut actions = actions(run, &cluster);
    let result = match action {
        ReleaseAction::Install => match Install::of(object, defaults) {
            Ok(install) => Box::pin(actions.install(&install, &wanted)).await,
            Err(error) => return Ok((not_begun(error), None)),
        },
        _ => match Upgrade::of(object, defaults) {
            Ok(upgrade) => Box::pin(actions.upgrade(&upgrade, &wanted)).await,
            Err(error) => return Ok((not_begun(error), None)),
        },
    };
    let took = GoDuration::from(started.elapsed());
    let done = Done::of(&actions, &result);
    let (inventory, mut events) = inventory(&cluster, &done.written, actions.crds(), &key).await;
    end(actions)?;
    let mut machine = machine(run, object, &desired.digests);
    let (told, result) = machine.released(
        action,
        &desired.identity(),
        &desired.config_digest,
        (took, inventory),
        &done.attempt(),
    );
    events.extend(told);
    let released = done.error.is_none().then_some(done.written);
    let newest = released.and_then(|written| written.into_iter().max_by_key(|record| record.version));
    Ok(((events, result), newest))
}

async fn test(run: &mut Run<'_, Helm>, object: &HelmRelease, desired: &Desired) -> Result<Told, Stop> {
    let cluster = cluster(run).await?;
    let mut actions = actions(run, &cluster);
    let result = match Test::of(object) {
        Ok(test) => Box::pin(actions.test(&test)).await,
        Err(error) => return Ok(not_begun(error)),
    };
    let done = Done::of(&actions, &result);
    end(actions)?;
    let tested = result.as_ref().ok().map(|release| {
        let names = (release.namespace.as_str(), release.name.as_str());
        (names.0, names.1, release.version)
    });
    Ok(machine(run, object, &desired.digests).tested(tested, &done.attempt()))
}

async fn roll_back(
    run: &mut Run<'_, Helm>,
    object: &HelmRelease,
    desired: &Desired,
    target: &ReleaseSnapshot,
) -> Result<Told, Stop> {
    let (cluster, defaults, key) = (cluster(run).await?, defaults(run), run.key.clone());
    // Those of the chart that is wanted, as stock has it, although a rollback makes no use of it.
    let crds = desired.chart(run).await?.crds();
    let mut actions = actions(run, &cluster);
    let result = match Rollback::of(object, &target.name, target.version, defaults) {
        Ok(rollback) => Box::pin(actions.rollback(&rollback)).await,
        Err(error) => return Ok(not_begun(error)),
    };
    let done = Done::of(&actions, &result);
    let (inventory, mut events) = inventory(&cluster, &done.written, &crds, &key).await;
    end(actions)?;
    let mut machine = machine(run, object, &desired.digests);
    let (told, result) = machine.rolled_back(target, &desired.config_digest, inventory, &done.attempt());
    events.extend(told);
    Ok((events, result))
}

async fn uninstall(run: &mut Run<'_, Helm>, object: &HelmRelease, desired: &Desired) -> Result<Told, Stop> {
    let (cluster, defaults) = (cluster(run).await?, defaults(run));
    if run.status.history.latest().is_none() {
        // An uninstall goes on that was begun by somebody who is gone.
        let storage = Storage::new(cluster.rest.clone(), &run.status.storage_namespace);
        match storage.last(&shorten_release_name(&object.release_name())).await {
            Ok(Some(release)) => remember(&mut run.status, &release, run.context.own.settings.digests),
            Ok(None) => {}
            Err(error) => return Ok(not_begun(error)),
        }
    }
    let current = run.status.history.latest().map(|current| current.name.clone());
    let mut actions = actions(run, &cluster);
    let result = match Uninstall::of(object, &current.unwrap_or_default(), defaults) {
        Ok(uninstall) => Box::pin(actions.uninstall(&uninstall)).await,
        Err(error) => return Ok(not_begun(error)),
    };
    let (written, log) = (actions.written().to_vec(), actions.log());
    end(actions)?;
    Ok(machine(run, object, &desired.digests).uninstalled_to_remedy(&written, result, &log))
}

async fn unlock(run: &mut Run<'_, Helm>, object: &HelmRelease, desired: &Desired) -> Result<Told, Stop> {
    let cluster = cluster(run).await?;
    let name = shorten_release_name(&object.release_name());
    let mut actions = actions(run, &cluster);
    let unlocked = Box::pin(actions.unlock(&name)).await;
    end(actions)?;
    let mut machine = machine(run, object, &desired.digests);
    match unlocked {
        Err(error) => {
            machine.summarize();
            Ok(not_begun(error))
        }
        Ok(None) => Ok(machine.unlocked::<Release>(None)),
        Ok(Some(unlocked)) => {
            let error = unlocked.result.err().map(|error| error.to_string());
            let unlocking = Unlocking {
                record: &unlocked.record,
                was: unlocked.was.as_str(),
                result: error.as_deref().map_or(Ok(()), Err),
            };
            Ok(machine.unlocked(Some(&unlocking)))
        }
    }
}
