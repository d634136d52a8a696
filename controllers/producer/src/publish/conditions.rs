//! The conditions of an Artifact that was produced here.

use artifact_crd::{Artifact, ArtifactStatus, READY, SOURCE_READY};
use flux_api::{ConditionStatus, ConditionsExt};
use k8s_openapi::jiff::Timestamp;

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whether it is true.
    pub is: bool,
    /// Reason.
    pub reason: String,
    /// Text for people.
    pub message: String,
}

impl Said {
    /// Says something.
    pub fn new(is: bool, reason: &str, message: impl Into<String>) -> Self {
        Self {
            is,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }
}

/// Gives the status that an Artifact is to have, or `None` when the one that is there says it all: whether its bytes are
/// there, and what became of its source in the generation that was looked at. It names no generation of the Artifact, whose
/// spec comes from the same hand: a new revision would change that alone, and cost a write.
pub fn status(
    artifact: &Artifact,
    ready: &Said,
    source: &Said,
    source_generation: Option<i64>,
    now: Timestamp,
) -> Option<ArtifactStatus> {
    let mut status = artifact.status.clone();
    status.observed_generation = None;
    status.source_generation = source_generation;
    for (type_, said) in [(READY, ready), (SOURCE_READY, source)] {
        let is = if said.is {
            ConditionStatus::True
        } else {
            ConditionStatus::False
        };
        let message = said.message.as_str();
        status
            .conditions
            .set_condition(type_, is, &said.reason, message, None, now);
    }
    (status != artifact.status).then_some(status)
}
