//! One run: observe, decide, act, report.

use std::sync::Arc;
use std::time::Duration;

use artifact_crd::Artifact;
use controller_kit::{ObjectKey, Requeue, RestError, Triggers};
use flux_api::{Deployed, reason};
use flux_proof::{Finding, Proof};
use futures::FutureExt as _;
use jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::context::{Context, Ownership};
use crate::events::event_about;
use crate::finalizer::{self, Held};
use crate::kind::{Kind, kind_name};
use crate::outcome::{Conclusion, Halt, Next, Outcome, Wait};
use crate::report::{Pace, conclude};
use crate::run::Run;
use crate::status::{self, Base, StatusError};
use crate::step::{ArtifactProblem, Step, dependencies, is_held};
use crate::{hand_over, interlock, log};

/// What only one deployer does: its stages.
pub trait Deployer: Kind {
    /// Brings an artifact into the cluster.
    fn deploy(run: &mut Run<'_, Self>, artifact: &Artifact) -> impl Future<Output = Outcome> + Send;

    /// Deals with what was applied, before an object that is being deleted is let go.
    fn clean_up(run: &mut Run<'_, Self>) -> impl Future<Output = Result<(), Outcome>> + Send;

    /// Tells whether something has to be made before there can be an artifact.
    fn has_to_prepare(_run: &Run<'_, Self>) -> bool {
        false
    }

    /// Makes it; the object cannot vanish by then. The next step is decided anew after that.
    fn prepare(_run: &mut Run<'_, Self>) -> impl Future<Output = Result<(), Outcome>> + Send {
        std::future::ready(Ok(()))
    }

    /// Finds out what a run would change, and whether it would be what another controller has left. Nothing is written: what is
    /// written through the run is left undone.
    fn shadow(_run: &mut Run<'_, Self>, _artifact: &Artifact) -> impl Future<Output = Shadowed> + Send {
        std::future::ready(Shadowed::from(Finding::new(
            "M120",
            "this deployer does not say what a run would change",
        )))
    }

    /// Says why there is no artifact, in words of the deployer.
    fn missing(_run: &mut Run<'_, Self>, problem: ArtifactProblem) -> impl Future<Output = String> + Send {
        std::future::ready(missing(problem))
    }

    /// Says in words of the deployer how a run ended, where they differ from those that all deployers have.
    fn conclude(_run: &mut Run<'_, Self>, outcome: Outcome) -> Outcome {
        outcome
    }
}

/// What a deployer found out about what a run would change.
#[derive(Clone, Debug, Default)]
pub struct Shadowed {
    /// What was compared; nothing if it did not come to that.
    pub proof: Option<Proof>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Everything that would change.
    pub differences: Vec<Finding>,
}

impl From<Finding> for Shadowed {
    fn from(finding: Finding) -> Self {
        Self {
            proof: None,
            findings: vec![finding],
            differences: Vec::new(),
        }
    }
}

/// Reconciles one object; whatever is logged meanwhile names it.
pub(crate) async fn reconcile<D: Deployer>(
    context: Arc<Context<D>>,
    run: controller_kit::Run<ObjectKey>,
) -> Requeue {
    let span = log::span::<D>(&run.key);
    reconcile_one(&context, run).instrument(span).await
}

async fn reconcile_one<D: Deployer>(context: &Context<D>, run: controller_kit::Run<ObjectKey>) -> Requeue {
    let controller_kit::Run {
        key,
        triggers,
        mut slot,
        superseded,
    } = run;
    let vanished = context.vanished.get(&key);
    let Some(object) = vanished.clone().or_else(|| context.objects.get(&key)) else {
        context.forget(&key);
        return Requeue::Never;
    };
    let ours = context.is_ours(&object);
    let rival = context.interlock.rival(&key.namespace, object.labels());
    if !ours || rival.is_some() {
        context.forget(&key);
        context.vanished.forget(&key);
        return interlock::stand_back(context, &object, rival.as_ref().filter(|_| ours)).await;
    }
    if let Some(pause) = hand_over::await_former(context, &key, &object) {
        return Requeue::After(pause);
    }
    let status = match vanished {
        Some(vanished) => vanished.status().clone(),
        None => context.latest_status(&key, &object),
    };
    let mut run = Run {
        context,
        status: context.reached(&key, &status),
        key,
        written: status,
        object,
        triggers,
        slot: &mut slot,
        superseded: &superseded,
        started: Instant::now(),
        cluster: None,
        artifact: None,
        about: None,
        aim: None,
        stage: String::new(),
        is_quiet: false,
    };
    look_elsewhere(&mut run).await;
    let outcome = match next_step(&mut run).await {
        Ok(step) => act(&mut run, step).await,
        Err(outcome) => outcome,
    };
    let outcome = D::conclude(&mut run, outcome);
    report(run, &outcome).await
}

/// Decides what to do, after what has to be there before.
async fn next_step<D: Deployer>(run: &mut Run<'_, D>) -> Result<Step, Outcome> {
    let (context, object) = (run.context, Arc::clone(&run.object));
    let decide = || D::decide(&context.observe(&object));
    let step = decide();
    let goes_on = matches!(
        step,
        Step::AwaitArtifact(_) | Step::AwaitDependency(_) | Step::RefuseDependency(_) | Step::Deploy(_)
    );
    if !goes_on || !D::has_to_prepare(run) {
        return Ok(step);
    }
    hold_or_end(run).await?;
    // A future of its own, as most runs never make one.
    D::prepare(run).boxed().await?;
    Ok(decide())
}

/// Reads the dependencies that no watch tells about; outside the worker slot.
pub(crate) async fn look_elsewhere<K: Kind>(run: &mut Run<'_, K>) {
    let context = run.context;
    let mut elsewhere = dependencies(run.object.as_ref());
    elsewhere.retain(|key| !context.is_watched(key));
    if !elsewhere.is_empty() {
        let looking = context.elsewhere.look(&context.rest, &run.key, elsewhere);
        let what = "dependencies in namespaces that are not watched";
        run.slot.on(what).park(looking).await;
    }
}

async fn act<D: Deployer>(run: &mut Run<'_, D>, step: Step) -> Outcome {
    run.context.awaiting.lock().remove(&run.key);
    let is_refused_at_rest = step == Step::Rest && !D::holds_at_rest(&run.object);
    if is_held_without_deploying(&step)
        && !is_refused_at_rest
        && let Err(outcome) = hold_or_end(run).await
    {
        return outcome;
    }
    match step {
        Step::Finalize => finalize(run).await,
        Step::LetGo => Outcome::Gone,
        Step::Rest => {
            tracing::info!("Reconciliation is suspended for this object");
            Outcome::Suspended
        }
        Step::Refuse(refusal) | Step::RefuseDependency(refusal) => Outcome::Refused(refusal),
        Step::AwaitArtifact(problem) => Outcome::Waiting(Wait::Artifact(D::missing(run, problem).await)),
        Step::AwaitDependency(reason) => {
            let context = run.context;
            context.awaiting.lock().insert(run.key.clone());
            // From here on a change wakes us; one that came since we looked has woken nobody.
            if D::decide(&context.observe(&run.object)) != Step::AwaitDependency(reason.clone()) {
                context.queue.add(run.key.clone(), Triggers::DEPENDENCY);
            }
            Outcome::Waiting(Wait::Dependency {
                message: reason,
                told: None,
            })
        }
        Step::Deploy(artifact) => {
            if let Err(outcome) = hold_or_end(run).await {
                return outcome;
            }
            if !run.object.depends_on().is_empty() {
                tracing::info!("All dependencies are ready, proceeding with reconciliation");
            }
            run.artifact = Some(Arc::clone(&artifact));
            // Boxed, as is the end of an object: what a deployer makes of it is no part of the future of a run.
            D::deploy(run, &artifact).boxed().await
        }
    }
}

/// Tells whether an object gets the finalizer although nothing is made from it, as in stock. One that is not understood gets
/// none: nobody could take it away again.
fn is_held_without_deploying(step: &Step) -> bool {
    match step {
        Step::Rest | Step::AwaitArtifact(_) | Step::AwaitDependency(_) => true,
        Step::Refuse(refusal) | Step::RefuseDependency(refusal) => {
            let reasons = [reason::ACCESS_DENIED, reason::INVALID_CEL_EXPRESSION];
            reasons.contains(&refusal.reason)
        }
        Step::Finalize | Step::LetGo | Step::Deploy(_) => false,
    }
}

/// Says why there is no artifact.
pub fn missing(problem: ArtifactProblem) -> String {
    match problem {
        ArtifactProblem::Lookup(error) => error.to_string(),
        ArtifactProblem::Reference(error) => error.to_string(),
        ArtifactProblem::NotServed(reason) => {
            format!("Artifacts cannot be read, is their CustomResourceDefinition installed? {reason}")
        }
    }
}

/// Makes sure that the object cannot vanish, or ends the run.
async fn hold_or_end<K: Kind>(run: &mut Run<'_, K>) -> Result<(), Outcome> {
    match hold(run).await {
        Ok(Held::Yes(_)) => Ok(()),
        // The watch is about to say so.
        Ok(Held::Gone) => Err(Outcome::Gone),
        Err(error) => Err(aborted("cannot set the finalizer", &error)),
    }
}

/// Makes sure that the object cannot vanish before what it applied has been dealt with.
async fn hold<K: Kind>(run: &mut Run<'_, K>) -> Result<Held, RestError> {
    if is_held(run.object.as_ref()) {
        return Ok(Held::Yes(None));
    }
    run.context.vanished.hold(&run.object);
    let held = finalizer::set::<K>(&run.context.rest, &run.object).await?;
    if let Held::Yes(Some(version)) = &held {
        run.context.note_version(&run.key, version.clone(), &run.written);
    }
    Ok(held)
}

/// Deals with what was applied, and removes the finalizer.
async fn finalize<D: Deployer>(run: &mut Run<'_, D>) -> Outcome {
    if let Err(outcome) = D::clean_up(run).boxed().await {
        return outcome;
    }
    if run.context.vanished.is(&run.key, &run.object) {
        return Outcome::Gone;
    }
    match finalizer::remove::<D>(&run.context.rest, &run.object).await {
        Ok(()) => {
            run.context.forget(&run.key);
            Outcome::Gone
        }
        Err(error) => aborted("cannot remove the finalizer", &error),
    }
}

fn aborted(what: &str, error: &RestError) -> Outcome {
    Outcome::Halted(Halt::Aborted(format!("{what}: {error}")))
}

/// Writes down how a run ended, tells everybody, and says when the next one is due.
async fn report<K: Kind>(mut run: Run<'_, K>, outcome: &Outcome) -> Requeue {
    let took = run.started.elapsed();
    let (context, settings) = (run.context, &run.context.settings);
    let pace = Pace::of(
        run.object.as_ref(),
        settings.interval_jitter,
        settings.requeue_dependency,
    );
    let reached = run.status.clone();
    let (object, status) = (run.object.as_ref(), &mut run.status);
    let mut report = conclude(outcome, object, status, &run.stage, &pace, took, Timestamp::now());
    let ownership = context.ownership(&run.key, &run.object);
    match outcome {
        Outcome::Gone => {}
        _ if ownership == Ownership::Gone => {}
        Outcome::Halted(Halt::HandedOver) => {
            hand_over::take_back(&mut run);
            leave(&run, &ownership).await;
        }
        Outcome::Halted(Halt::Aborted(error)) if ownership != Ownership::Ours => {
            tracing::error!(error = %error, "Reconciler error");
        }
        _ if ownership != Ownership::Ours => leave(&run, &ownership).await,
        _ => {
            if let Outcome::Halted(Halt::Aborted(error)) = outcome {
                tracing::error!(error = %error, "Reconciler error");
                // Once more, as it was when the run ended: the next one would not know what this one has done.
                run.status = reached;
            }
            let written = context.write_status(&run.object, &run.written, &run.status).await;
            if let Err(error) = written
                && !matches!(error, StatusError::Gone)
            {
                tracing::warn!(%error, "cannot write the status");
                if matches!(error, StatusError::Api(_)) {
                    context.keep_unwritten(&run.key, run.written.clone(), run.status.clone());
                }
                report.requeue = Requeue::Backoff;
                report.result = "error";
            }
        }
    }
    if let Some((severity, reason, message)) = report.event {
        log::ended(&run, severity, &message);
        let about = run.about.as_ref();
        let finished = matches!(outcome, Outcome::Succeeded(_));
        let event = event_about(run.object.as_ref(), severity, reason, message, about, finished);
        context.recorder.record(event);
    }
    settle(&mut run, outcome, &ownership, report.requeue, report.result, took);
    report.requeue
}

/// Counts a run, and tells those who wait for its object.
fn settle<K: Kind>(
    run: &mut Run<'_, K>,
    outcome: &Outcome,
    ownership: &Ownership,
    requeue: Requeue,
    result: &str,
    took: Duration,
) {
    let (context, key) = (run.context, &run.key);
    context.metrics.reconciled(K::NAMES.label, result, took);
    if !matches!(requeue, Requeue::Backoff | Requeue::BackoffWithin(_))
        && !matches!(outcome, Outcome::Halted(Halt::Superseded | Halt::HandedOver))
        && let Some(aim) = run.aim.take()
    {
        context.progress.ended(key, aim);
    }
    if *ownership == Ownership::Ours && !matches!(outcome, Outcome::Gone) {
        let kind = kind_name::<K::Object>();
        context
            .metrics
            .object_reconciled(&kind, &key.namespace, &key.name, took);
    } else {
        // The watch has said so before the run was over.
        context.forget(key);
    }
    if context.vanished.is(key, &run.object) && has_settled(outcome) {
        context.vanished.forget(key);
        if context.objects.get(key).is_some() {
            // Another object of its name has waited for this.
            context.queue.add(key.clone(), Triggers::STARTUP);
        }
    }
    context.progress.notify();
}

/// Tells whether nothing is left to do after a run.
fn has_settled(outcome: &Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::Failed(_)
            | Outcome::Halted(Halt::Superseded | Halt::HandedOver | Halt::Aborted(_))
            | Outcome::Concluded(Conclusion {
                next: Next::Backoff,
                ..
            })
    )
}

/// Hands over to whoever the object belongs to now what the run has recorded, unless they have begun to write.
///
/// What is lost then is in their own record: they apply the same artifact.
async fn leave<K: Kind>(run: &Run<'_, K>, ownership: &Ownership) {
    use flux_api::DeployedStatus;
    let Ownership::SomebodyElse(version) = ownership else {
        return;
    };
    let base = Base {
        version: version.clone(),
        conditions: run.written.conditions().clone(),
    };
    let rest = &run.context.rest;
    let left = status::write::<K>(rest, &run.object, &base, &run.written, &run.status).await;
    if let Err(error) = left {
        tracing::info!(namespace = %run.key.namespace, name = %run.key.name, %error, "the object moved to another controller during a run");
    }
}
