//! The conditions of a mirrored Artifact.

use artifact_crd::{Artifact, ArtifactStatus, READY, SOURCE_READY, reason};
use flux_api::{ConditionStatus, ConditionsExt};
use k8s_openapi::jiff::Timestamp;

use crate::{ObservedSource, SourceState};

/// Returns the status to write, or `None` when the one that is there says it all.
pub(crate) fn status(
    artifact: &Artifact,
    ready: &(&'static str, String),
    source: &ObservedSource,
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
    let known = status.conditions.get_condition(SOURCE_READY).is_some();
    let no = ConditionStatus::False;
    let said = match &source.state {
        SourceState::Ready => Some((ConditionStatus::True, "Ready", "the source is up to date")),
        SourceState::Failed { reason, message } => {
            let reason = if reason.is_empty() { "Failed" } else { reason };
            Some((no, reason, message.as_str()))
        }
        SourceState::Stalled(message) => Some((no, reason::SOURCE_STALLED, message.as_str())),
        SourceState::Outdated(message) => Some((no, reason::SOURCE_OUTDATED, message.as_str())),
        // A source at work says nothing new, so that a reconciliation without a result costs no write.
        SourceState::Progressing if known => None,
        SourceState::Progressing => Some((no, "Progressing", "the source is being reconciled")),
    };
    if let Some((is, reason, message)) = said {
        status.source_generation = source.generation;
        status
            .conditions
            .set_condition(SOURCE_READY, is, reason, message, generation, now);
    }
    (status != artifact.status).then_some(status)
}
