use std::time::Duration;

use flux_api::{GoDuration, ReleaseSnapshot};
use jiff::SignedDuration;

use super::super::{Action, Ending, Next, Pace, Performed, action_under_way};
use super::*;

const MINUTES: i64 = 60_000_000_000;

fn status(action: &str, failures: i64) -> Value {
    json!({"lastAttemptedReleaseAction": action, "installFailures": failures, "upgradeFailures": failures, "conditions": [
        condition("Stalled", "True", "Old"), condition("Ready", "False", "UpgradeFailed")]})
}

fn rollback() -> Action {
    Action::Rollback(Box::default())
}

#[test]
fn nothing_is_done_twice_in_a_run() {
    let mut performed = Performed::default();
    assert!(!performed.includes(&Action::Upgrade));
    performed.note(&Action::Install);
    assert!(performed.includes(&Action::Upgrade), "of the same kind");
    assert!(!performed.includes(&Action::Test) && !performed.includes(&rollback()));
    let retry = json!({"upgrade": {"strategy": {"name": "RetryOnFailure", "retryInterval": "2m"}}});
    let rows = [
        (
            json!({}),
            status("", 0),
            Ending::Continue,
            "Reconciling True ProgressingWithRetry: UpgradeFailed",
        ),
        (
            json!({}),
            status("upgrade", 0),
            Ending::Continue,
            "Reconciling True ProgressingWithRetry: UpgradeFailed",
        ),
        (
            json!({}),
            status("upgrade", 1),
            Ending::Done,
            "Stalled True Old: Old",
        ),
        (
            retry,
            status("upgrade", 1),
            Ending::RetryAfter(GoDuration::from_nanos(2 * MINUTES)),
            "Reconciling True ProgressingWithRetry: retrying after 2m0s",
        ),
    ];
    for (spec, status, expected, first) in rows {
        let object = object(&spec, &status);
        let mut status = object.status.clone();
        let ending = Pace::before(&mut machine(&object, &mut status), &performed, &Action::Upgrade);
        assert_eq!(ending, Some(expected), "{spec}");
        assert_eq!(conditions(&status)[0], first);
        assert_eq!(
            Pace::before(&mut machine(&object, &mut status), &performed, &Action::Test),
            None
        );
    }
}

#[test]
fn a_run_stops_after_a_remedy() {
    let two = json!({"upgrade": {"remediation": {"retries": 1}}});
    let uninstall = json!({"upgrade": {"remediation": {"retries": 1, "strategy": "uninstall"}}});
    let stalled = Ending::Stalled("exceeded maximum retries".to_owned());
    for (spec, status, action, expected, first) in [
        (
            &two,
            status("upgrade", 1),
            rollback(),
            Ending::Continue,
            "Reconciling True ProgressingWithRetry: UpgradeFailed",
        ),
        (
            &two,
            status("upgrade", 2),
            rollback(),
            stalled.clone(),
            "Stalled True RetriesExceeded: Failed to upgrade after 2 attempt(s)",
        ),
        // It is installed anew.
        (
            &uninstall,
            status("upgrade", 2),
            Action::Uninstall,
            Ending::Continue,
            "Reconciling True ProgressingWithRetry: UpgradeFailed",
        ),
        (
            &json!({}),
            status("install", 1),
            Action::Uninstall,
            stalled,
            "Stalled True RetriesExceeded: Failed to install after 1 attempt(s)",
        ),
    ] {
        let object = object(spec, &status);
        let mut status = object.status.clone();
        let ending = Pace::after(&mut machine(&object, &mut status), &action, Ok(()));
        assert_eq!(ending, Some(expected), "{spec}");
        assert_eq!(conditions(&status)[0], first);
    }
    let object = object(&json!({}), &status("upgrade", 1));
    let mut status = object.status.clone();
    for action in [
        Action::Install,
        Action::Upgrade,
        Action::Test,
        Action::Unlock,
        Action::CorrectDrift,
    ] {
        assert_eq!(
            Pace::after(&mut machine(&object, &mut status), &action, Ok(())),
            None,
            "{action:?}"
        );
    }
}

#[test]
fn an_error_that_the_release_does_not_remember_is_tried_again() {
    let error = || Err("boom".to_owned());
    for (ready, expected) in [
        ("False", "Ready False UpgradeFailed: UpgradeFailed"),
        ("True", "Ready False ReconcileError: boom"),
    ] {
        let object = object(
            &json!({}),
            &json!({"conditions": [condition("Ready", ready, "UpgradeFailed")]}),
        );
        let mut status = object.status.clone();
        let ending = Pace::after(&mut machine(&object, &mut status), &Action::Upgrade, error());
        assert_eq!(ending, Some(Ending::Failed("boom".to_owned())));
        assert_eq!(conditions(&status), [expected]);
    }
    let object = object(&json!({}), &status("install", 0));
    let mut status = object.status.clone();
    let mut machine = machine(&object, &mut status);
    machine.retry_by_default = true;
    let ending = Pace::after(&mut machine, &Action::Install, error());
    assert_eq!(
        ending,
        Some(Ending::RetryAfter(GoDuration::from_nanos(5 * MINUTES)))
    );
}

