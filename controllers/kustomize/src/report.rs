//! From how a run ended to conditions, events and the next run: the one table of fates.

use std::collections::BTreeMap;
use std::time::Duration;

use controller_kit::Requeue;
use controller_kit::events::{EventRecord, Regarding, Severity};
use controller_kit::interlock::OWNERSHIP_CONFLICT;
use flux_api::{
    ConditionStatus, ConditionsExt, GoDuration, HEALTHY, KUSTOMIZE_GROUP, Kustomization, KustomizationStatus,
    READY, RECONCILING, REQUESTED_AT, STALLED, event, reason,
};
use jiff::Timestamp;

/// How a run ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The object is gone, or was never held by us.
    Gone,
    /// The object is suspended.
    Suspended,
    /// Everything is in the cluster, and ready if that was asked for.
    Succeeded,
    /// Something outside is missing; an event or a timer brings the next run.
    Waiting(Wait),
    /// A step failed and is tried again after the retry interval.
    Failed(Failure),
    /// The object has to be edited first.
    Refused {
        /// Reason of the condition.
        reason: &'static str,
        /// Text for people.
        message: String,
    },
    /// A newer event ended a wait; the next run starts at once.
    Superseded,
    /// A newer event ended the wait for readiness, and says so; the next run starts at once.
    Canceled {
        /// Kind, namespace and name of what changed.
        by: String,
    },
    /// The controller is shutting down or the API server cannot be written to; nothing can be reported.
    Aborted(String),
}

/// What a run waits for.
#[derive(Debug)]
pub(crate) enum Wait {
    /// The artifact does not exist, or its file does not.
    Artifact(String),
    /// A dependency is not ready.
    Dependency(String),
}

/// A step that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Reason of the condition, such as `BuildFailed`.
    pub(crate) reason: &'static str,
    /// Text for people.
    pub(crate) message: String,
    /// What is not ready, if that is why.
    pub(crate) unhealthy: Option<String>,
    /// Whether it passes by itself, so that the next run comes after the back-off if that is sooner than the retry
    /// interval.
    pub(crate) soon: bool,
}

impl Failure {
    pub(crate) fn new(reason: &'static str, error: impl std::fmt::Display) -> Self {
        Self {
            reason,
            message: error.to_string(),
            unhealthy: None,
            soon: false,
        }
    }

    /// It passes by itself.
    pub(crate) fn soon(self) -> Self {
        Self { soon: true, ..self }
    }

    /// Objects did not become ready; `detail` says which.
    pub(crate) fn unhealthy(after: GoDuration, detail: String) -> Self {
        Self {
            reason: reason::HEALTH_CHECK_FAILED,
            message: format!("health check failed after {after}: {detail}"),
            unhealthy: Some(detail),
            soon: false,
        }
    }
}

/// Numbers that the table needs.
pub(crate) struct Pace {
    /// Next run after success, jitter included.
    pub(crate) interval: Duration,
    /// Next run after a failure.
    pub(crate) retry: Duration,
    /// Next look at what is missing, if no event comes before.
    pub(crate) dependency: Duration,
}

