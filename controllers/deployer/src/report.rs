//! From how a run ended to conditions, events and the next run: the one table of fates.

use std::time::Duration;

use controller_kit::Requeue;
use controller_kit::events::Severity;
use controller_kit::interlock::OWNERSHIP_CONFLICT;
use flux_api::{
    ConditionStatus, ConditionsExt, Deployed, DeployedStatus, GoDuration, READY, RECONCILING, STALLED, reason,
};
use jiff::Timestamp;

use crate::conditions::Conditions;
use crate::outcome::{Conclusion, Failure, Fate, Halt, Next, Outcome, Wait};
use crate::step::Refusal;

/// Numbers that the table needs.
pub(crate) struct Pace {
    /// Next run after success, jitter included.
    pub(crate) interval: Duration,
    /// Next run after a failure.
    pub(crate) retry: Duration,
    /// Next look at what is missing, if no event comes before.
    pub(crate) dependency: Duration,
    /// How much longer or shorter a spread time is.
    pub(crate) spread: f64,
}

impl Pace {
    /// Takes the pace of an object: its interval spread evenly over plus and minus `jitter` percent.
    pub(crate) fn of(object: &impl Deployed, jitter: u8, dependency: Duration) -> Self {
        let share = f64::from(jitter.min(100)) / 100.0;
        let spread = 1.0 + share * (fastrand::f64() * 2.0 - 1.0);
        Self {
            interval: object.interval().to_std().mul_f64(spread),
            retry: object.retry_interval().to_std(),
            dependency,
            spread,
        }
    }
}

