//! How a run ends, and what is to become of each end.

use std::time::Duration;

use crate::step::Refusal;

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// The object is gone, or was never held by us.
    Gone,
    /// The object is suspended.
    Suspended,
    /// Everything is in the cluster, and ready if that was asked for.
    Succeeded(Success),
    /// Something outside is missing; an event or a timer brings the next run.
    Waiting(Wait),
    /// A step failed and is tried again.
    Failed(Failure),
    /// The object has to be edited first.
    Refused(Refusal),
    /// The run was halted; nothing is wrong with what it was about.
    Halted(Halt),
    /// The deployer has written the conditions itself, and told everybody.
    Concluded(Conclusion),
}

/// How a run ended of which the deployer has said everything but when the next one begins.
#[derive(Debug)]
pub struct Conclusion {
    /// When to run again, if no event comes before.
    pub next: Next,
    /// Whether the generation counts as reconciled.
    pub is_observed: bool,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// When the run after a concluded one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// After the interval of the object.
    Interval,
    /// After this time.
    After(Duration),
    /// After this time, spread as the interval is.
    Around(Duration),
    /// After the back-off of the object.
    Backoff,
    /// With the next event.
    Event,
}

/// Why a run stops where it is.
#[derive(Debug)]
pub enum Halt {
    /// A newer event ended a wait; the next run starts at once.
    Superseded,
    /// A newer event ended the wait for readiness, and says so; the next run starts at once.
    Canceled {
        /// Kind, namespace and name of what changed.
        by: String,
    },
    /// The object is another controller's by now, which goes on with it; nothing is written but that the run goes no
    /// further, for that would be in its way.
    HandedOver,
    /// The controller is shutting down, or the API server cannot be written to: nothing more is said than is known so far.
    Aborted(String),
}

/// What a run came to.
#[derive(Debug)]
pub struct Success {
    /// Reason of `Ready`.
    pub reason: &'static str,
    /// Text of `Ready`.
    pub message: String,
}

/// What a run waits for.
#[derive(Debug)]
pub enum Wait {
    /// The artifact does not exist, or its file does not.
    Artifact(String),
    /// A dependency is not ready.
    Dependency {
        /// Text of the condition.
        message: String,
        /// What the event tells, where the deployer has words of its own for it.
        told: Option<String>,
    },
}

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// Reason of the condition, such as `BuildFailed`.
    pub reason: &'static str,
    /// Text for people.
    pub message: String,
    /// The same as events tell it, where they say more.
    pub told: Option<String>,
    /// What is not ready, if that is why.
    pub unhealthy: Option<String>,
    /// When it is tried again.
    pub fate: Fate,
}

/// What is to become of a failure, by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It passes by itself: the next run comes after the back-off, if that is sooner than the retry interval.
    RetrySoon,
    /// It lasts until somebody mends it: the next run comes after the retry interval.
    Retry,
}

impl Failure {
    /// Makes a failure that something outside causes.
    pub fn new(reason: &'static str, fate: Fate, error: impl std::fmt::Display) -> Self {
        Self {
            reason,
            message: error.to_string(),
            told: None,
            unhealthy: None,
            fate,
        }
    }
}

impl From<Halt> for Outcome {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}