/// Everything that a run leaves behind.
pub(crate) struct Report {
    /// Severity and text of the closing event.
    pub(crate) event: Option<(Severity, &'static str, String)>,
    /// When to run again.
    pub(crate) requeue: Requeue,
    /// Value of the `result` label of the reconcile metrics.
    pub(crate) result: &'static str,
}

/// Writes the end of a run into `status`, and tells what else to do about it; `stage` is how far the run got.
pub(crate) fn conclude(
    outcome: &Outcome,
    object: &Kustomization,
    status: &mut KustomizationStatus,
    stage: &str,
    pace: &Pace,
    took: Duration,
    now: Timestamp,
) -> Report {
    let generation = object.metadata.generation;
    if let Some(requested) = object
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(REQUESTED_AT))
    {
        status.last_handled_reconcile_at.clone_from(requested);
    }
    status.conditions.remove_condition(OWNERSHIP_CONFLICT);
    let mut ready = |value, reason, message: &str| {
        status
            .conditions
            .set_condition(READY, value, reason, message, generation, now);
    };
    let report = match outcome {
        Outcome::Gone | Outcome::Suspended => Report {
            event: None,
            requeue: Requeue::Never,
            result: "success",
        },
        Outcome::Superseded => Report {
            event: None,
            requeue: Requeue::Never,
            result: "requeue",
        },
        Outcome::Canceled { by } => {
            let text = format!("New reconciliation triggered by {by}");
            ready(ConditionStatus::False, reason::HEALTH_CHECK_CANCELED, &text);
            let text = format!("Health checks canceled due to new reconciliation triggered by {by}");
            Report {
                event: Some((Severity::Info, reason::HEALTH_CHECK_CANCELED, text)),
                requeue: Requeue::Never,
                result: "requeue",
            }
        }
        Outcome::Aborted(_) => Report {
            event: None,
            requeue: Requeue::Backoff,
            result: "error",
        },
        Outcome::Succeeded => {
            let revision = status.last_applied_revision.clone();
            ready(
                ConditionStatus::True,
                reason::RECONCILIATION_SUCCEEDED,
                &format!("Applied revision: {revision}"),
            );
            status.observed_generation = generation.unwrap_or_default();
            status.conditions.remove_condition(STALLED);
            let text = format!(
                "Reconciliation finished in {}, next run in {}",
                GoDuration::from(took),
                duration_of(&object.spec.interval)
            );
            Report {
                event: Some((Severity::Info, reason::RECONCILIATION_SUCCEEDED, text)),
                requeue: after(pace.interval),
                result: "requeue_after",
            }
        }
        Outcome::Waiting(Wait::Artifact(message)) => {
            ready(ConditionStatus::False, reason::ARTIFACT_FAILED, message);
            Report {
                event: None,
                requeue: after(pace.dependency.min(pace.retry)),
                result: "requeue_after",
            }
        }
        Outcome::Waiting(Wait::Dependency(message)) => {
            let announced = is_announced(object, reason::DEPENDENCY_NOT_READY, message);
            ready(ConditionStatus::False, reason::DEPENDENCY_NOT_READY, message);
            let text = format!("Dependencies do not meet ready condition: {message}");
            Report {
                event: (!announced).then_some((Severity::Info, reason::DEPENDENCY_NOT_READY, text)),
                requeue: after(pace.dependency),
                result: "requeue_after",
            }
        }
        Outcome::Failed(failure) => {
            let announced = is_announced(object, failure.reason, &failure.message);
            ready(ConditionStatus::False, failure.reason, &failure.message);
            if let Some(detail) = &failure.unhealthy {
                status.conditions.set_condition(
                    HEALTHY,
                    ConditionStatus::False,
                    reason::HEALTH_CHECK_FAILED,
                    detail.as_str(),
                    generation,
                    now,
                );
            }
            let event = (Severity::Error, failure.reason, failure.message.clone());
            Report {
                // What is tried often is said once.
                event: (!(failure.soon && announced)).then_some(event),
                requeue: match after(pace.retry) {
                    Requeue::After(retry) if failure.soon => Requeue::BackoffWithin(retry),
                    _ if failure.soon => Requeue::Backoff,
                    retry => retry,
                },
                result: "requeue_after",
            }
        }
        Outcome::Refused { reason, message } => {
            let announced = is_announced(object, reason, message);
            ready(ConditionStatus::False, reason, message);
            status.conditions.remove_condition(RECONCILING);
            status.conditions.set_condition(
                STALLED,
                ConditionStatus::True,
                reason,
                message.as_str(),
                generation,
                now,
            );
            Report {
                event: (!announced).then(|| (Severity::Error, *reason, message.clone())),
                requeue: Requeue::Never,
                result: "error",
            }
        }
    };
    settle_reconciling(outcome, status, stage, generation, now);
    report
}

/// A finished run is not reconciling; a failed one goes on with retries, and says where it stopped.
fn settle_reconciling(
    outcome: &Outcome,
    status: &mut KustomizationStatus,
    stage: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    if status.conditions.has_status(READY, ConditionStatus::True) {
        status.conditions.remove_condition(RECONCILING);
        if matches!(outcome, Outcome::Suspended) {
            // What is suspended stays as ready as it was: whoever depends on it goes on.
            status.observed_generation = generation.unwrap_or_default();
        }
    } else if let Outcome::Failed(failure) = outcome {
        status.conditions.remove_condition(STALLED);
        let (value, reason) = (ConditionStatus::True, reason::PROGRESSING_WITH_RETRY);
        let message = if stage.is_empty() { &failure.message } else { stage };
        status
            .conditions
            .set_condition(RECONCILING, value, reason, message, generation, now);
    } else if status.conditions.has_status(READY, ConditionStatus::False)
        && let Some(going_on) = status.conditions.get_condition(RECONCILING).cloned()
    {
        let (value, reason) = (ConditionStatus::True, reason::PROGRESSING_WITH_RETRY);
        status
            .conditions
            .set_condition(RECONCILING, value, reason, going_on.message, generation, now);
    }
}

/// Writes that a run goes on: what `flux get` and kstatus show while objects become ready.
pub(crate) fn progress(
    object: &Kustomization,
    status: &mut KustomizationStatus,
    message: &str,
    now: Timestamp,
) {
    go_on(object, status, "Reconciliation in progress", message, now);
}

/// Writes that a run goes on after a failure that may pass, which `Ready` names.
pub(crate) fn retrying(
    object: &Kustomization,
    status: &mut KustomizationStatus,
    stage: &str,
    error: &str,
    now: Timestamp,
) {
    let message = format!("{stage}, retrying: {error}");
    go_on(object, status, &format!("Retrying: {error}"), &message, now);
}

