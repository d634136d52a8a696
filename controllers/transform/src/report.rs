//! What became of a run, as the status and events say it: pure functions.

use std::collections::BTreeSet;

use controller_kit::events::Severity;
use flux_api::{ConditionStatus, ConditionsExt, READY, RECONCILING, STALLED, reason};
use k8s_openapi::jiff::Timestamp;

use crate::failure::Failure;
use crate::kind::{InputStatus, OutputStatus, Status};

/// How many failures a message lists.
const LISTED: usize = 5;

/// What became of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// What there was of inputs; nothing if it was not got so far.
    pub(crate) inputs: Option<Vec<InputStatus>>,
    /// What there is of outputs; nothing if it was not got so far.
    pub(crate) outputs: Option<Vec<OutputStatus>>,
    /// Names of the Artifacts whose content is another.
    pub(crate) changed: Vec<String>,
    /// Why it failed as a whole.
    pub(crate) failure: Option<Failure>,
    /// Why outputs failed, each by itself.
    pub(crate) failures: Vec<Failure>,
}

impl Outcome {
    pub(crate) fn failed(failure: Failure) -> Self {
        Self {
            failure: Some(failure),
            ..Self::default()
        }
    }

    /// The one failure that is told: that of the run, or those of the outputs together.
    pub(crate) fn told(&self) -> Option<Failure> {
        if let Some(failure) = &self.failure {
            return Some(failure.clone());
        }
        let first = self.failures.first()?;
        let mut message: Vec<_> = self
            .failures
            .iter()
            .take(LISTED)
            .map(|failure| failure.message.as_str())
            .collect();
        let more = format!("and {} more", self.failures.len().saturating_sub(LISTED));
        if self.failures.len() > LISTED {
            message.push(&more);
        }
        Some(Failure::new(first.fate, first.reason, message.join("; ")))
    }
}

/// The longest text about why an output failed, in bytes.
const LONGEST_FAILURE: usize = 1024;

