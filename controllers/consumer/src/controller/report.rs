//! What became of a look, as statuses and events say it: pure functions.

use artifact_crd::ConsumerStatus;
use controller_kit::author::{Failure, Fate};
use controller_kit::events::Severity;
use flux_api::{ConditionStatus, ConditionsExt, READY, RECONCILING, STALLED, reason};
use k8s_openapi::jiff::Timestamp;

use crate::inputs::Inputs;

/// A look after which everything is deployed.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) revision: String,
    pub(crate) message: String,
}

/// Whether what an object refers to is what was deployed last.
pub(crate) fn is_deployed(status: &ConsumerStatus, inputs: &Inputs) -> bool {
    status.conditions.has_status(READY, ConditionStatus::True)
        && status.last_applied_revision.as_deref() == Some(inputs.revisions().as_str())
}

/// Gives the status after a look at a generation.
pub(crate) fn status(
    before: &ConsumerStatus,
    generation: Option<i64>,
    handled: Option<String>,
    attempted: Option<String>,
    result: &Result<Done, Failure>,
    now: Timestamp,
) -> ConsumerStatus {
    let mut status = before.clone();
    status.observed_generation = generation;
    if handled.is_some() {
        status.last_handled_reconcile_at = handled;
    }
    if attempted.is_some() {
        status.last_attempted_revision = attempted;
    }
    let conditions = &mut status.conditions;
    conditions.remove_condition(RECONCILING);
    let (yes, no) = (ConditionStatus::True, ConditionStatus::False);
    match result {
        Ok(done) => {
            conditions.remove_condition(STALLED);
            conditions.set_condition(READY, yes, reason::SUCCEEDED, &done.message, generation, now);
            status.last_applied_revision = Some(done.revision.clone());
        }
        Err(failure) => {
            let (why, message) = (failure.reason(), failure.message());
            conditions.set_condition(READY, no, why, message, generation, now);
            if failure.fate() == Fate::Edit {
                conditions.set_condition(STALLED, yes, why, message, generation, now);
            } else {
                conditions.remove_condition(STALLED);
            }
        }
    }
    status
}

/// Gives the event of a look: its severity, reason and text; nothing where nothing is new.
pub(crate) fn event(
    before: &ConsumerStatus,
    result: &Result<Done, Failure>,
) -> Option<(Severity, String, String)> {
    let ready = before.conditions.get_condition(READY);
    match result {
        Ok(done) => {
            let is_new = before.last_applied_revision.as_ref() != Some(&done.revision);
            let failed = ready.is_some_and(|ready| ready.status == "False");
            let event = (Severity::Info, reason::SUCCEEDED.to_owned(), done.message.clone());
            (is_new || failed).then_some(event)
        }
        Err(failure) => {
            let (why, message) = (failure.reason(), failure.message());
            let told = ready.is_some_and(|ready| {
                ready.status == "False" && ready.reason == why && ready.message == message
            });
            (!told).then(|| (Severity::Error, why.to_owned(), message.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "as a look gives it")]
    fn done(revision: &str) -> Result<Done, Failure> {
        Ok(Done {
            revision: revision.to_owned(),
            message: format!("2 files of {revision}"),
        })
    }

    fn after(before: &ConsumerStatus, result: &Result<Done, Failure>) -> ConsumerStatus {
        let attempted = Some("2".to_owned());
        status(
            before,
            Some(3),
            Some("now".to_owned()),
            attempted,
            result,
            Timestamp::UNIX_EPOCH,
        )
    }

    fn conditions(status: &ConsumerStatus) -> String {
        let all = status.conditions.iter();
        let all: Vec<_> = all
            .map(|condition| format!("{}={}/{}", condition.type_, condition.status, condition.reason))
            .collect();
        all.join(" ")
    }

    #[test]
    fn a_failure_keeps_what_was_deployed_and_passes() {
        let deployed = after(&ConsumerStatus::default(), &done("1"));
        assert_eq!(conditions(&deployed), "Ready=True/Succeeded");
        assert_eq!(deployed.last_handled_reconcile_at.as_deref(), Some("now"));
        let failed = after(&deployed, &Err(Failure::retry("ApplyFailed", "no")));
        assert_eq!(conditions(&failed), "Ready=False/ApplyFailed");
        assert_eq!(failed.last_applied_revision.as_deref(), Some("1"));
        assert_eq!(failed.last_attempted_revision.as_deref(), Some("2"));
        let stalled = after(&failed, &Err(Failure::edit("PathNotFound", "none")));
        assert_eq!(
            conditions(&stalled),
            "Stalled=True/PathNotFound Ready=False/PathNotFound"
        );
        assert_eq!(conditions(&after(&stalled, &done("2"))), "Ready=True/Succeeded");
    }

    #[test]
    fn events_tell_what_is_new() {
        let new = ConsumerStatus::default();
        let told = |before: &ConsumerStatus, result: &Result<Done, Failure>| {
            event(before, result).map(|(_, reason, _)| reason)
        };
        let deployed = after(&new, &done("1"));
        assert_eq!(told(&new, &done("1")).as_deref(), Some("Succeeded"));
        assert_eq!(told(&deployed, &done("1")), None);
        assert_eq!(told(&deployed, &done("2")).as_deref(), Some("Succeeded"));
        let failure = Err(Failure::retry("ApplyFailed", "no"));
        assert_eq!(told(&deployed, &failure).as_deref(), Some("ApplyFailed"));
        let failed = after(&deployed, &failure);
        assert_eq!(told(&failed, &failure), None);
        assert_eq!(told(&failed, &done("1")).as_deref(), Some("Succeeded"));
    }
}
