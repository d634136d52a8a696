//! Why a run has no result, and what becomes of it.

use std::time::Duration;

use flux_transform::Reason;

/// When a transformation that failed is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Soon, and each time later.
    Retry,
    /// When what it waits for changes, or after the interval.
    Wait,
    /// After a while, since what has to change is not watched.
    After(Duration),
    /// When somebody edits the object, an input changes, or somebody asks.
    Edit,
}

/// Why a run has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) fate: Fate,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(fate: Fate, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            fate,
            reason,
            message: message.into(),
        }
    }

    /// Whether it is the fault of the specification, so that nothing but an edit helps.
    pub(crate) fn is_stalled(&self) -> bool {
        !matches!(self.fate, Fate::Retry | Fate::Wait)
            && matches!(self.reason, "ValidationFailed" | "AccessDenied" | "CycleDetected")
    }
}

impl From<&flux_transform::Failure> for Failure {
    /// The same files fail in the same way, so that nothing is tried again before something changes.
    fn from(failure: &flux_transform::Failure) -> Self {
        let fate = match failure.reason() {
            Reason::Cancelled => Fate::Retry,
            _ => Fate::Edit,
        };
        let reason = match failure.reason() {
            Reason::Cancelled => "Timeout",
            reason => reason.as_str(),
        };
        Self::new(fate, reason, failure.to_string())
    }
}
