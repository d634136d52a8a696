//! What became of an action, in the status and for the people who watch.

use std::collections::BTreeMap;

use flux_api::{
    ConditionStatus, GoDuration, Inventory, RELEASED, REMEDIATED, ReleaseAction, ReleaseSnapshot,
    TEST_SUCCESS, TestFilter, TestHook, reason,
};
use helm::digest::Algorithm;

use super::words::{self, About, Event, with_log};
use super::{ChartIdentity, Machine};

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

/// How an uninstall ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UninstallResult {
    /// It went well, for the release with this namespace, name and revision.
    Done(Option<(String, String, i64)>),
    /// There is no such release; with Helm's error.
    NotFound(String),
    /// It was uninstalled before; with Helm's error.
    AlreadyDeleted(String),
    /// It failed; with Helm's error.
    Failed(String),
}

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

/// Events, and the error of an action that the release does not remember, so that it is simply tried again.
pub type Told = (Vec<Event>, Result<(), String>);

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

    /// Puts a new snapshot in the place of the one of the same revision, if there is one; its tests stay.
    fn refresh<R: Record>(&mut self, record: &R, action: impl Fn(&ReleaseSnapshot) -> String) -> bool {
        let history = &self.status.history;
        let Some(old) = history.find(record.name(), record.namespace(), record.version()) else {
            return false;
        };
        let mut new = record.snapshot(self.algorithm, &old.oci_digest);
        new.action = action(old);
        new.test_hooks.clone_from(&old.test_hooks);
        self.status.history.replace(new)
    }

    /// What became of the tests; `tested` is namespace, name and revision of the release that Helm tested.
    pub fn tested<R: Record>(&mut self, tested: Option<(&str, &str, i64)>, attempt: &Attempt<'_, R>) -> Told {
        let Some(current) = self.status.history.latest().cloned() else {
            self.summarize();
            return (Vec::new(), Err("no latest release: required for test".to_owned()));
        };
        let filters = self
            .object
            .spec
            .test
            .as_ref()
            .map_or(&[][..], |test| &test.filters);
        for record in attempt.written {
            if current.targets(record.name(), record.namespace(), record.version()) {
                let mut new = record.snapshot(self.algorithm, &current.oci_digest);
                new.action.clone_from(&current.action);
                new.test_hooks = Some(record.tests(filters));
                self.status.history.replace(new);
            }
        }
        let mismatch = tested
            .filter(|(namespace, name, version)| !current.targets(name, namespace, *version))
            .map(|(namespace, name, version)| {
                format!(
                    "release mismatch: tested release {namespace}/{name}.v{version} != current release {}",
                    current.full_name()
                )
            });
        let error = mismatch.or_else(|| attempt.result.err().map(str::to_owned));
        let latest = self.status.history.latest().cloned().unwrap_or_default();
        let told = match error {
            None => self.tests_succeeded(&latest),
            Some(error) => self.tests_failed(&latest, error),
        };
        self.summarize();
        told
    }

    fn tests_succeeded(&mut self, latest: &ReleaseSnapshot) -> Told {
        let hooks = match latest.test_hooks.as_ref().map_or(0, BTreeMap::len) {
            0 => "no test hooks".to_owned(),
            1 => "1 test hook completed successfully".to_owned(),
            count => format!("{count} test hooks completed successfully"),
        };
        let message = format!("Helm test succeeded for {}: {hooks}", words::release(latest));
        self.set(
            TEST_SUCCESS,
            ConditionStatus::True,
            reason::TEST_SUCCEEDED,
            &message,
        );
        (
            vec![event(false, reason::TEST_SUCCEEDED, message, latest)],
            Ok(()),
        )
    }

    fn tests_failed(&mut self, latest: &ReleaseSnapshot, error: String) -> Told {
        let message = format!(
            "Helm test failed for {}: {}",
            words::release(latest),
            error.trim()
        );
        self.status.failures += 1;
        self.set(
            TEST_SUCCESS,
            ConditionStatus::False,
            reason::TEST_FAILED,
            &message,
        );
        let events = vec![event(true, reason::TEST_FAILED, message, latest)];
        if !latest.has_been_tested() {
            return (events, Err(error));
        }
        let remediation = self.status.active_remediation(&self.object.spec);
        if let Some(remediation) = remediation.filter(|found| !found.ignore_test_failures) {
            remediation.count(self.status);
        }
        (events, Ok(()))
    }

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

    /// What became of an uninstall that was to remedy a failure.
    pub fn uninstalled_to_remedy<R: Record>(
        &mut self,
        written: &[R],
        result: UninstallResult,
        log: &str,
    ) -> Told {
        let Some(current) = self.status.history.latest().cloned() else {
            return (
                Vec::new(),
                Err("no latest release: required to uninstall".to_owned()),
            );
        };
        for record in written {
            self.refresh(record, |_| ReleaseAction::UninstallRemediation.to_string());
        }
        let latest = self.status.history.latest().cloned().unwrap_or_default();
        let unchanged = latest.digest == current.digest;
        let name = words::release(&latest);
        // What `Ready` says is left to the run that installs anew.
        match uninstall_error(result, &current, unchanged) {
            None => {
                let message = format!("Helm uninstall remediation for {name} succeeded");
                self.set(
                    REMEDIATED,
                    ConditionStatus::True,
                    reason::UNINSTALL_SUCCEEDED,
                    &message,
                );
                (
                    vec![event(false, reason::UNINSTALL_SUCCEEDED, message, &latest)],
                    Ok(()),
                )
            }
            Some(error) => {
                let message = format!("Helm uninstall remediation for {name} failed: {}", error.trim());
                self.status.failures += 1;
                self.set(
                    REMEDIATED,
                    ConditionStatus::False,
                    reason::UNINSTALL_FAILED,
                    &message,
                );
                let text = with_log(&message, log);
                let events = vec![event(true, reason::UNINSTALL_FAILED, text, &latest)];
                (events, if unchanged { Err(error) } else { Ok(()) })
            }
        }
    }

    /// What became of the uninstall of a release that is not wanted any more; without any release, there is nothing to
    /// tell, and nothing is wrong.
    pub fn uninstalled<R: Record>(&mut self, written: &[R], result: UninstallResult, log: &str) -> Told {
        let Some(current) = self.status.history.latest().cloned() else {
            self.summarize();
            return (Vec::new(), Ok(()));
        };
        for record in written {
            self.refresh(record, |_| ReleaseAction::Uninstall.to_string());
        }
        let latest = self.status.history.latest().cloned().unwrap_or_default();
        let keeps = self
            .object
            .spec
            .uninstall
            .as_ref()
            .is_some_and(|uninstall| uninstall.keep_history);
        let told = match result {
            UninstallResult::NotFound(_) => {
                let message = format!(
                    "Release {} was not found, assuming it is uninstalled",
                    current.full_name()
                );
                self.set(
                    RELEASED,
                    ConditionStatus::False,
                    reason::UNINSTALL_SUCCEEDED,
                    &message,
                );
                (Vec::new(), Ok(()))
            }
            UninstallResult::AlreadyDeleted(_) if keeps => {
                let message = format!("Release {} was already uninstalled", current.full_name());
                self.set(
                    RELEASED,
                    ConditionStatus::False,
                    reason::UNINSTALL_SUCCEEDED,
                    &message,
                );
                (Vec::new(), Ok(()))
            }
            result => {
                // What was uninstalled before only loses its records.
                let unchanged = latest.digest == current.digest && current.status != "uninstalled";
                self.uninstall_ended(&latest, uninstall_error(result, &current, unchanged), log)
            }
        };
        self.summarize();
        told
    }

    fn uninstall_ended(&mut self, latest: &ReleaseSnapshot, error: Option<String>, log: &str) -> Told {
        let name = words::release(latest);
        match error {
            None => {
                self.status.inventory = None;
                let message = format!("Helm uninstall succeeded for {name}");
                self.set(
                    RELEASED,
                    ConditionStatus::False,
                    reason::UNINSTALL_SUCCEEDED,
                    &message,
                );
                (
                    vec![event(false, reason::UNINSTALL_SUCCEEDED, message, latest)],
                    Ok(()),
                )
            }
            Some(error) => {
                let message = format!("Helm uninstall failed for {name}: {}", error.trim());
                self.status.failures += 1;
                self.set(
                    RELEASED,
                    ConditionStatus::False,
                    reason::UNINSTALL_FAILED,
                    &message,
                );
                let text = with_log(&message, log);
                (
                    vec![event(true, reason::UNINSTALL_FAILED, text, latest)],
                    Err(error),
                )
            }
        }
    }

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

    /// What became of the correction of what others changed: the objects that were put right, and what went wrong.
    pub fn corrected(&mut self, done: &[String], errors: &[String]) -> Vec<Event> {
        let (unknown, progressing) = (ConditionStatus::Unknown, reason::PROGRESSING);
        self.set(flux_api::READY, unknown, progressing, "correcting cluster drift");
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

/// Why an uninstall counts as failed; Helm says nothing of records that it could not write.
fn uninstall_error(result: UninstallResult, current: &ReleaseSnapshot, unchanged: bool) -> Option<String> {
    match result {
        UninstallResult::NotFound(error)
        | UninstallResult::AlreadyDeleted(error)
        | UninstallResult::Failed(error) => Some(error),
        UninstallResult::Done(Some((namespace, name, version)))
            if !current.targets(&name, &namespace, version) =>
        {
            Some(format!(
                "release mismatch: uninstalled release {namespace}/{name}.v{version} != current release {}",
                current.full_name()
            ))
        }
        UninstallResult::Done(_) if unchanged => {
            Some("uninstall completed with error: release not updated in Helm storage".to_owned())
        }
        UninstallResult::Done(_) => None,
    }
}

fn event(is_error: bool, reason: &'static str, message: String, snapshot: &ReleaseSnapshot) -> Event {
    Event {
        is_error,
        reason,
        message,
        about: Some(About::of(snapshot)),
    }
}
