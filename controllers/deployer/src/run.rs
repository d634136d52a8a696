//! A run in progress: what it is about, how far it got, and the words that its stages have for that.

use std::sync::Arc;
use std::time::Duration;

use artifact_crd::Artifact;
use controller_kit::events::Severity;
use controller_kit::object::ObjectId;
use controller_kit::{Cluster, ObjectKey, Slot, Superseded, Triggers};
use flux_api::{ConditionStatus, Deployed, GoDuration, HEALTHY, reason};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::conditions::Conditions;
use crate::context::Context;
use crate::events::{About, event_about};
use crate::kind::{Kind, StatusOf};
use crate::kube_config::ClusterError;
use crate::outcome::Halt;
use crate::progress::Aim;
use crate::status::StatusError;

/// A run in progress: the object as it was when the run began, and the status that the run arrives at.
pub struct Run<'a, K: Kind> {
    /// What all runs share.
    pub context: &'a Context<K>,
    /// Namespace and name of the object.
    pub key: ObjectKey,
    /// The object as it was when the run began.
    pub object: Arc<K::Object>,
    /// What asked for the run.
    pub triggers: Triggers,
    /// The worker slot.
    pub slot: &'a mut Slot,
    /// Tells of newer events.
    pub superseded: &'a Superseded,
    /// When the run began.
    pub started: Instant,
    /// The status that the run arrives at.
    pub status: StatusOf<K>,
    /// The status that the API server has.
    pub(crate) written: StatusOf<K>,
    /// Where the run acts, and as whom, once that was found out.
    pub(crate) cluster: Option<Result<Cluster, Arc<ClusterError>>>,
    /// The artifact that the run deploys, once that is decided.
    pub(crate) artifact: Option<Arc<Artifact>>,
    /// What events are about.
    pub(crate) about: Option<About>,
    /// What the run tries to apply, once that is known.
    pub(crate) aim: Option<Aim>,
    /// How far the run got, in stock's words; empty before there is an artifact.
    pub(crate) stage: String,
    /// Whether the run writes no status and records no event: it only finds out what a run would do.
    pub(crate) is_quiet: bool,
}

impl<K: Kind> Run<'_, K> {
    /// Says what the run is about.
    pub fn is_about(&mut self, about: About) {
        self.about = Some(about);
    }

    /// Says which artifact the run tries to apply.
    pub fn aims_at(&mut self, artifact: &Artifact) {
        self.aim = Some(Aim::new(self.object.as_ref(), artifact));
    }

    /// Says that everything that the artifact asks for has been applied; others may wait for that.
    pub fn has_applied<'i>(&self, desired: impl Iterator<Item = &'i ObjectId>) {
        if let Some(aim) = &self.aim {
            let (progress, place) = (&self.context.progress, self.place());
            progress.applied(&self.key, aim.clone(), place, desired);
        }
    }

    /// Gives what the run is about, as far as that is known.
    pub fn about(&self) -> About {
        self.about.clone().unwrap_or_default()
    }

    /// Begins a stage of the run; `doing` is what stock's condition says about it.
    pub fn enter(&mut self, doing: &str) {
        let revision = self.about.as_ref().map_or("", |about| about.revision.as_str());
        let timeout = GoDuration::from(self.timeout());
        self.stage = format!("{doing} for revision {revision} with a timeout of {timeout}");
    }

    /// Tells whether the run is a shadow of one, which changes nothing.
    pub fn is_shadow(&self) -> bool {
        self.is_quiet
    }

    /// Gives the longest wait for readiness (`spec.timeout`).
    pub fn timeout(&self) -> Duration {
        self.object.timeout().to_std()
    }

    /// Tells whether the run was asked for by one of `triggers`.
    pub fn was_asked_by(&self, triggers: Triggers) -> bool {
        self.triggers.intersects(triggers)
    }

    /// Waits outside the worker slot, until a newer event ends the wait.
    ///
    /// # Errors
    /// A newer event came first.
    pub async fn unless_superseded<F: Future>(&mut self, waiting: F) -> Result<F::Output, Halt> {
        let superseded = self.superseded;
        let either = async {
            tokio::select! {
                output = waiting => Ok(output),
                () = superseded.wait() => Err(Halt::Superseded),
            }
        };
        self.slot.park(either).await
    }

    /// Records an event of this run, ahead of its end.
    pub fn record(&self, severity: Severity, reason: &str, message: String) {
        self.tell(severity, reason, message, self.about.as_ref());
    }

    /// Records an event of this run about something else than the run as a whole, or about nothing in particular.
    pub fn tell(&self, severity: Severity, reason: &str, message: String, about: Option<&About>) {
        if self.is_quiet {
            return;
        }
        let event = event_about(self.object.as_ref(), severity, reason, message, about, false);
        self.context.recorder.record(event);
    }

    /// Writes the status that has been reached so far; the run goes on in its stage.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn write_stage(&mut self) -> Result<(), StatusError> {
        let message = self.stage.clone();
        self.write_progress(&message).await
    }

    /// Writes the status that has been reached so far; the run goes on, as `message` says.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn write_progress(&mut self, message: &str) -> Result<(), StatusError> {
        self.conditions()
            .in_progress("Reconciliation in progress", message);
        self.write().await
    }

    /// Writes the status while a step that failed is tried again; `Ready` names the error.
    pub(crate) async fn write_retry(&mut self, error: &str) -> Result<(), StatusError> {
        let message = match self.stage.as_str() {
            "" => format!("Retrying: {error}"),
            stage => format!("{stage}, retrying: {error}"),
        };
        self.conditions()
            .in_progress(&format!("Retrying: {error}"), &message);
        self.write().await
    }

    /// Writes the status while objects become ready.
    pub(crate) async fn write_wait(&mut self) -> Result<(), StatusError> {
        let message = self.stage.clone();
        if K::NAMES.conditions.contains(&HEALTHY) {
            self.conditions()
                .healthy(ConditionStatus::Unknown, reason::PROGRESSING, &message);
        }
        self.write_progress(&message).await
    }

    /// Gives access to the conditions that the run arrives at.
    pub fn conditions(&mut self) -> Conditions<'_> {
        Conditions::of(self.object.as_ref(), &mut self.status, Timestamp::now())
    }

    /// Writes the status that has been reached so far, in whatever words it is.
    ///
    /// # Errors
    /// It could not be written.
    pub async fn write(&mut self) -> Result<(), StatusError> {
        if !self.is_quiet {
            self.context
                .write_status(&self.object, &self.written, &self.status)
                .await?;
        }
        self.written = self.status.clone();
        Ok(())
    }
}
