//! What became of an uninstall: of a release that failed, and of one that is not wanted any more.

use flux_api::{ConditionStatus, RELEASED, REMEDIATED, ReleaseAction, ReleaseSnapshot, reason};

use super::written::{Record, Told, event};
use crate::machine::Machine;
use crate::machine::words::{self, with_log};

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

impl Machine<'_> {
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