/// Gives the beginning of a text that may be too long for a status with many of them.
pub(crate) fn brief(text: &str) -> String {
    if text.len() <= LONGEST_FAILURE {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(LONGEST_FAILURE - 3);
    format!("{}...", text.get(..end).unwrap_or_default())
}

/// What was made so far, and of the others what there was before.
pub(crate) fn with_rest(mut made: Vec<OutputStatus>, before: &[OutputStatus]) -> Vec<OutputStatus> {
    let is_made: BTreeSet<_> = made.iter().map(|output| output.artifact_name.clone()).collect();
    let rest = before
        .iter()
        .filter(|output| !is_made.contains(&output.artifact_name));
    made.extend(rest.cloned());
    made
}

/// What is told when nothing failed.
fn success(status: &Status) -> String {
    match status.outputs.len() {
        1 => "stored 1 artifact".to_owned(),
        stored => format!("stored {stored} artifacts"),
    }
}

/// Gives the status after a run of a generation.
pub(crate) fn status(
    before: &Status,
    generation: Option<i64>,
    handled: Option<String>,
    outcome: &Outcome,
    now: Timestamp,
) -> Status {
    let mut status = before.clone();
    status.observed_generation = generation;
    if handled.is_some() {
        status.last_handled_reconcile_at = handled;
    }
    if let Some(inputs) = &outcome.inputs {
        status.inputs.clone_from(inputs);
    }
    if let Some(outputs) = &outcome.outputs {
        status.outputs.clone_from(outputs);
    }
    status.conditions.remove_condition(RECONCILING);
    let success = success(&status);
    let conditions = &mut status.conditions;
    match outcome.told() {
        None => {
            conditions.set_condition(
                READY,
                ConditionStatus::True,
                reason::SUCCEEDED,
                success,
                generation,
                now,
            );
            conditions.remove_condition(STALLED);
        }
        Some(failure) => {
            let (why, message) = (failure.reason, failure.message.as_str());
            conditions.set_condition(READY, ConditionStatus::False, why, message, generation, now);
            if failure.is_stalled() {
                conditions.set_condition(STALLED, ConditionStatus::True, why, message, generation, now);
            } else {
                conditions.remove_condition(STALLED);
            }
        }
    }
    status
}

/// Gives what is told about a run beside the changes: a failure that is news, or that one is over.
pub(crate) fn event(before: &Status, outcome: &Outcome) -> Option<(Severity, String, String)> {
    let ready = before.conditions.get_condition(READY);
    match outcome.told() {
        None => {
            let failed = ready.is_some_and(|ready| ready.status == "False");
            let message = "all artifacts are up to date again".to_owned();
            failed.then(|| (Severity::Info, reason::SUCCEEDED.to_owned(), message))
        }
        Some(failure) => {
            let told = ready.is_some_and(|ready| {
                ready.status == "False" && ready.reason == failure.reason && ready.message == failure.message
            });
            (!told).then(|| (Severity::Error, failure.reason.to_owned(), failure.message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Fate;

    fn output(name: &str) -> OutputStatus {
        OutputStatus {
            artifact_name: name.to_owned(),
            ..OutputStatus::default()
        }
    }

    fn after(before: &Status, outcome: &Outcome) -> (Status, String, Option<String>) {
        let status = status(before, Some(1), None, outcome, Timestamp::UNIX_EPOCH);
        let conditions: Vec<_> = status
            .conditions
            .iter()
            .map(|condition| {
                format!(
                    "{}={}/{}: {}",
                    condition.type_, condition.status, condition.reason, condition.message
                )
            })
            .collect();
        let told = event(before, outcome).map(|(_, reason, _)| reason);
        (status, conditions.join(" "), told)
    }

    #[test]
    fn failures_keep_what_was_made_and_pass() {
        let done = Outcome {
            outputs: Some(vec![output("a"), output("b")]),
            inputs: Some(Vec::new()),
            ..Outcome::default()
        };
        let (stored, text, told) = after(&Status::default(), &done);
        assert_eq!(
            (text.as_str(), told),
            ("Ready=True/Succeeded: stored 2 artifacts", None)
        );
        let missing = Outcome::failed(Failure::new(Fate::Wait, "InputNotFound", "input git"));
        let (failed, text, told) = after(&stored, &missing);
        assert_eq!(
            (text.as_str(), told.as_deref()),
            ("Ready=False/InputNotFound: input git", Some("InputNotFound"))
        );
        assert_eq!(failed.outputs, stored.outputs);
        assert_eq!(after(&failed, &missing).2, None);
        assert_eq!(after(&failed, &done).2.as_deref(), Some("Succeeded"));
        let wrong = Outcome::failed(Failure::new(Fate::Edit, "ValidationFailed", "x"));
        assert!(after(&stored, &wrong).1.contains("Stalled=True/ValidationFailed"));
    }

    #[test]
    fn what_was_made_in_time_stays() {
        let made = OutputStatus {
            build_key: "new".into(),
            ..output("b")
        };
        let all = with_rest(vec![made.clone()], &[output("a"), output("b"), output("c")]);
        assert_eq!(all, [made, output("a"), output("c")]);
    }

    #[test]
    fn texts_of_outputs_are_bounded() {
        assert_eq!(brief("short"), "short");
        let text = brief(&"\u{e4}".repeat(2000));
        assert!(
            text.len() <= 1024 && text.ends_with("\u{e4}..."),
            "{}",
            text.len()
        );
    }

    #[test]
    fn many_failures_are_told_by_the_first_few() {
        let failures = (0..8).map(|number| Failure::new(Fate::Edit, "BuildFailed", format!("f{number}")));
        let outcome = Outcome {
            failures: failures.collect(),
            ..Outcome::default()
        };
        let told = outcome.told().expect("a failure");
        assert_eq!(told.message, "f0; f1; f2; f3; f4; and 3 more");
        assert!(!told.is_stalled());
    }
}
