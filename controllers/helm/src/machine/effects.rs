//! What a decision means for the status, before anything is done.

use flux_api::{
    ConditionStatus, ConditionsExt, DRIFTED, DriftDetection, READY, RELEASED, REMEDIATED, ReleaseSnapshot,
    reason,
};

use super::Machine;
use super::decide::{Action, Next, State};
use super::words::{Event, release};

impl Machine<'_> {
    /// Writes what a decision means, and gives the events that tell of it.
    pub fn settle(&mut self, next: &Next) -> Vec<Event> {
        match next {
            Next::InSync => {
                self.truncate_in_sync();
                self.forget_remediation();
                self.mend_released();
                self.note_no_drift();
                Vec::new()
            }
            Next::LeaveDrift(summary) => vec![self.note_drift(summary)],
            Next::Run { action, state, .. } => match state {
                State::InSync => {
                    self.truncate_in_sync();
                    Vec::new()
                }
                State::Unmanaged | State::Interrupted => {
                    // It tells of a release that is another one by now, or of what is as good as gone.
                    self.status.history.clear();
                    Vec::new()
                }
                State::Untested => {
                    self.forget_remediation();
                    Vec::new()
                }
                State::Failed => {
                    self.truncate_failed(action);
                    Vec::new()
                }
                State::Drifted(summary) => vec![self.note_drift(summary)],
                State::OutOfSync | State::Absent | State::Locked => Vec::new(),
            },
            Next::VerifyPrevious(_) | Next::NoRollbackTarget => {
                self.truncate_to_remedy();
                Vec::new()
            }
            Next::CompareWithCluster | Next::Exhausted(_) | Next::Undetermined(_) | Next::Failed(_) => {
                Vec::new()
            }
        }
    }

    /// Says how the newest release fares if whoever made it has not: a controller that has lost its object midway writes the
    /// history and no condition. `description` is what the record says.
    pub fn note_untold(&mut self, description: &str) {
        let Some(latest) = self.status.history.latest() else {
            return;
        };
        let has_been_told = !self.status.conditions.has_status(READY, ConditionStatus::Unknown)
            || !self.is_true(RELEASED)
            || self.message_of(RELEASED).contains(&release(latest));
        let (verb, succeeded, failed) = match latest.action.as_str() {
            _ if has_been_told => return,
            "install" => ("install", reason::INSTALL_SUCCEEDED, reason::INSTALL_FAILED),
            "upgrade" => ("upgrade", reason::UPGRADE_SUCCEEDED, reason::UPGRADE_FAILED),
            _ => return,
        };
        let (reason, is_deployed, message) = match latest.status.as_str() {
            "deployed" => {
                let message = format!("Helm {verb} succeeded for {}", release(latest));
                (succeeded, ConditionStatus::True, message)
            }
            "failed" => {
                let ReleaseSnapshot { namespace, name, .. } = latest;
                let chart = latest.chart();
                let message = format!(
                    "Helm {verb} failed for release {namespace}/{name} with chart {chart}: {description}"
                );
                (failed, ConditionStatus::False, message)
            }
            _ => return,
        };
        self.set(RELEASED, is_deployed, reason, &message);
        self.summarize();
    }

    fn retries(&self) -> bool {
        let (spec, by_default) = (&self.object.spec, self.retry_by_default);
        self.status.active_retry(spec, by_default).is_some()
    }

    /// Keeps what a rollback of this release may need.
    fn truncate_in_sync(&mut self) {
        if self.retries() {
            self.status.history.truncate_to_size();
            return;
        }
        let spec = &self.object.spec;
        let remediation = self.status.active_remediation(spec);
        let ignored = remediation.map_or(spec.ignores_test_failures(), |found| found.ignore_test_failures);
        self.status.history.truncate(ignored);
    }

    fn truncate_failed(&mut self, action: &Action) {
        if self.retries() {
            self.status.history.truncate_to_size();
        } else if *action == Action::Uninstall {
            self.truncate_to_remedy();
        }
    }

    /// Keeps the failures since what a rollback would lead to, and no more.
    fn truncate_to_remedy(&mut self) {
        if let Some(remediation) = self.status.active_remediation(&self.object.spec) {
            self.status.history.truncate(remediation.ignore_test_failures);
        }
    }

    /// A rollback has led to what is wanted by now: that is as good as an upgrade.
    fn forget_remediation(&mut self) {
        if !self.is_true(REMEDIATED) {
            return;
        }
        let current = self.status.history.latest().map(release).unwrap_or_default();
        let message = format!("Helm upgrade succeeded for {current}");
        let generation = self.object.metadata.generation;
        self.status.conditions.replace_condition(
            REMEDIATED,
            RELEASED,
            ConditionStatus::True,
            reason::UPGRADE_SUCCEEDED,
            message,
            generation,
        );
    }

    /// What failed before is in order by now, without anybody having released anew.
    fn mend_released(&mut self) {
        if self.is_true(READY) && self.is_true(RELEASED) {
            return;
        }
        let (reason, done) = match self.reason_of(RELEASED).as_str() {
            reason::INSTALL_FAILED => (reason::INSTALL_SUCCEEDED, "install"),
            reason::UPGRADE_FAILED => (reason::UPGRADE_SUCCEEDED, "upgrade"),
            _ => return,
        };
        let current = self.status.history.latest().map(release).unwrap_or_default();
        let message = format!("Helm {done} succeeded for {current}");
        self.set(RELEASED, ConditionStatus::True, reason, &message);
        self.summarize();
    }

    fn note_no_drift(&mut self) {
        let detection = self.object.spec.drift_detection.as_ref();
        if detection.is_some_and(DriftDetection::detects) {
            let message = "No drift detected against the cluster state";
            self.set(
                DRIFTED,
                ConditionStatus::False,
                reason::NO_DRIFT_DETECTED,
                message,
            );
        }
    }

    fn note_drift(&mut self, summary: &str) -> Event {
        let current = self.status.history.latest();
        let name = current.map(ToString::to_string).unwrap_or_default();
        let message =
            format!("Cluster state of release {name} has drifted from the desired state:\n{summary}");
        self.set(DRIFTED, ConditionStatus::True, reason::DRIFT_DETECTED, &message);
        Event {
            is_error: true,
            reason: reason::DRIFT_DETECTED,
            message,
            about: None,
        }
    }
}
