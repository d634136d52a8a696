//! One run: observe, decide, act, report.

use std::sync::Arc;
use std::time::Duration;

use artifact_consumer::resolve;
use controller_kit::events::Severity;
use controller_kit::{ObjectKey, Requeue, Run, Slot, Superseded, Triggers, WatchState};
use flux_api::{Kustomization, KustomizationStatus, reason};
use jiff::Timestamp;
use kube::ResourceExt;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::context::{CONTROLLER_LABEL, Context, Ownership};
use crate::decide::{ArtifactProblem, Dependency, Observed, Refusal, Step, decide};
use crate::fan_out::dependency_key;
use crate::report::{Outcome, Pace, Wait, conclude, duration_of, event_about};
use crate::status::{Held, StatusError};
use crate::takeover::Aim;
use crate::{deploy, finalize, interlock, log, status};

/// A run in progress: the object as it was when the run began, and the status that the run builds up.
pub(crate) struct Reconciliation<'a> {
    pub(crate) context: &'a Context,
    pub(crate) key: ObjectKey,
    pub(crate) object: Arc<Kustomization>,
    /// The status that the API server has.
    pub(crate) written: KustomizationStatus,
    /// The status that the run arrives at.
    pub(crate) status: KustomizationStatus,
    pub(crate) triggers: Triggers,
    pub(crate) slot: &'a mut Slot,
    pub(crate) superseded: &'a Superseded,
    pub(crate) started: Instant,
    /// Revision and origin revision that events are about.
    pub(crate) revision: Option<(String, String)>,
    /// What the run tries to apply, once that is known.
    pub(crate) aim: Option<Aim>,
    /// How far the run got, in stock's words; empty before there is an artifact.
    pub(crate) stage: String,
}

/// Reconciles one Kustomization; whatever is logged meanwhile names it.
pub(crate) async fn reconcile(context: Arc<Context>, run: Run<ObjectKey>) -> Requeue {
    let span = log::span(&run.key);
    reconcile_one(context, run).instrument(span).await
}

async fn reconcile_one(context: Arc<Context>, run: Run<ObjectKey>) -> Requeue {
    let Run {
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
        return interlock::stand_back(&context, &object, rival.as_ref().filter(|_| ours)).await;
    }
    let status = match vanished {
        Some(vanished) => vanished.status.clone(),
        None => context.written.latest(&key, &object),
    };
    let mut run = Reconciliation {
        context: &context,
        key,
        written: status.clone(),
        status,
        object,
        triggers,
        slot: &mut slot,
        superseded: &superseded,
        started: Instant::now(),
        revision: None,
        aim: None,
        stage: String::new(),
    };
    let observed = observe(&context, &run.object);
    let step = decide(&observed);
    drop(observed);
    let outcome = act(&mut run, step).await;
    report(run, &outcome).await
}

pub(crate) fn observe<'a>(context: &Context, object: &'a Kustomization) -> Observed<'a> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let dependency = |reference: &flux_api::DependencyReference| {
        let key = dependency_key(namespace, reference);
        let dependency = context.objects.get(&key);
        let same_source = dependency.as_ref().is_some_and(|dependency| {
            let resolved = |object: &Kustomization| context.source_key(object).ok();
            let source = resolved(object);
            source.is_some() && source == resolved(dependency)
        });
        Dependency {
            key,
            object: dependency,
            same_source,
        }
    };
    Observed {
        object,
        artifact: find_artifact(context, object),
        dependencies: object.spec.depends_on.iter().map(dependency).collect(),
    }
}

pub(crate) fn find_artifact(
    context: &Context,
    object: &Kustomization,
) -> Result<Arc<artifact_crd::Artifact>, ArtifactProblem> {
    let key = context.source_key(object).map_err(ArtifactProblem::Reference)?;
    let found = context.artifacts.read().find(&key).cloned();
    found.map_err(|error| match context.artifact_watch.state() {
        WatchState::Unavailable(reason) => ArtifactProblem::NotServed(reason),
        WatchState::Starting | WatchState::Synced => ArtifactProblem::Lookup(error),
    })
}

