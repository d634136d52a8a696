//! What became of the correction of drift.

use flux_api::{ConditionStatus, READY, reason};

use super::written::event;
use crate::machine::Machine;
use crate::machine::words::Event;

impl Machine<'_> {
    /// What became of the correction of what others changed: the objects that were put right, and what went wrong.
    pub fn corrected(&mut self, done: &[String], errors: &[String]) -> Vec<Event> {
        let (unknown, progressing) = (ConditionStatus::Unknown, reason::PROGRESSING);
        self.set(READY, unknown, progressing, "correcting cluster drift");
        let current = self.status.history.latest().cloned().unwrap_or_default();
        let name = current.full_name();
        if errors.is_empty() {
            if done.is_empty() {
                return Vec::new();
            }
            let message = format!(
                "Cluster state of release {name} has been corrected:\n{}",
                done.join("\n")
            );
            return vec![event(false, reason::DRIFT_CORRECTED, message, &current)];
        }
        let partially = if done.is_empty() { "" } else { "partially " };
        let mut message = format!(
            "Failed to {partially}correct cluster state of release {name}:\n{}",
            errors.join("\n")
        );
        if !done.is_empty() {
            message.push_str("\n\nSuccessful corrections:\n");
            message.push_str(&done.join("\n"));
        }
        vec![event(true, reason::DRIFT_CORRECTION_FAILED, message, &current)]
    }
}
