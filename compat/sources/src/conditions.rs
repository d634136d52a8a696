//! The conditions of a mirrored Artifact.

use artifact_crd::{Artifact, ArtifactStatus, READY, SOURCE_READY, reason};
use flux_api::{ConditionStatus, ConditionsExt};
use k8s_openapi::jiff::Timestamp;

use crate::SourceState;

/// Returns the status to write, or `None` when the one that is there says it all.
pub(crate) fn status(
    artifact: &Artifact,
    ready: &(&'static str, String),
    state: &SourceState,
    now: Timestamp,
) -> Option<ArtifactStatus> {
    let mut status = artifact.status.clone();
    let generation = artifact.metadata.generation;
    status.observed_generation = generation;
    let is_ready = if ready.0 == reason::MIRRORED {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    status
        .conditions
        .set_condition(READY, is_ready, ready.0, ready.1.as_str(), generation, now);
    match state {
        SourceState::Ready => {
            let message = "the source is up to date";
            status.conditions.set_condition(
                SOURCE_READY,
                ConditionStatus::True,
                "Ready",
                message,
                generation,
                now,
            );
        }
        SourceState::Failed { reason, message } => {
            let reason = if reason.is_empty() { "Failed" } else { reason };
            let message = message.as_str();
            status.conditions.set_condition(
                SOURCE_READY,
                ConditionStatus::False,
                reason,
                message,
                generation,
                now,
            );
        }
        // A source at work says nothing new, so that a reconciliation without a result costs no write.
        SourceState::Progressing => {
            if status.conditions.get_condition(SOURCE_READY).is_none() {
                let (is, message) = (ConditionStatus::False, "the source is being reconciled");
                status
                    .conditions
                    .set_condition(SOURCE_READY, is, "Progressing", message, generation, now);
            }
        }
    }
    (status != artifact.status).then_some(status)
}