/// Everything that a run leaves behind, besides the status.
pub(crate) struct Report {
    /// Severity, reason and text of the closing event.
    pub(crate) event: Option<(Severity, &'static str, String)>,
    /// When to run again.
    pub(crate) requeue: Requeue,
    /// Value of the `result` label of the reconcile metrics.
    pub(crate) result: &'static str,
}

impl Report {
    fn silent(requeue: Requeue, result: &'static str) -> Self {
        Self {
            event: None,
            requeue,
            result,
        }
    }
}

/// Writes the end of a run into `status`, and tells what else to do about it; `stage` is how far the run got.
pub(crate) fn conclude<O: Deployed>(
    outcome: &Outcome,
    object: &O,
    status: &mut O::Status,
    stage: &str,
    pace: &Pace,
    took: Duration,
    now: Timestamp,
) -> Report {
    let generation = object.meta().generation.unwrap_or_default();
    // A run that gave way to the next one, or got nowhere, leaves to it what was asked for.
    let annotations = object.meta().annotations.as_ref();
    let leaves_requests = matches!(outcome, Outcome::Halted(Halt::Superseded | Halt::Aborted(_)));
    if let Some(annotations) = annotations.filter(|_| !leaves_requests) {
        status.handle_requests(annotations);
    }
    let mut conditions = Conditions::of(object, status, now);
    conditions.remove(OWNERSHIP_CONFLICT);
    let report = match outcome {
        Outcome::Gone | Outcome::Suspended => Report::silent(Requeue::Never, "success"),
        Outcome::Concluded(Conclusion {
            next,
            is_observed,
            error,
        }) => {
            if *is_observed {
                status.set_observed_generation(generation);
            }
            let (requeue, result) = match next {
                Next::Interval => (after(pace.interval), "requeue_after"),
                Next::After(delay) => (after(*delay), "requeue_after"),
                Next::Around(delay) => (after(delay.mul_f64(pace.spread)), "requeue_after"),
                Next::Backoff => (Requeue::Backoff, "requeue"),
                Next::Event => (Requeue::Never, "success"),
            };
            return Report::silent(requeue, if error.is_some() { "error" } else { result });
        }
        Outcome::Halted(Halt::Superseded | Halt::HandedOver) => Report::silent(Requeue::Never, "requeue"),
        Outcome::Halted(Halt::Aborted(_)) => Report::silent(Requeue::Backoff, "error"),
        Outcome::Halted(Halt::Canceled { by }) => {
            let text = format!("New reconciliation triggered by {by}");
            conditions.not_ready(reason::HEALTH_CHECK_CANCELED, &text);
            let text = format!("Health checks canceled due to new reconciliation triggered by {by}");
            Report {
                event: Some((Severity::Info, reason::HEALTH_CHECK_CANCELED, text)),
                requeue: Requeue::Never,
                result: "requeue",
            }
        }
        Outcome::Succeeded(success) => {
            conditions.ready(success.reason, &success.message);
            conditions.remove(STALLED);
            status.set_observed_generation(generation);
            let (took, interval) = (GoDuration::from(took), object.interval());
            let text = format!("Reconciliation finished in {took}, next run in {interval}");
            Report {
                event: Some((Severity::Info, success.reason, text)),
                requeue: after(pace.interval),
                result: "requeue_after",
            }
        }
        Outcome::Waiting(Wait::Artifact(message)) => {
            conditions.not_ready(reason::ARTIFACT_FAILED, message);
            Report::silent(after(pace.dependency), "requeue_after")
        }
        Outcome::Waiting(Wait::Dependency { message, told }) => {
            conditions.not_ready(reason::DEPENDENCY_NOT_READY, message);
            let announced = is_announced(object, reason::DEPENDENCY_NOT_READY, message);
            let names = || format!("Dependencies do not meet ready condition: {message}");
            let text = told.clone().unwrap_or_else(names);
            Report {
                event: (!announced).then_some((Severity::Info, reason::DEPENDENCY_NOT_READY, text)),
                requeue: after(pace.dependency),
                result: "requeue_after",
            }
        }
        Outcome::Failed(failure) => {
            conditions.not_ready(failure.reason, &failure.message);
            if let Some(detail) = &failure.unhealthy {
                conditions.healthy(ConditionStatus::False, reason::HEALTH_CHECK_FAILED, detail);
            }
            // What is tried often is said once.
            let again = is_announced(object, failure.reason, &failure.message);
            let told = failure.told.as_ref().unwrap_or(&failure.message);
            let event = (Severity::Error, failure.reason, told.clone());
            Report {
                event: (failure.fate == Fate::Retry || !again).then_some(event),
                requeue: next_try(failure, pace.retry),
                result: "requeue_after",
            }
        }
        Outcome::Refused(Refusal { reason, message }) => {
            conditions.not_ready(reason, message);
            conditions.stalled(reason, message);
            if *reason == reason::INVALID_CEL_EXPRESSION {
                status.set_observed_generation(generation);
            }
            let announced = is_announced(object, reason, message);
            Report {
                event: (!announced).then(|| (Severity::Error, *reason, message.clone())),
                requeue: Requeue::Never,
                result: "error",
            }
        }
    };
    settle_reconciling(outcome, object, status, stage, now);
    report
}

/// A finished run is not reconciling; a failed one goes on with retries, and says where it stopped.
fn settle_reconciling<O: Deployed>(
    outcome: &Outcome,
    object: &O,
    status: &mut O::Status,
    stage: &str,
    now: Timestamp,
) {
    let is = |value| status.conditions().has_status(READY, value);
    if is(ConditionStatus::True) {
        if matches!(outcome, Outcome::Suspended) {
            // What is suspended stays as ready as it was: whoever depends on it goes on.
            status.set_observed_generation(object.meta().generation.unwrap_or_default());
        }
        Conditions::of(object, status, now).remove(RECONCILING);
    } else if let Outcome::Failed(failure) = outcome {
        let message = if stage.is_empty() { &failure.message } else { stage };
        let mut conditions = Conditions::of(object, status, now);
        conditions.remove(STALLED);
        conditions.retrying(message);
    } else if is(ConditionStatus::False)
        && let Some(going_on) = status.conditions().get_condition(RECONCILING).cloned()
    {
        Conditions::of(object, status, now).retrying(&going_on.message);
    }
}

/// Tells whether the object says so already, so that a wait is announced once and not at each look.
fn is_announced(object: &impl Deployed, reason: &str, message: &str) -> bool {
    let ready = object.status().conditions().get_condition(READY);
    ready.is_some_and(|ready| ready.reason == reason && ready.message == message)
}

fn next_try(failure: &Failure, retry: Duration) -> Requeue {
    match (failure.fate, after(retry)) {
        (Fate::Retry, retry) => retry,
        (Fate::RetrySoon, Requeue::After(retry)) => Requeue::BackoffWithin(retry),
        (Fate::RetrySoon, _) => Requeue::Backoff,
    }
}

/// An interval of zero means that only events bring a run.
fn after(delay: Duration) -> Requeue {
    if delay.is_zero() {
        Requeue::Never
    } else {
        Requeue::After(delay)
    }
}

#[cfg(test)]
mod tests {
    use flux_api::{Kustomization, REQUESTED_AT};
    use serde_json::json;