#[test]
fn a_run_without_an_action_says_why() {
    let rows = [
        (
            Next::InSync,
            Some(Ending::Done),
            "Ready False UpgradeFailed: UpgradeFailed",
        ),
        (
            Next::LeaveDrift(String::new()),
            Some(Ending::Done),
            "Ready False UpgradeFailed: UpgradeFailed",
        ),
        (
            Next::Exhausted("cannot upgrade release"),
            Some(Ending::Stalled(
                "exceeded maximum retries: cannot upgrade release".to_owned(),
            )),
            "Stalled True RetriesExceeded: Failed to upgrade after 2 attempt(s)",
        ),
        (
            Next::NoRollbackTarget,
            Some(Ending::Stalled(
                "missing target release for rollback: cannot remediate failed release".to_owned(),
            )),
            "Stalled True MissingRollbackTarget: Failed to perform remediation: missing target release for rollback: cannot remediate failed release",
        ),
        (
            Next::Undetermined("x".to_owned()),
            Some(Ending::Failed("cannot determine release state: x".to_owned())),
            "Reconciling True Progressing: Progressing",
        ),
        (
            Next::CompareWithCluster,
            None,
            "Reconciling True Progressing: Progressing",
        ),
    ];
    for (next, expected, first) in rows {
        let object = object(
            &json!({}),
            &json!({"lastAttemptedReleaseAction": "upgrade", "upgradeFailures": 2, "conditions": [
            condition("Reconciling", "True", "Progressing"), condition("Ready", "False", "X"), condition("Released", "False", "UpgradeFailed")]}),
        );
        let mut status = object.status.clone();
        let ending = Pace::without_action(&mut machine(&object, &mut status), &next);
        assert_eq!(ending, expected, "{next:?}");
        assert_eq!(conditions(&status)[0], first, "{next:?}");
    }
}

#[test]
fn an_action_is_announced_with_its_limit() {
    let spec = json!({"timeout": "1m", "upgrade": {"timeout": "90s"}});
    for (action, expected) in [
        (
            Action::Upgrade,
            vec![
                "Reconciling True Progressing: Running 'upgrade' action with timeout of 1m30s",
                "Ready Unknown Progressing: Running 'upgrade' action with timeout of 1m30s",
            ],
        ),
        (
            Action::Test,
            vec![
                "Reconciling True Progressing: Running 'test' action with timeout of 1m0s",
                "Ready False UpgradeFailed: UpgradeFailed",
            ],
        ),
        (
            Action::CorrectDrift,
            vec![
                "Reconciling True Progressing: Running 'correct cluster drift' action with timeout of 1m0s",
                "Ready False UpgradeFailed: UpgradeFailed",
            ],
        ),
    ] {
        let object = object(&spec, &status("upgrade", 1));
        let mut status = object.status.clone();
        machine(&object, &mut status).announce(&action);
        assert_eq!(conditions(&status), expected);
    }
    assert_eq!(
        machine(&object(&json!({}), &json!({})), &mut HelmReleaseStatus::default())
            .timeout_of(&Action::Unlock)
            .to_string(),
        "5m0s"
    );
}

#[test]
fn only_what_came_to_an_end_counts_as_observed() {
    for (ending, observed) in [
        (Ending::Done, true),
        (Ending::RetryAfter(GoDuration::default()), true),
        (Ending::Stalled(String::new()), true),
        (Ending::Continue, false),
        (Ending::Failed(String::new()), false),
    ] {
        assert_eq!(ending.is_observed(), observed, "{ending:?}");
    }
}

/// A status that announces something.
fn announced(status: &str, message: &str) -> HelmReleaseStatus {
    let mut condition = condition("Reconciling", status, "Progressing");
    condition["message"] = message.into();
    object(&json!({}), &json!({"conditions": [condition]})).status
}

/// A time so many seconds after the announcement.
fn at(seconds: i64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

const UPGRADE: &str = "Running 'upgrade' action with timeout of 1m30s";

#[test]
fn what_was_announced_goes_on_until_its_time_is_over() {
    let left = |status: &str, message: &str, now: i64| {
        let status = announced(status, message);
        action_under_way(&status, &status, at(now)).map(|left| left.as_secs())
    };
    for (status, message, now, expected) in [
        // It applies objects before it waits for them, and its timeout counts from then on.
        ("True", UPGRADE, 0, Some(120)),
        ("True", UPGRADE, 119, Some(1)),
        ("True", UPGRADE, 120, None),
        ("True", UPGRADE, 1000, None),
        // The clocks of two controllers differ.
        ("True", UPGRADE, -5, Some(120)),
        ("False", UPGRADE, 0, None),
        (
            "True",
            "Running 'correct cluster drift' action with timeout of 5s",
            1,
            Some(4),
        ),
        ("True", "Running 'unlock' action with timeout of 5m0s", 1, Some(9)),
        ("True", "Running 'upgrade' action with timeout of soon", 0, None),
        ("True", "Fulfilling prerequisites", 0, None),
        ("True", "retrying after 1m0s", 0, None),
    ] {
        assert_eq!(left(status, message, now), expected, "{status} {message} {now}");
    }
    let nothing = HelmReleaseStatus::default();
    assert_eq!(action_under_way(&nothing, &nothing, at(0)), None);
}

#[test]
fn what_came_of_it_tells_that_it_is_over() {
    let history = json!({"history": [snapshot(1, "deployed")]});
    let before = HelmReleaseStatus {
        history: object(&json!({}), &history).status.history,
        ..announced("True", UPGRADE)
    };
    let goes_on = |now: &HelmReleaseStatus| action_under_way(now, &before, at(1)).is_some();
    assert!(goes_on(&before));
    let mut now = before.clone();
    now.last_attempted_generation = 7;
    now.last_attempted_revision = "2.0.0".to_owned();
    assert!(goes_on(&now), "that is written before it begins");
    now.history.clear();
    assert!(
        goes_on(&now),
        "a history that is another release's is dropped before it begins"
    );
    let mut now = before.clone();
    now.last_attempted_release_action_duration = Some(GoDuration::from(Duration::from_secs(3)).into());
    assert!(!goes_on(&now), "it failed before there was a record");
    let mut now = before.clone();
    now.history.add(ReleaseSnapshot {
        version: 2,
        ..ReleaseSnapshot::default()
    });
    assert!(!goes_on(&now));
}
