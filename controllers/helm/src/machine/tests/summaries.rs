use super::super::decide::State;
use super::super::{Action, Next};
use super::*;

fn summary(spec: &Value, conditions_before: &Value) -> Vec<String> {
    let object = object(spec, &json!({"conditions": conditions_before}));
    let mut status = object.status.clone();
    machine(&object, &mut status).summarize();
    conditions(&status)
}

#[test]
fn ready_is_what_counts_most() {
    let released = |status: &str| condition("Released", status, "UpgradeX");
    let test = json!({"test": {"enable": true}});
    let rows = [
        (json!({}), json!([]), vec![]),
        (json!({}), json!([released("True")]), vec!["Ready True UpgradeX"]),
        (
            json!({}),
            json!([released("False")]),
            vec!["Ready False UpgradeX"],
        ),
        (
            json!({}),
            json!([condition("Stalled", "True", "S"), released("True")]),
            vec!["Ready True UpgradeX"],
        ),
        (
            json!({}),
            json!([condition("Stalled", "True", "S"), released("False")]),
            vec!["Stalled True S", "Ready False UpgradeX"],
        ),
        (
            json!({}),
            json!([released("True"), condition("Remediated", "True", "R")]),
            vec!["Ready False R"],
        ),
        (
            json!({}),
            json!([released("True"), condition("TestSuccess", "False", "T")]),
            vec!["Ready True UpgradeX"],
        ),
        (
            test.clone(),
            json!([released("True"), condition("TestSuccess", "False", "T")]),
            vec!["Ready False T"],
        ),
        (
            test.clone(),
            json!([released("True"), condition("TestSuccess", "Unknown", "T")]),
            vec!["Ready Unknown T"],
        ),
        (
            json!({"test": {"enable": true, "ignoreFailures": true}}),
            json!([released("True"), condition("TestSuccess", "False", "T")]),
            vec!["Ready True UpgradeX"],
        ),
        // Without any of them, whatever comes first counts.
        (
            json!({}),
            json!([condition("Reconciling", "True", "P")]),
            vec!["Reconciling True P", "Ready True P"],
        ),
    ];
    for (spec, before, expected) in rows {
        let all = summary(&spec, &before);
        let short: Vec<_> = all
            .iter()
            .filter(|line| ["Ready", "Stalled", "Reconciling"].contains(&line.split(' ').next().unwrap()))
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect();
        assert_eq!(short, expected, "{spec} {before}");
    }
    assert!(
        !summary(
            &json!({}),
            &json!([released("True"), condition("TestSuccess", "False", "T")])
        )
        .join(" ")
        .contains("TestSuccess")
    );
}

#[test]
fn a_newer_generation_counts_more() {
    let mut old = condition("Remediated", "True", "R");
    old["observedGeneration"] = json!(0);
    let all = summary(&json!({}), &json!([condition("Released", "True", "U"), old]));
    assert_eq!(all[0], "Ready True U: U");
}

#[test]
fn digests_of_what_was_reconciled_are_remembered() {
    let object = object(
        &json!({}),
        &json!({"conditions": [condition("Released", "False", "UpgradeFailed")],
        "observedPostRenderersDigest": "sha256:old"}),
    );
    let mut status = object.status.clone();
    let mut machine = machine(&object, &mut status);
    machine.common_metadata = "sha256:new";
    machine.summarize();
    assert_eq!(status.observed_post_renderers_digest, "");
    assert_eq!(status.observed_common_metadata_digest, "sha256:new");
}

/// What `next` makes of these conditions.
fn settled(spec: &Value, conditions_before: &Value, next: &Next) -> (Vec<String>, Vec<super::super::Event>) {
    let object = object(
        spec,
        &json!({"conditions": conditions_before, "history": [snapshot(2, "deployed"), snapshot(1, "superseded")]}),
    );
    let mut status = object.status.clone();
    let events = machine(&object, &mut status).settle(next);
    (conditions(&status), events)
}

#[test]
fn what_is_in_order_says_so() {
    let good = "release apps/web.v2 with chart hello@0.1.0";
    let released = format!("Released True UpgradeSucceeded: Helm upgrade succeeded for {good}");
    // A rollback has led to what is wanted.
    let remediated = || {
        json!([
            condition("Ready", "False", "RollbackSucceeded"),
            condition("Released", "False", "UpgradeFailed"),
            condition("Remediated", "True", "RollbackSucceeded")
        ])
    };
    let (after, _) = settled(&json!({}), &remediated(), &Next::InSync);
    assert_eq!(
        after,
        [
            "Ready False RollbackSucceeded: RollbackSucceeded".to_owned(),
            released.clone()
        ]
    );
    let untested = Next::Run {
        action: Action::Test,
        state: State::Untested,
        reason: String::new(),
    };
    assert_eq!(settled(&json!({}), &remediated(), &untested).0, after);
    // What failed before works by now.
    for (failed, verb) in [("UpgradeFailed", "upgrade"), ("InstallFailed", "install")] {
        let before = json!([
            condition("Ready", "False", failed),
            condition("Released", "False", failed)
        ]);
        let (after, _) = settled(&json!({}), &before, &Next::InSync);
        let text = format!(
            "True {}Succeeded: Helm {verb} succeeded for {good}",
            failed.trim_end_matches("Failed")
        );
        assert_eq!(after, [format!("Ready {text}"), format!("Released {text}")]);
    }
    let (after, events) = settled(
        &json!({"driftDetection": {"mode": "warn"}}),
        &json!([]),
        &Next::InSync,
    );
    assert_eq!(
        after,
        ["Drifted False NoDriftDetected: No drift detected against the cluster state"]
    );
    assert!(events.is_empty());
}

