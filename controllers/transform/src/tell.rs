//! Tells what became of a run: in the status of the transformation, in the conditions of its Artifacts, and in events.

use artifact_crd::{GROUP, TRANSFORMATION_KIND};
use artifact_producer::Owner;
use artifact_producer::publish::Said;
use controller_kit::ObjectKey;
use controller_kit::events::{EventRecord, Regarding, Severity};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::controller::{CONTROLLER, Controller};
use crate::kind::{Status, Transformation, api_version};
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
            let metadata = [("revision", &output.revision), ("digest", &output.digest)];
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
            self.tell_artifact(owner, &output.artifact_name, &said, generation)
                .await;
        }
        status == *before || self.write_status(transformation, status).await
    }

    async fn write_status(&self, transformation: &Transformation, status: Status) -> bool {
        let key = ObjectKey::of(transformation);
        let body = json!({
            "apiVersion": api_version(), "kind": TRANSFORMATION_KIND,
            "metadata": {"name": key.name, "uid": transformation.metadata.uid}, "status": status,
        });
        let api: Api<Transformation> = Api::namespaced(self.client.clone(), &key.namespace);
        let params = PatchParams::apply(CONTROLLER).force();
        match api.patch_status(&key.name, &params, &Patch::Apply(&body)).await {
            Ok(written) => {
                let version = written.resource_version().unwrap_or_default();
                self.statuses.remember(&key, version, status);
                true
            }
            Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => {
                tracing::debug!(transformation = %key, "the transformation is gone, or another one by now");
                true
            }
            Err(error) => {
                tracing::warn!(transformation = %key, %error, "cannot write the status of a transformation, retrying");
                false
            }
        }
    }

    /// Tells the people behind a transformation something.
    pub(crate) fn record(
        &self,
        transformation: &Transformation,
        severity: Severity,
        reason: &str,
        message: &str,
        metadata: &[(&str, &String)],
    ) {
        let metadata = metadata
            .iter()
            .map(|(key, value)| (format!("{GROUP}/{key}"), (*value).clone()));
        self.recorder.record(EventRecord {
            regarding: Regarding {
                api_version: api_version(),
                kind: TRANSFORMATION_KIND.to_owned(),
                namespace: transformation.namespace().unwrap_or_default(),
                name: transformation.name_any(),
                uid: transformation.uid().unwrap_or_default(),
                resource_version: transformation.resource_version().unwrap_or_default(),
            },
            severity,
            reason: reason.to_owned(),
            message: message.to_owned(),
            metadata: metadata.collect(),
        });
    }
}
