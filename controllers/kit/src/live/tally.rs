//! What a wait still waits for.

use std::collections::{BTreeMap, BTreeSet};

use super::health::Health;
use crate::readiness::Status;

/// The targets that are not ready, by their place in the list of targets; a change costs what changed, however many
/// targets there are.
#[derive(Default)]
pub(super) struct Tally {
    open: BTreeMap<usize, Health>,
    failed: BTreeSet<usize>,
    /// Those that count as failed from a moment on if nothing happens to them.
    failing: BTreeSet<(i64, usize)>,
}

/// Whether a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ready,
    Waiting,
    /// Some have failed, and waiting for the others does not help.
    Failed,
}

impl Tally {
    /// Notes what is known of a target by now; `may_vanish` makes its absence a success. Tells whether it is ready.
    pub(super) fn note(&mut self, target: usize, health: Health, may_vanish: bool, now: i64) -> bool {
        let before = self.open.remove(&target);
        if let Some(at) = before.as_ref().and_then(Health::fails_at) {
            self.failing.remove(&(at, target));
        }
        self.failed.remove(&target);
        let status = health.status(now);
        if status == Status::Current || (status == Status::NotFound && may_vanish) {
            return true;
        }
        if status == Status::Failed {
            self.failed.insert(target);
        } else if let Some(at) = health.fails_at() {
            self.failing.insert((at, target));
        }
        self.open.insert(target, health);
        false
    }

    /// Time has passed: what has failed by now.
    pub(super) fn pass(&mut self, now: i64) {
        while let Some((at, target)) = self.failing.first().copied()
            && at <= now
        {
            self.failing.pop_first();
            self.failed.insert(target);
        }
    }

    /// Gives the next moment at which a target counts as failed if nothing happens.
    pub(super) fn next_failure(&self) -> Option<i64> {
        self.failing.first().map(|(at, _)| *at)
    }

    pub(super) fn verdict(&self, fail_fast: bool) -> Verdict {
        if self.open.is_empty() {
            Verdict::Ready
        } else if !self.failed.is_empty() && (fail_fast || self.failed.len() == self.open.len()) {
            Verdict::Failed
        } else {
            Verdict::Waiting
        }
    }

    /// Gives what is not ready.
    pub(super) fn open(&self) -> impl Iterator<Item = (usize, &Health)> {
        self.open.iter().map(|(target, health)| (*target, health))
    }

    /// Gives what has failed.
    pub(super) fn failed(&self) -> impl Iterator<Item = (usize, &Health)> {
        self.open().filter(|(target, _)| self.failed.contains(target))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn health(phase: &str) -> Health {
        Health::of(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"creationTimestamp": "1970-01-01T00:01:40Z"},
            "status": {"phase": phase, "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
        }))
    }

    #[test]
    fn a_wait_ends_when_all_are_ready_or_what_is_left_has_failed() {
        let mut tally = Tally::default();
        assert!(!tally.note(0, health("Pending"), false, 101));
        assert!(!tally.note(1, Health::not_found(), false, 101));
        assert!(tally.note(2, Health::not_found(), true, 101), "it may vanish");
        assert_eq!(tally.verdict(true), Verdict::Waiting);
        assert_eq!(tally.next_failure(), Some(115));

        tally.pass(114);
        assert_eq!(tally.verdict(true), Verdict::Waiting);
        tally.pass(115);
        assert_eq!(tally.verdict(true), Verdict::Failed);
        assert_eq!(
            tally.verdict(false),
            Verdict::Waiting,
            "the other may become ready"
        );
        assert_eq!(tally.failed().map(|(target, _)| target).collect::<Vec<_>>(), [0]);

        assert!(tally.note(1, health("Succeeded"), false, 116));
        assert_eq!(tally.verdict(false), Verdict::Failed);
        assert!(tally.note(0, health("Succeeded"), false, 117), "it has recovered");
        assert_eq!(tally.verdict(true), Verdict::Ready);
        assert_eq!(tally.next_failure(), None);

        assert!(
            !tally.note(2, health("Running"), true, 118),
            "what was ready is not any more"
        );
        assert_eq!(tally.verdict(true), Verdict::Waiting);
    }
}
