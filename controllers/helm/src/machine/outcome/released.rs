//! What became of an install or upgrade.

use flux_api::{
    ConditionStatus, GoDuration, Inventory, RELEASED, REMEDIATED, ReleaseAction, TEST_SUCCESS, reason,
};

use super::written::{Attempt, Record, Told, event};
use crate::machine::words::{self, About, Event, with_log};
use crate::machine::{ChartIdentity, Machine};

impl Machine<'_> {
    /// What became of an install or upgrade.
    pub fn released<R: Record>(
        &mut self,
        action: ReleaseAction,
        chart: &ChartIdentity<'_>,
        config_digest: &str,
        (took, inventory): (GoDuration, Option<Inventory>),
        attempt: &Attempt<'_, R>,
    ) -> Told {
        let (verb, succeeded, failed) = match action {
            ReleaseAction::Install => ("install", reason::INSTALL_SUCCEEDED, reason::INSTALL_FAILED),
            _ => ("upgrade", reason::UPGRADE_SUCCEEDED, reason::UPGRADE_FAILED),
        };
        verb.clone_into(&mut self.status.last_attempted_release_action);
        if action == ReleaseAction::Install {
            // Nobody ever goes back to what was before.
            self.status.history.clear();
        }
        self.remove(TEST_SUCCESS);
        self.remove(REMEDIATED);
        self.status.last_attempted_release_action_duration = Some(took.into());
        self.remember_released(action, attempt.written);
        if inventory.is_some() {
            self.status.inventory = inventory;
        }
        let Err(error) = attempt.result else {
            let told = self.release_succeeded(action, verb, succeeded);
            self.summarize();
            return told;
        };
        let message = format!(
            "Helm {verb} failed for release {}/{} with chart {}@{}: {}",
            self.object.release_namespace(),
            self.object.release_name(),
            chart.name,
            chart.version,
            error.trim()
        );
        self.status.failures += 1;
        self.set(RELEASED, ConditionStatus::False, failed, &message);
        let event = Event {
            is_error: true,
            reason: failed,
            message: with_log(&message, attempt.log),
            about: Some(About {
                revision: chart.version.to_owned(),
                token: config_digest.to_owned(),
                app_version: chart.app_version.to_owned(),
                oci_digest: self.status.last_attempted_revision_digest.clone(),
            }),
        };
        // Without a record there is nothing to remedy; it is tried again.
        let result = if attempt.written.is_empty() {
            Err(error.to_owned())
        } else {
            if let Some(remediation) = self.object.spec.remediation(action) {
                remediation.count(self.status);
            }
            Ok(())
        };
        self.summarize();
        (vec![event], result)
    }

    fn release_succeeded(&mut self, action: ReleaseAction, verb: &str, reason: &'static str) -> Told {
        let current = self.status.history.latest().cloned().unwrap_or_default();
        let message = format!("Helm {verb} succeeded for {}", words::release(&current));
        self.set(RELEASED, ConditionStatus::True, reason, &message);
        if self.object.spec.tests_enabled() && !current.has_been_tested() {
            let awaiting = format!(
                "Helm release {} with chart {} is awaiting tests",
                current.full_name(),
                current.chart()
            );
            let unknown = ConditionStatus::Unknown;
            self.set(TEST_SUCCESS, unknown, reason::AWAITING_TESTS, &awaiting);
        }
        if self.object.spec.retry(action, self.retry_by_default).is_some() {
            self.status.clear_failures();
        }
        (vec![event(false, reason, message, &current)], Ok(()))
    }

    /// The newest record is a new snapshot; of the older ones, the first that has a snapshot refreshes it.
    fn remember_released<R: Record>(&mut self, action: ReleaseAction, written: &[R]) {
        let mut records: Vec<&R> = written.iter().collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.version()));
        let Some((newest, older)) = records.split_first() else {
            return;
        };
        let digest = self.status.last_attempted_revision_digest.clone();
        self.status
            .history
            .add(newest.snapshot(self.algorithm, &digest).made_by(action));
        for record in older {
            // Stock forgets what had made this one.
            if self.refresh(*record, |_| String::new()) {
                return;
            }
        }
    }
}
