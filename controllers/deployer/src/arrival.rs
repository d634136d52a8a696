//! Objects that have been handed over to us and that no run has taken up yet.

use std::sync::Arc;

use flux_api::Deployed;

/// An object that has just been handed over to us.
#[derive(Debug)]
pub(crate) struct Arrival<O> {
    /// As it was when it was still another controller's.
    before: Arc<O>,
    /// Whether it was told that somebody is waited for.
    is_told: bool,
}

impl<O: Deployed> Arrival<O> {
    /// One that was like this before.
    pub(crate) fn after(before: Arc<O>) -> Self {
        Self {
            before,
            is_told: false,
        }
    }

    /// What its status said when it was still another controller's.
    pub(crate) fn before(&self) -> &O::Status {
        self.before.status()
    }

    /// Whether it is to be told that somebody is waited for, which is done once.
    pub(crate) fn is_to_be_told(&mut self) -> bool {
        !std::mem::replace(&mut self.is_told, true)
    }
}
