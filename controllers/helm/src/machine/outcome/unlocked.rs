//! What became of a release that somebody was at work on, and who left it.

use flux_api::{ConditionStatus, RELEASED, REMEDIATED, ReleaseAction, ReleaseSnapshot, reason};

use super::written::{Record, Told, event};
use crate::machine::{Machine, words};

/// What became of a release that somebody was at work on.
#[derive(Debug)]
pub struct Unlocking<'a, R> {
    /// The record, marked as failed, or as deployed if nothing else was missing.
    pub record: &'a R,
    /// The status that it had.
    pub was: &'a str,
    /// The error if it could not be written.
    pub result: Result<(), &'a str>,
}

impl Machine<'_> {
    /// What became of a release that somebody was at work on; nothing if it is not there any more, or was left in order.
    pub fn unlocked<R: Record>(&mut self, unlocking: Option<&Unlocking<'_, R>>) -> Told {
        let Some(Unlocking { record, was, result }) = unlocking else {
            self.summarize();
            return (Vec::new(), Ok(()));
        };
        let history = &self.status.history;
        let known = history
            .find(record.name(), record.namespace(), record.version())
            .cloned();
        let digest = known.as_ref().map_or("", |known| known.oci_digest.as_str());
        let mut current = record.snapshot(self.algorithm, digest);
        if current.status == "deployed" && result.is_ok() {
            return self.completed(*record, known.as_ref(), was);
        }
        let name = words::release(&current);
        let (message, is_error) = match result {
            Ok(()) => {
                if let Some(known) = known {
                    current.action = known.action;
                    self.status.history.replace(current.clone());
                }
                (format!("Unlocked Helm {name} in {was} state"), false)
            }
            Err(error) => {
                self.status.failures += 1;
                let error = error.trim();
                (
                    format!("Unlock of Helm {name} in {was} state failed: {error}"),
                    true,
                )
            }
        };
        self.set(
            RELEASED,
            ConditionStatus::False,
            reason::PENDING_RELEASE,
            &message,
        );
        self.summarize();
        let events = vec![event(is_error, reason::PENDING_RELEASE, message, &current)];
        (events, result.map_err(str::to_owned))
    }

    /// What became of a release that was complete but for word of that.
    fn completed<R: Record>(&mut self, record: &R, known: Option<&ReleaseSnapshot>, was: &str) -> Told {
        let (action, verb, reason) = match was {
            "pending-rollback" => (ReleaseAction::Rollback, "rollback", reason::ROLLBACK_SUCCEEDED),
            _ => (ReleaseAction::Upgrade, "upgrade", reason::UPGRADE_SUCCEEDED),
        };
        let digest = match (known, action) {
            (Some(known), _) => known.oci_digest.clone(),
            (None, ReleaseAction::Rollback) => String::new(),
            (None, _) => self.status.last_attempted_revision_digest.clone(),
        };
        let current = record.snapshot(self.algorithm, &digest).made_by(action);
        if known.is_none() || !self.status.history.replace(current.clone()) {
            self.status.history.add(current.clone());
        }
        let message = format!("Helm {verb} succeeded for {}", words::release(&current));
        let condition = if action == ReleaseAction::Rollback {
            REMEDIATED
        } else {
            RELEASED
        };
        self.set(condition, ConditionStatus::True, reason, &message);
        self.summarize();
        (vec![event(false, reason, message, &current)], Ok(()))
    }
}