    use super::*;
    use crate::outcome::Success;

    fn object(status: &serde_json::Value) -> Kustomization {
        serde_json::from_value(json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "app", "namespace": "apps", "generation": 2, "annotations": {
                REQUESTED_AT: "now", "event.toolkit.fluxcd.io/team": "a"}},
            "spec": {"interval": "10m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "app"}},
            "status": status,
        }))
        .unwrap()
    }

    const PACE: Pace = Pace {
        interval: Duration::from_mins(10),
        retry: Duration::from_mins(2),
        dependency: Duration::from_secs(30),
        spread: 1.05,
    };

    fn check(
        outcome: &Outcome,
        expected: &[(&str, &str, &str)],
        requeue: Requeue,
        evented: bool,
        observed: i64,
    ) {
        let object = object(&json!({"observedGeneration": -1, "lastAppliedRevision": "main@sha1:a"}));
        let mut status = object.status.clone();
        let mut conditions = Conditions::of(&object, &mut status, Timestamp::UNIX_EPOCH);
        conditions.in_progress("Reconciliation in progress", "working");
        let report = conclude(
            outcome,
            &object,
            &mut status,
            "",
            &PACE,
            Duration::from_secs(1),
            Timestamp::UNIX_EPOCH,
        );
        let conditions: Vec<_> = status
            .conditions
            .iter()
            .map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str()))
            .collect();
        assert_eq!(conditions, expected, "{outcome:?}");
        assert_eq!(report.requeue, requeue, "{outcome:?}");
        assert_eq!(report.event.is_some(), evented, "{outcome:?}");
        assert_eq!(status.observed_generation, observed, "{outcome:?}");
        assert_eq!(status.last_handled_reconcile_at, "now");
    }

    #[test]
    fn every_outcome_has_its_conditions_event_and_next_run() {
        let failed = |reason| Outcome::Failed(Failure::new(reason, Fate::Retry, "boom"));
        let succeeded = Success {
            reason: reason::RECONCILIATION_SUCCEEDED,
            message: "Applied revision: main@sha1:a".into(),
        };
        check(
            &Outcome::Succeeded(succeeded),
            &[("Ready", "True", "ReconciliationSucceeded")],
            Requeue::After(PACE.interval),
            true,
            2,
        );
        check(
            &failed(reason::BUILD_FAILED),
            &[
                ("Reconciling", "True", "ProgressingWithRetry"),
                ("Ready", "False", "BuildFailed"),
            ],
            Requeue::After(PACE.retry),
            true,
            -1,
        );
        check(
            &Outcome::Failed(Failure::new(
                reason::RECONCILIATION_FAILED,
                Fate::RetrySoon,
                "boom",
            )),
            &[
                ("Reconciling", "True", "ProgressingWithRetry"),
                ("Ready", "False", "ReconciliationFailed"),
            ],
            Requeue::BackoffWithin(PACE.retry),
            true,
            -1,
        );
        check(
            &Outcome::Halted(Halt::Canceled {
                by: "GitRepository/apps/app".into(),
            }),
            &[
                ("Reconciling", "True", "ProgressingWithRetry"),
                ("Ready", "False", "HealthCheckCanceled"),
            ],
            Requeue::Never,
            true,
            -1,
        );
        check(
            &Outcome::Failed(Failure {
                unhealthy: Some("a".into()),
                ..Failure::new(reason::HEALTH_CHECK_FAILED, Fate::Retry, "boom")
            }),
            &[
                ("Reconciling", "True", "ProgressingWithRetry"),
                ("Ready", "False", "HealthCheckFailed"),
                ("Healthy", "False", "HealthCheckFailed"),
            ],
            Requeue::After(PACE.retry),
            true,
            -1,
        );
        check(
            &Outcome::Waiting(Wait::Artifact("there is none".into())),
            &[
                ("Reconciling", "True", "ProgressingWithRetry"),
                ("Ready", "False", "ArtifactFailed"),
            ],
            Requeue::After(PACE.dependency),
            false,
            -1,
        );
        check(
            &Outcome::Waiting(Wait::Dependency {
                message: "dependency 'a/b' is not ready".into(),
                told: None,
            }),
            &[
                ("Reconciling", "True", "ProgressingWithRetry"),
                ("Ready", "False", "DependencyNotReady"),
            ],
            Requeue::After(PACE.dependency),
            true,
            -1,
        );
        check(
            &Outcome::Refused(Refusal {
                reason: reason::ACCESS_DENIED,
                message: "no".into(),
            }),
            &[
                ("Stalled", "True", "AccessDenied"),
                ("Ready", "False", "AccessDenied"),
            ],
            Requeue::Never,
            true,
            -1,
        );
    }

    #[test]
    fn a_deployer_may_conclude_in_its_own_words() {
        let at_work: &[_] = &[
            ("Reconciling", "True", "Progressing"),
            ("Ready", "Unknown", "Progressing"),
        ];
        for (next, requeue) in [
            (Next::Interval, Requeue::After(PACE.interval)),
            (Next::After(PACE.dependency), Requeue::After(PACE.dependency)),
            (
                Next::Around(PACE.dependency),
                Requeue::After(Duration::from_millis(31_500)),
            ),
            (Next::Backoff, Requeue::Backoff),
            (Next::Event, Requeue::Never),
        ] {
            for (is_observed, observed) in [(true, 2), (false, -1)] {
                let conclusion = Conclusion {
                    next,
                    is_observed,
                    error: None,
                };
                check(&Outcome::Concluded(conclusion), at_work, requeue, false, observed);
            }
        }
    }

    #[test]
    fn what_is_tried_often_is_said_once() {
        let condition = |message: &str| {
            json!({"type": "Ready", "status": "False", "reason": reason::RECONCILIATION_FAILED,
                "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let says = |before: &str, failure: Failure| {
            let object = object(&json!({"conditions": [condition(before)]}));
            let (took, now) = (Duration::ZERO, Timestamp::UNIX_EPOCH);
            let outcome = Outcome::Failed(failure);
            let mut status = object.status.clone();
            let report = conclude(&outcome, &object, &mut status, "", &PACE, took, now);
            report.event.is_some()
        };
        let failure = |fate| Failure::new(reason::RECONCILIATION_FAILED, fate, "boom");
        assert!(!says("boom", failure(Fate::RetrySoon)));
        assert!(says("bang", failure(Fate::RetrySoon)), "something else");
        assert!(says("boom", failure(Fate::Retry)), "stock says it at each retry");
    }

    #[test]
    fn a_wait_for_a_dependency_names_it_unless_the_deployer_has_words_of_its_own() {
        let tells = |told: Option<&str>| {
            let object = object(&json!({}));
            let (took, now) = (Duration::ZERO, Timestamp::UNIX_EPOCH);
            let outcome = Outcome::Waiting(Wait::Dependency {
                message: "dependency 'a/b' is not ready".to_owned(),
                told: told.map(ToOwned::to_owned),
            });
            let mut status = object.status.clone();
            let report = conclude(&outcome, &object, &mut status, "", &PACE, took, now);
            report.event.map(|(_, _, text)| text).unwrap_or_default()
        };
        let names = "Dependencies do not meet ready condition: dependency 'a/b' is not ready";
        assert_eq!(tells(None), names);
        assert_eq!(tells(Some("in a while")), "in a while");
    }

    #[test]
    fn what_is_suspended_stays_as_ready_as_it_was() {
        for (ready, observed) in [("True", 2), ("False", 1)] {
            let condition = json!({"type": "Ready", "status": ready, "reason": "R", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"});
            let object = object(&json!({"observedGeneration": 1, "conditions": [condition]}));
            let mut status = object.status.clone();
            let (took, now) = (Duration::ZERO, Timestamp::UNIX_EPOCH);
            conclude(&Outcome::Suspended, &object, &mut status, "", &PACE, took, now);
            assert_eq!(status.observed_generation, observed, "{ready}");
            assert!(status.conditions.has_status(READY, ConditionStatus::True) == (ready == "True"));
        }
    }
}
