//! What became of a rollback.

use flux_api::{ConditionStatus, Inventory, REMEDIATED, ReleaseAction, ReleaseSnapshot, reason};

use super::written::{Attempt, Record, Told};
use crate::machine::Machine;
use crate::machine::words::{self, About, Event, with_log};

impl Machine<'_> {
    /// What became of a rollback to the release of the snapshot `target`.
    pub fn rolled_back<R: Record>(
        &mut self,
        target: &ReleaseSnapshot,
        config_digest: &str,
        inventory: Option<Inventory>,
        attempt: &Attempt<'_, R>,
    ) -> Told {
        let before = self.status.history.latest().map(|latest| latest.digest.clone());
        for record in attempt.written {
            let action = ReleaseAction::Rollback;
            if !self.refresh(record, |_| action.to_string()) {
                let new = record.snapshot(self.algorithm, "");
                self.status.history.add(new.made_by(action));
            }
        }
        if inventory.is_some() {
            self.status.inventory = inventory;
        }
        let name = words::release(target);
        let about = Some(About {
            token: config_digest.to_owned(),
            ..About::of(target)
        });
        let told = match attempt.result {
            Ok(()) => {
                let message = format!("Helm rollback to previous {name} succeeded");
                self.set(
                    REMEDIATED,
                    ConditionStatus::True,
                    reason::ROLLBACK_SUCCEEDED,
                    &message,
                );
                let event = Event {
                    is_error: false,
                    reason: reason::ROLLBACK_SUCCEEDED,
                    message,
                    about,
                };
                (vec![event], Ok(()))
            }
            Err(error) => {
                let message = format!("Helm rollback to previous {name} failed: {}", error.trim());
                self.status.failures += 1;
                self.set(
                    REMEDIATED,
                    ConditionStatus::False,
                    reason::ROLLBACK_FAILED,
                    &message,
                );
                let event = Event {
                    is_error: true,
                    reason: reason::ROLLBACK_FAILED,
                    message: with_log(&message, attempt.log),
                    about,
                };
                let after = self.status.history.latest().map(|latest| latest.digest.clone());
                let result = if after.is_none() || after == before {
                    Err(error.to_owned())
                } else {
                    Ok(())
                };
                (vec![event], result)
            }
        };
        self.summarize();
        told
    }
}