async fn act(run: &mut Reconciliation<'_>, step: Step) -> Outcome {
    run.context.awaiting.lock().remove(&run.key);
    match step {
        Step::Finalize => finalize::finalize(run).await,
        Step::LetGo => Outcome::Gone,
        Step::Rest => {
            tracing::info!("Reconciliation is suspended for this object");
            Outcome::Suspended
        }
        Step::Refuse(refusal) => {
            let reason = match refusal {
                Refusal::Reference(_) => reason::ACCESS_DENIED,
                Refusal::Unsupported { .. } | Refusal::Whereabouts { .. } => reason::FEATURE_GATE_DISABLED,
                Refusal::Duration { .. } => reason::RECONCILIATION_FAILED,
            };
            Outcome::Refused {
                reason,
                message: refusal.to_string(),
            }
        }
        Step::AwaitArtifact(problem) => Outcome::Waiting(Wait::Artifact(match problem {
            ArtifactProblem::Lookup(error) => error.to_string(),
            ArtifactProblem::Reference(error) => error.to_string(),
            ArtifactProblem::NotServed(reason) => {
                format!("Artifacts cannot be read, is their CustomResourceDefinition installed? {reason}")
            }
        })),
        Step::AwaitDependency(reason) => {
            let context = run.context;
            context.awaiting.lock().insert(run.key.clone());
            // From here on a change wakes us; one that came since we looked has woken nobody.
            if decide(&observe(context, &run.object)) != Step::AwaitDependency(reason.clone()) {
                context.queue.add(run.key.clone(), Triggers::DEPENDENCY);
            }
            Outcome::Waiting(Wait::Dependency(reason))
        }
        Step::Deploy(artifact) => match hold(run).await {
            Ok(Held::Yes(_)) => {
                if !run.object.spec.depends_on.is_empty() {
                    tracing::info!("All dependencies are ready, proceeding with reconciliation");
                }
                deploy::deploy(run, &artifact).await
            }
            // The watch is about to say so.
            Ok(Held::Gone) => Outcome::Gone,
            Err(error) => Outcome::Aborted(format!("cannot set the finalizer: {error}")),
        },
    }
}

/// Makes sure that the object cannot vanish before what it applied has been dealt with.
async fn hold(run: &mut Reconciliation<'_>) -> Result<Held, controller_kit::RestError> {
    let finalizers = run.object.metadata.finalizers.as_deref().unwrap_or_default();
    if finalizers
        .iter()
        .any(|finalizer| finalizer == flux_api::FINALIZER)
    {
        return Ok(Held::Yes(None));
    }
    run.context.vanished.hold(&run.object);
    let held = status::set_finalizer(&run.context.rest, &run.object).await?;
    if let Held::Yes(Some(version)) = &held {
        run.context.note_version(&run.key, version.clone(), &run.written);
    }
    Ok(held)
}

async fn report(mut run: Reconciliation<'_>, outcome: &Outcome) -> Requeue {
    let took = run.started.elapsed();
    let pace = pace(&run);
    let mut report = conclude(
        outcome,
        &run.object,
        &mut run.status,
        &run.stage,
        &pace,
        took,
        Timestamp::now(),
    );
    let context = run.context;
    let subject = &run.key;
    let ownership = context.ownership(&run.key, &run.object);
    match outcome {
        Outcome::Gone => {}
        _ if ownership == Ownership::Gone => {}
        Outcome::Aborted(error) => tracing::error!(error = %error, "Reconciler error"),
        _ if ownership != Ownership::Ours => leave(&run, &ownership).await,
        _ => {
            let written = context.write_status(&run.object, &run.written, &run.status).await;
            if let Err(error) = written
                && !matches!(error, StatusError::Gone)
            {
                tracing::warn!(%error, "cannot write the status");
                report.requeue = Requeue::Backoff;
                report.result = "error";
            }
        }
    }
    if let Some((severity, reason, message)) = report.event {
        log::ended(&run, severity, &message);
        let revision = run
            .revision
            .as_ref()
            .map(|(revision, origin)| (revision.as_str(), origin.as_str()));
        let finished = matches!(outcome, Outcome::Succeeded);
        context.recorder.record(event_about(
            &run.object,
            severity,
            reason,
            message,
            revision,
            finished,
        ));
    }
    context.metrics.reconciled(CONTROLLER_LABEL, report.result, took);
    if !matches!(report.requeue, Requeue::Backoff | Requeue::BackoffWithin(_))
        && !matches!(outcome, Outcome::Superseded)
        && let Some(aim) = run.aim.take()
    {
        context.progress.ended(&run.key, aim);
    }
    if ownership == Ownership::Ours && !matches!(outcome, Outcome::Gone) {
        context
            .metrics
            .object_reconciled("Kustomization", &subject.namespace, &subject.name, took);
    } else {
        // The watch has said so before the run was over.
        context.forget(&run.key);
    }
    if context.vanished.is(&run.key, &run.object) && has_settled(outcome) {
        context.vanished.forget(&run.key);
        if context.objects.get(&run.key).is_some() {
            // Another object of its name has waited for this.
            context.queue.add(run.key.clone(), Triggers::STARTUP);
        }
    }
    context.progress.notify();
    report.requeue
}

