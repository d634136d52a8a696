//! Why something did not work out, and what becomes of it.

use std::fmt::Display;
use std::time::Duration;

/// When an object that failed is looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Soon, and each time later, up to the interval.
    Retry,
    /// Not before this much time has passed, and an hour at most.
    After(Duration),
    /// After the interval: what failed has to change elsewhere.
    Later,
    /// When somebody edits the object, or asks.
    Edit,
    /// After the interval; the fault is ours, and logged.
    Bug,
}

/// Why a look at an object failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    fate: Fate,
    reason: &'static str,
    message: String,
    condition: Option<&'static str>,
    denies: Option<&'static str>,
}

impl Failure {
    /// Fails in a way whose fate is known.
    pub fn new(fate: Fate, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            fate,
            reason,
            message: message.into(),
            condition: None,
            denies: None,
        }
    }

    /// Fails for now.
    pub fn retry(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Fate::Retry, reason, message)
    }

    /// Fails until somebody edits the object.
    pub fn edit(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Fate::Edit, reason, message)
    }

    /// Fails until something elsewhere has changed.
    pub fn later(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(Fate::Later, reason, message)
    }

    /// Adds a condition that is true for as long as this failure lasts, such as `FetchFailed`.
    #[must_use]
    pub fn as_condition(mut self, condition: &'static str) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Adds a condition that is false because of this failure, such as `SourceVerified`.
    #[must_use]
    pub fn denying(mut self, condition: &'static str) -> Self {
        self.denies = Some(condition);
        self
    }

    /// Gives the reason.
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Gives the text for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Gives when it is tried again.
    pub fn fate(&self) -> Fate {
        self.fate
    }

    /// Gives the condition that is true for as long as this failure lasts.
    pub fn condition(&self) -> Option<&'static str> {
        self.condition
    }

    /// Gives the condition that is false because of this failure.
    pub fn denied(&self) -> Option<&'static str> {
        self.denies
    }

    /// Says the same in other words.
    #[must_use]
    pub fn rephrased(mut self, words: impl FnOnce(&str) -> String) -> Self {
        self.message = words(&self.message);
        self
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::retry("Failed", error.to_string())
    }
}

/// Turns errors of others into failures.
pub trait ResultExt<T> {
    /// Fails until somebody edits the object.
    ///
    /// # Errors
    /// The failure.
    fn edit(self, reason: &'static str) -> Result<T, Failure>;

    /// Fails for now.
    ///
    /// # Errors
    /// The failure.
    fn retry(self, reason: &'static str) -> Result<T, Failure>;

    /// Fails until something elsewhere has changed.
    ///
    /// # Errors
    /// The failure.
    fn later(self, reason: &'static str) -> Result<T, Failure>;
}

impl<T, E: Display> ResultExt<T> for Result<T, E> {
    fn edit(self, reason: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure::edit(reason, error.to_string()))
    }

    fn retry(self, reason: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure::retry(reason, error.to_string()))
    }

    fn later(self, reason: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure::later(reason, error.to_string()))
    }
}
