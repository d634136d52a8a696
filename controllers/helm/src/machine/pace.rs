//! Whether a run goes on after a step, and when the next one begins.

use flux_api::{GoDuration, ReleaseAction, reason};

use super::{Action, ActionKind, Machine, Next};

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There is nothing more to do until the interval is over.
    Done,
    /// What failed is tried again after this time.
    RetryAfter(GoDuration),
    /// There is more to do, after the back-off of the object.
    Continue,
    /// There is nothing to do until somebody edits something.
    Stalled(String),
    /// Something went wrong that may pass; tried again after the back-off of the object.
    Failed(String),
}

impl Ending {
    /// Returns whether the generation counts as reconciled.
    pub fn is_observed(&self) -> bool {
        match self {
            Self::Done | Self::RetryAfter(_) | Self::Stalled(_) => true,
            Self::Continue | Self::Failed(_) => false,
        }
    }
}

/// The kinds of actions that a run has done.
#[derive(Clone, Debug, Default)]
pub struct Performed(Vec<ActionKind>);

impl Performed {
    /// Takes note of an action.
    pub fn note(&mut self, action: &Action) {
        self.0.push(action.kind());
    }

    /// Returns whether an action of this kind was done.
    pub fn includes(&self, action: &Action) -> bool {
        self.0.contains(&action.kind())
    }
}

/// The rules by which a run goes on.
///
/// It does each kind of action once, and stops after a remedy: what comes then is the business of the next run.
pub struct Pace;

const RETRIES_EXCEEDED: &str = "exceeded maximum retries";
const NO_TARGET: &str = "missing target release for rollback";

impl Pace {
    /// How a run ends that has nothing to do but to say so; nothing if there is something to do.
    pub fn without_action(machine: &mut Machine<'_>, next: &Next) -> Option<Ending> {
        match next {
            Next::InSync | Next::LeaveDrift(_) => {
                machine.remove(flux_api::RECONCILING);
                // Whatever passed by in `Ready` meanwhile is over.
                machine.summarize();
                Some(Ending::Done)
            }
            Next::Exhausted(what) => {
                Self::stall(machine);
                Some(Ending::Stalled(format!("{RETRIES_EXCEEDED}: {what}")))
            }
            Next::NoRollbackTarget => {
                let error = format!("{NO_TARGET}: cannot remediate failed release");
                let message = format!("Failed to perform remediation: {error}");
                machine.mark_stalled(reason::MISSING_ROLLBACK_TARGET, &message);
                Some(Ending::Stalled(error))
            }
            Next::Undetermined(error) => {
                let message = format!("Could not determine release state: {error}");
                machine.mark_not_ready(reason::STATE_ERROR, &message);
                Some(Ending::Failed(format!("cannot determine release state: {error}")))
            }
            Next::Failed(error) => Some(Ending::Failed(error.clone())),
            Next::Run { .. } | Next::CompareWithCluster | Next::VerifyPrevious(_) => None,
        }
    }

    /// How a run ends that would have to do again what it has done; nothing if it has not.
    pub fn before(machine: &mut Machine<'_>, performed: &Performed, action: &Action) -> Option<Ending> {
        if !performed.includes(action) {
            return None;
        }
        if let Some(ending) = Self::retry(machine) {
            return Some(ending);
        }
        let remediation = machine.status.active_remediation(&machine.object.spec);
        if remediation.is_none_or(|remediation| !remediation.is_exhausted(machine.status)) {
            return Some(Self::go_on(machine));
        }
        machine.remove(flux_api::RECONCILING);
        Some(Ending::Done)
    }

    /// How a run ends after an action, whose error is none that the release remembers; nothing if it goes on.
    pub fn after(machine: &mut Machine<'_>, action: &Action, result: Result<(), String>) -> Option<Ending> {
        if let Err(error) = result {
            if let Some(ending) = Self::retry(machine) {
                return Some(ending);
            }
            if machine.is_true(flux_api::READY) {
                machine.mark_not_ready(reason::RECONCILE_ERROR, &error);
            }
            return Some(Ending::Failed(error));
        }
        if action.kind() != ActionKind::Remediate {
            return None;
        }
        if let Some(ending) = Self::retry(machine) {
            return Some(ending);
        }
        let remediation = machine.status.active_remediation(&machine.object.spec);
        let goes_on = remediation.is_none_or(|remediation| {
            !remediation.is_exhausted(machine.status) || remediation.is_uninstall_after_upgrade()
        });
        if goes_on {
            return Some(Self::go_on(machine));
        }
        Self::stall(machine);
        Some(Ending::Stalled(RETRIES_EXCEEDED.to_owned()))
    }

    fn retry(machine: &mut Machine<'_>) -> Option<Ending> {
        let by_default = machine.retry_by_default;
        let retry = machine.status.active_retry(&machine.object.spec, by_default)?;
        let interval = retry.retry_interval().unwrap_or_default();
        let message = format!("retrying after {interval}");
        machine.mark_reconciling(reason::PROGRESSING_WITH_RETRY, &message);
        Some(Ending::RetryAfter(interval))
    }

    fn go_on(machine: &mut Machine<'_>) -> Ending {
        let message = machine.ready_message();
        machine.mark_reconciling(reason::PROGRESSING_WITH_RETRY, &message);
        Ending::Continue
    }

    fn stall(machine: &mut Machine<'_>) {
        let remediation = machine.status.active_remediation(&machine.object.spec);
        let failures = remediation.map_or(0, |remediation| remediation.failures(machine.status));
        let action = machine.status.attempted().map_or("", ReleaseAction::as_str);
        let message = format!("Failed to {action} after {failures} attempt(s)");
        machine.mark_stalled(reason::RETRIES_EXCEEDED, &message);
    }
}