#[test]
fn drift_is_told_each_time() {
    let (after, events) = settled(
        &json!({}),
        &json!([]),
        &Next::LeaveDrift("Deployment/apps/web removed".to_owned()),
    );
    let text = "Cluster state of release apps/web.v2 has drifted from the desired state:\nDeployment/apps/web removed";
    assert_eq!(after, [format!("Drifted True DriftDetected: {text}")]);
    assert_eq!(
        (events[0].message.as_str(), events[0].is_error, &events[0].about),
        (text, true, &None)
    );
}

#[test]
fn history_is_cut_as_the_state_asks() {
    let history = || {
        json!([
            snapshot(4, "failed"),
            snapshot(3, "failed"),
            snapshot(2, "superseded"),
            snapshot(1, "superseded")
        ])
    };
    let run = |action, state| Next::Run {
        action,
        state,
        reason: String::new(),
    };
    let retry = json!({"upgrade": {"strategy": {"name": "RetryOnFailure"}}});
    let target: ReleaseSnapshot = serde_json::from_value(snapshot(2, "superseded")).unwrap();
    for (spec, next, left) in [
        (json!({}), Next::InSync, 3),
        (retry.clone(), Next::InSync, 4),
        (json!({}), run(Action::Upgrade, State::InSync), 3),
        (json!({}), run(Action::Upgrade, State::Unmanaged), 0),
        (json!({}), run(Action::Uninstall, State::Interrupted), 0),
        (json!({}), run(Action::Upgrade, State::OutOfSync), 4),
        (json!({}), run(Action::Install, State::Absent), 4),
        (json!({}), run(Action::Unlock, State::Locked), 4),
        (json!({}), run(Action::Upgrade, State::Failed), 4),
        (json!({}), run(Action::Uninstall, State::Failed), 3),
        (json!({}), Next::VerifyPrevious(Box::new(target)), 3),
        (json!({}), Next::NoRollbackTarget, 3),
        (json!({}), Next::Exhausted("x"), 4),
    ] {
        let object = object(
            &spec,
            &json!({"history": history(), "lastAttemptedReleaseAction": "upgrade"}),
        );
        let mut status = object.status.clone();
        machine(&object, &mut status).settle(&next);
        assert_eq!(status.history.snapshots().len(), left, "{next:?}");
    }
}

#[test]
fn steps_that_are_passed_are_no_failure_any_more() {
    for (reason, expected) in [
        (
            "DependencyNotReady",
            "Ready Unknown Progressing: reconciliation in progress",
        ),
        ("UpgradeFailed", "Ready False UpgradeFailed: UpgradeFailed"),
    ] {
        let object = object(
            &json!({}),
            &json!({"conditions": [condition("Ready", "False", reason)]}),
        );
        let mut status = object.status.clone();
        machine(&object, &mut status).has_passed(&["DependencyNotReady", "SourceNotReady"]);
        assert_eq!(conditions(&status), [expected]);
    }
}

#[test]
fn what_nobody_has_told_of_the_newest_release_is_told() {
    let told = |ready: &str, released: &Value, action: &str, stored: &str| {
        let mut newest = snapshot(2, stored);
        newest["action"] = action.into();
        let conditions_before = json!([condition("Ready", ready, "Progressing"), released]);
        let status = json!({"history": [newest], "conditions": conditions_before});
        let object = object(&json!({}), &status);
        let mut status = object.status.clone();
        machine(&object, &mut status).note_untold("Upgrade \"web\" failed: no");
        conditions(&status).pop().unwrap_or_default()
    };
    let earlier = condition("Released", "True", "InstallSucceeded");
    let mut newest = earlier.clone();
    newest["message"] = "Helm upgrade succeeded for release apps/web.v2 with chart hello@0.1.0".into();
    let failed = condition("Released", "False", "UpgradeFailed");
    let is_left = |released: &Value| {
        let text = |field: &str| released[field].as_str().unwrap_or_default();
        let [status, reason, message] = ["status", "reason", "message"].map(text);
        format!("Released {status} {reason}: {message}")
    };
    let succeeded = |verb: &str, reason: &str| {
        format!(
            "Released True {reason}: Helm {verb} succeeded for release apps/web.v2 with chart hello@0.1.0"
        )
    };
    for (ready, released, action, stored, expected) in [
        ("Unknown", &earlier, "upgrade", "deployed", succeeded("upgrade", "UpgradeSucceeded")),
        ("Unknown", &earlier, "install", "deployed", succeeded("install", "InstallSucceeded")),
        (
            "Unknown",
            &earlier,
            "upgrade",
            "failed",
            "Released False UpgradeFailed: Helm upgrade failed for release apps/web with chart hello@0.1.0: Upgrade \"web\" \
             failed: no"
                .to_owned(),
        ),
        ("Unknown", &newest, "upgrade", "failed", is_left(&newest)),
        ("Unknown", &failed, "upgrade", "failed", is_left(&failed)),
        ("True", &earlier, "upgrade", "deployed", is_left(&earlier)),
        ("Unknown", &earlier, "rollback", "deployed", is_left(&earlier)),
        ("Unknown", &earlier, "upgrade", "superseded", is_left(&earlier)),
    ] {
        assert_eq!(told(ready, released, action, stored), expected, "{ready} {action} {stored}");
    }
}
