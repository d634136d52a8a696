//! The conditions of a mirrored Artifact.

use artifact_crd::{Artifact, ArtifactStatus, READY, SOURCE_READY, reason};
use flux_api::{ConditionStatus, ConditionsExt};
use k8s_openapi::jiff::Timestamp;

use crate::{ObservedSource, SourceState};

/// Returns the status to write, or `None` when the one that is there says it all.
///
/// It names no generation of the Artifact, whose spec comes from the same hand: a new revision would change that alone, and
/// cost a write.
pub(crate) fn status(
    artifact: &Artifact,
    ready: &(&'static str, String),
    source: &ObservedSource,
    now: Timestamp,
) -> Option<ArtifactStatus> {
    let mut status = artifact.status.clone();
    status.observed_generation = None;
    let is_ready = if ready.0 == reason::MIRRORED {
        ConditionStatus::True
    } else {
        ConditionStatus::False
    };
    status
        .conditions
        .set_condition(READY, is_ready, ready.0, ready.1.as_str(), None, now);
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
            .set_condition(SOURCE_READY, is, reason, message, None, now);
    }
    (status != artifact.status).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_revision_changes_nothing_in_a_status() {
        let ready = (reason::MIRRORED, "mirrors".to_owned());
        let source = ObservedSource {
            uid: String::new(),
            api_version: String::new(),
            artifact: None,
            never_has_artifact: false,
            deleting: false,
            bridged: false,
            state: SourceState::Ready,
            generation: Some(3),
        };
        let mut artifact = Artifact::default();
        artifact.metadata.generation = Some(1);
        let now = Timestamp::default();
        artifact.status = status(&artifact, &ready, &source, now).expect("it has none yet");
        assert_eq!(artifact.status.conditions.len(), 2);
        artifact.metadata.generation = Some(2);
        assert_eq!(status(&artifact, &ready, &source, now), None);
        // One that an earlier version wrote.
        artifact.status.observed_generation = Some(2);
        assert!(status(&artifact, &ready, &source, now).is_some());
    }
}