fn go_on(
    object: &Kustomization,
    status: &mut KustomizationStatus,
    unknown: &str,
    message: &str,
    now: Timestamp,
) {
    let generation = object.metadata.generation;
    status.conditions.remove_condition(STALLED);
    let conditions = &mut status.conditions;
    conditions.set_condition(
        READY,
        ConditionStatus::Unknown,
        reason::PROGRESSING,
        unknown,
        generation,
        now,
    );
    conditions.set_condition(
        RECONCILING,
        ConditionStatus::True,
        reason::PROGRESSING,
        message,
        generation,
        now,
    );
}

/// Makes an event about `object`.
pub(crate) fn event_about(
    object: &Kustomization,
    severity: Severity,
    reason: &str,
    message: String,
    revision: Option<(&str, &str)>,
    finished: bool,
) -> EventRecord {
    let meta = &object.metadata;
    let mut metadata = BTreeMap::new();
    let prefix = format!("{}/", flux_api::EVENT_GROUP);
    for (key, value) in meta.annotations.iter().flatten() {
        if key.starts_with(&prefix) {
            metadata.insert(key.clone(), value.clone());
        }
    }
    let mut insert = |key: &str, value: &str| {
        if !value.is_empty() {
            metadata.insert(format!("{KUSTOMIZE_GROUP}/{key}"), value.to_owned());
        }
    };
    if let Some((revision, origin)) = revision {
        insert(event::REVISION, revision);
        insert(event::ORIGIN_REVISION, origin);
    }
    if finished {
        insert(event::COMMIT_STATUS, event::COMMIT_STATUS_UPDATE);
    }
    EventRecord {
        regarding: Regarding {
            api_version: format!("{KUSTOMIZE_GROUP}/v1"),
            kind: "Kustomization".to_owned(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
        },
        severity,
        reason: reason.to_owned(),
        message,
        metadata,
    }
}

/// Tells whether the object says so already, so that a wait is announced once and not at each look.
fn is_announced(object: &Kustomization, reason: &str, message: &str) -> bool {
    let ready = object.status.conditions.get_condition(READY);
    ready.is_some_and(|ready| ready.reason == reason && ready.message == message)
}

/// An interval of zero means that only events bring a run.
fn after(delay: Duration) -> Requeue {
    if delay.is_zero() {
        Requeue::Never
    } else {
        Requeue::After(delay)
    }
}

pub(crate) fn duration_of(duration: &flux_api::Duration) -> GoDuration {
    duration.get().unwrap_or(GoDuration::from(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        progress(&object, &mut status, "working", Timestamp::UNIX_EPOCH);
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
        let failed = |reason| Outcome::Failed(Failure::new(reason, "boom"));
        check(
            &Outcome::Succeeded,
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
            &Outcome::Failed(Failure::new(reason::RECONCILIATION_FAILED, "boom").soon()),
            &[
                ("Reconciling", "True", "ProgressingWithRetry"),
                ("Ready", "False", "ReconciliationFailed"),
            ],
            Requeue::BackoffWithin(PACE.retry),
            true,
            -1,
        );
        check(
            &Outcome::Canceled {
                by: "GitRepository/apps/app".into(),
            },
            &[
                ("Reconciling", "True", "ProgressingWithRetry"),
                ("Ready", "False", "HealthCheckCanceled"),
            ],
            Requeue::Never,
            true,
            -1,
        );
        check(
            &Outcome::Failed(Failure::unhealthy(GoDuration::from(PACE.retry), "a".into())),
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
            &Outcome::Waiting(Wait::Dependency("dependency 'a/b' is not ready".into())),
            &[
                ("Reconciling", "True", "ProgressingWithRetry"),
                ("Ready", "False", "DependencyNotReady"),
            ],
            Requeue::After(PACE.dependency),
            true,
            -1,
        );
        check(
            &Outcome::Refused {
                reason: reason::ACCESS_DENIED,
                message: "no".into(),
            },
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
        let failure = || Failure::new(reason::RECONCILIATION_FAILED, "boom");
        assert!(!says("boom", failure().soon()));
        assert!(says("bang", failure().soon()), "something else");
        assert!(says("boom", failure()), "stock says it at each retry");
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

    #[test]
    fn events_carry_revision_and_copied_annotations() {
        let event = event_about(
            &object(&json!({})),
            Severity::Info,
            "R",
            "m".into(),
            Some(("main@sha1:a", "")),
            true,
        );
        let keys: Vec<_> = event.metadata.keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "event.toolkit.fluxcd.io/team",
                "kustomize.toolkit.fluxcd.io/commit_status",
                "kustomize.toolkit.fluxcd.io/revision"
            ]
        );
    }
}