/// Tells whether nothing is left to do after a run.
fn has_settled(outcome: &Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::Failed(_) | Outcome::Superseded | Outcome::Aborted(_)
    )
}

/// Hands over to whoever the object belongs to now what the run has recorded, unless they have begun to write.
///
/// What is lost then is in their own record: they apply the same artifact.
async fn leave(run: &Reconciliation<'_>, ownership: &Ownership) {
    let Ownership::SomebodyElse(version) = ownership else {
        return;
    };
    let base = status::Base {
        version: version.clone(),
        conditions: run.written.conditions.clone(),
    };
    let left = status::write(&run.context.rest, &run.object, &base, &run.written, &run.status).await;
    if let Err(error) = left {
        tracing::info!(namespace = %run.key.namespace, name = %run.key.name, %error, "the object moved to another controller during a run");
    }
}

fn pace(run: &Reconciliation<'_>) -> Pace {
    let settings = &run.context.settings;
    let interval = duration_of(&run.object.spec.interval).to_std();
    let retry = run
        .object
        .retry_interval()
        .map_or(interval, flux_api::GoDuration::to_std);
    Pace {
        interval: jitter(interval, settings.interval_jitter),
        retry,
        dependency: settings.requeue_dependency,
    }
}

/// Spreads `interval` evenly over plus and minus `percent`.
fn jitter(interval: Duration, percent: u8) -> Duration {
    let share = f64::from(percent.min(100)) / 100.0;
    interval.mul_f64(1.0 + share * (fastrand::f64() * 2.0 - 1.0))
}

impl Context {
    /// Tells whether our selector matches an object.
    pub(crate) fn is_ours(&self, object: &Kustomization) -> bool {
        use kube::core::SelectorExt;
        self.settings.selector.matches(object.labels())
    }

    /// Gives the key of the source that an object consumes.
    pub(crate) fn source_key(
        &self,
        object: &Kustomization,
    ) -> Result<artifact_consumer::SourceKey, artifact_consumer::ReferenceError> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        resolve(
            &object.spec.source_ref,
            namespace,
            object.metadata.annotations.as_ref(),
            &self.settings.access,
        )
    }
}

impl Reconciliation<'_> {
    /// Begins a stage of the run; `doing` is what stock's condition says about it.
    pub(crate) fn enter(&mut self, doing: &str) {
        let revision = self
            .revision
            .as_ref()
            .map_or("", |(revision, _)| revision.as_str());
        let timeout = flux_api::GoDuration::from(self.timeout());
        self.stage = format!("{doing} for revision {revision} with a timeout of {timeout}");
    }

    /// Tells whether this run deploys the revision of `artifact`.
    pub(crate) fn is_about(&self, artifact: &artifact_crd::Artifact) -> bool {
        let revision = self.revision.as_ref().map(|(revision, _)| revision);
        revision == Some(&artifact.spec.revision)
    }

    /// Writes the status that has been reached so far; the run goes on.
    pub(crate) async fn write_progress(&mut self, message: &str) -> Result<(), StatusError> {
        crate::report::progress(&self.object, &mut self.status, message, Timestamp::now());
        self.write().await
    }

    /// Writes the status while a step that failed is tried again.
    pub(crate) async fn write_retry(&mut self, error: &str) -> Result<(), StatusError> {
        let (object, status) = (&self.object, &mut self.status);
        crate::report::retrying(object, status, &self.stage, error, Timestamp::now());
        self.write().await
    }

    async fn write(&mut self) -> Result<(), StatusError> {
        self.context
            .write_status(&self.object, &self.written, &self.status)
            .await?;
        self.written = self.status.clone();
        Ok(())
    }

    /// Records an event of this run, ahead of its end.
    pub(crate) fn record(&self, severity: Severity, reason: &str, message: String) {
        let revision = self
            .revision
            .as_ref()
            .map(|(revision, origin)| (revision.as_str(), origin.as_str()));
        self.context.recorder.record(event_about(
            &self.object,
            severity,
            reason,
            message,
            revision,
            false,
        ));
    }

    /// Gives the longest wait for readiness (`spec.timeout`).
    pub(crate) fn timeout(&self) -> Duration {
        self.object
            .timeout()
            .map_or(Duration::from_secs(30), flux_api::GoDuration::to_std)
    }
}
