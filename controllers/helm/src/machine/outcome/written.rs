//! What an action has written to storage, what the status remembers of that, and how it is told.

use std::collections::BTreeMap;

use flux_api::{ReleaseSnapshot, TestFilter, TestHook};
use helm::digest::Algorithm;

use crate::machine::Machine;
use crate::machine::words::{About, Event};

/// A record as it was written to storage.
pub trait Record {
    /// Name of the release.
    fn name(&self) -> &str;
    /// Namespace of the release.
    fn namespace(&self) -> &str;
    /// Its revision.
    fn version(&self) -> i64;
    /// What the status remembers of it; `oci_digest` is part of the digest, for the record itself does not have it.
    fn snapshot(&self, algorithm: Algorithm, oci_digest: &str) -> ReleaseSnapshot;
    /// Its tests, by name, as far as the filters select them.
    fn tests(&self, filters: &[TestFilter]) -> BTreeMap<String, TestHook>;
}

/// What came of an action.
#[derive(Debug)]
pub struct Attempt<'a, R> {
    /// The records that it wrote, the last state of each revision, in the order in which that was written.
    pub written: &'a [R],
    /// Helm's error, if it failed.
    pub result: Result<(), &'a str>,
    /// The last lines of its log.
    pub log: &'a str,
}

/// Events, and the error of an action that the release does not remember, so that it is simply tried again.
pub type Told = (Vec<Event>, Result<(), String>);

impl Machine<'_> {
    /// Puts a new snapshot in the place of the one of the same revision, if there is one; its tests stay.
    pub(super) fn refresh<R: Record>(
        &mut self,
        record: &R,
        action: impl Fn(&ReleaseSnapshot) -> String,
    ) -> bool {
        let history = &self.status.history;
        let Some(old) = history.find(record.name(), record.namespace(), record.version()) else {
            return false;
        };
        let mut new = record.snapshot(self.algorithm, &old.oci_digest);
        new.action = action(old);
        new.test_hooks.clone_from(&old.test_hooks);
        self.status.history.replace(new)
    }
}

/// An event that is about the release of a snapshot.
pub(super) fn event(
    is_error: bool,
    reason: &'static str,
    message: String,
    snapshot: &ReleaseSnapshot,
) -> Event {
    Event {
        is_error,
        reason,
        message,
        about: Some(About::of(snapshot)),
    }
}
