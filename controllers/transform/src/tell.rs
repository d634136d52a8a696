//! Tells what became of a run: in the status of the transformation, in the conditions of its Artifacts, and in events.

use artifact_producer::Owner;
use artifact_producer::publish::Said;
use controller_kit::events::Severity;
use controller_kit::{ObjectKey, author};
use k8s_openapi::jiff::Timestamp;

use crate::controller::Controller;
use crate::decide::ours;
use crate::kind::{CONTROLLER, Status, Transformation};
use crate::report::{self, Outcome};

/// How many changed artifacts have an event of their own.
const EVENTS: usize = 20;

impl Controller {
    /// Tells what became of a run; false if the status could not be written.
    pub(crate) async fn tell(
        &self,
        transformation: &Transformation,
        owner: &Owner,
        before: &Status,
        handled: Option<String>,
        outcome: &Outcome,
    ) -> bool {
        let generation = transformation.metadata.generation;
        let status = report::status(before, generation, handled, outcome, Timestamp::now());
        for name in outcome.changed.iter().take(EVENTS) {
            let output = status.outputs.iter().find(|output| output.artifact_name == *name);
            let Some(output) = output else { continue };
            let message = format!("stored artifact {name} with revision '{}'", output.revision);
            let metadata = [("revision", output.revision.as_str()), ("digest", &output.digest)];
            self.record(transformation, Severity::Info, "NewArtifact", &message, &metadata);
        }
        if outcome.changed.len() > EVENTS {
            let message = format!("stored {} more artifacts", outcome.changed.len() - EVENTS);
            self.record(transformation, Severity::Info, "NewArtifact", &message, &[]);
        }
        if let Some((severity, reason, message)) = report::event(before, outcome) {
            self.record(transformation, severity, &reason, &message, &[]);
        }
        if let Some(failure) = outcome.told() {
            tracing::warn!(transformation = %ObjectKey::of(transformation), reason = failure.reason, error = failure.message, "the transformation failed");
        }
        let whole = outcome.failure.as_ref();
        for output in &status.outputs {
            let said = match (whole, &output.failure) {
                (Some(failure), _) => Said::new(false, failure.reason, failure.message.clone()),
                (None, Some(failure)) => Said::new(false, "BuildFailed", failure.clone()),
                (None, None) => Said::new(true, "Ready", "the source is up to date"),
            };
            let artifact = self.artifact(&owner.namespace, &output.artifact_name);
            let artifact = artifact.filter(|artifact| ours(owner, artifact).is_some());
            let Some(artifact) = artifact else { continue };
            let ready = self.said_of(owner, &artifact).await;
            self.tell_artifact(owner, &artifact, &ready, &said, generation)
                .await;
        }
        status == *before
            || author::write_status(&self.client, CONTROLLER, transformation, status, &self.statuses).await
    }

    /// Tells the people behind a transformation something.
    pub(crate) fn record(
        &self,
        transformation: &Transformation,
        severity: Severity,
        reason: &str,
        message: &str,
        metadata: &[(&str, &str)],
    ) {
        author::record(
            &self.recorder,
            transformation,
            severity,
            reason,
            message,
            metadata,
        );
    }
}
