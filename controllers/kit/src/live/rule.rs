//! What a wait asks of an object.

use super::health::Health;
use crate::object::ObjectId;
use crate::readiness::Status;

/// When an object counts as ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// It is what its spec asks for, and a Job has completed.
    #[default]
    Ready,
    /// The same, but of a Job nobody asks more than that it has begun.
    Begun,
    /// A Job has completed, a Pod has succeeded; whatever else is there is ready.
    Finished,
    /// It is not there any more.
    Gone,
}

impl Rule {
    /// Gives the health of an object as the rule sees it.
    pub(super) fn judge(self, id: &ObjectId, health: Health) -> Health {
        let is = |group: &str, kind: &str| (id.group.as_str(), id.kind.as_str()) == (group, kind);
        let is_there = !matches!(health.plain(), Status::NotFound | Status::Unknown);
        match self {
            Self::Begun if is_there && is("batch", "Job") => health.otherwise(),
            Self::Finished if is_there && is("", "Pod") => health.otherwise(),
            Self::Finished if is_there && !is("batch", "Job") => Health::certain(Status::Current),
            Self::Ready | Self::Begun | Self::Finished => health,
            Self::Gone if is_there => Health::certain(Status::Terminating),
            Self::Gone if health.plain() == Status::NotFound => Health::certain(Status::Current),
            Self::Gone => health,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn judged(rule: Rule, object: &Value) -> Status {
        let id = crate::object::id_of(object);
        rule.judge(&id, Health::of(object)).status(0)
    }

    #[test]
    fn each_rule_asks_for_something_else() {
        let job = |status: Value| json!({"apiVersion": "batch/v1", "kind": "Job", "status": status});
        let pod = |phase: &str| json!({"apiVersion": "v1", "kind": "Pod", "status": {"phase": phase}});
        let running = job(json!({"startTime": "2026-01-01T00:00:00Z"}));
        let over = |kind: &str| job(json!({"conditions": [{"type": kind, "status": "True"}]}));
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim"});
        use Rule::{Begun, Finished, Gone, Ready};
        use Status::{Current, Failed, InProgress, Terminating};
        for (object, expected) in [
            (&job(json!({})), [InProgress, InProgress, InProgress, Terminating]),
            (&running, [InProgress, Current, InProgress, Terminating]),
            (&over("Complete"), [Current, Current, Current, Terminating]),
            (&over("Failed"), [Failed, Failed, Failed, Terminating]),
            (&pod("Pending"), [InProgress, InProgress, InProgress, Terminating]),
            (&pod("Succeeded"), [Current, Current, Current, Terminating]),
            (&pod("Failed"), [Current, Current, Failed, Terminating]),
            (&claim, [InProgress, InProgress, Current, Terminating]),
        ] {
            let found = [Ready, Begun, Finished, Gone].map(|rule| judged(rule, object));
            assert_eq!(found, expected, "{object}");
        }
    }

    #[test]
    fn what_is_not_there_is_ready_only_if_it_is_to_go() {
        let id = crate::object::id_of(&json!({"apiVersion": "v1", "kind": "Pod"}));
        let judged = |rule: Rule, health: Health| rule.judge(&id, health).status(0);
        for rule in [Rule::Ready, Rule::Begun, Rule::Finished] {
            assert_eq!(judged(rule, Health::not_found()), Status::NotFound);
            assert_eq!(judged(rule, Health::unknown("no answer")), Status::Unknown);
        }
        assert_eq!(judged(Rule::Gone, Health::not_found()), Status::Current);
        assert_eq!(judged(Rule::Gone, Health::unknown("no answer")), Status::Unknown);
    }
}
