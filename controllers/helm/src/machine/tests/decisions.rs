use super::super::{Action, Next, Previous, decide};
use super::*;

/// `action: reason` of what is done, or what is said instead.
fn step(next: Next) -> String {
    match next {
        Next::Run { action, reason, .. } => match action {
            Action::Rollback(target) => format!("rollback to {}: {reason}", target.version),
            action => format!("{}: {reason}", action.name()),
        },
        Next::VerifyPrevious(target) => format!("verify {}", target.version),
        Next::LeaveDrift(summary) => format!("leave drift: {summary}"),
        Next::Undetermined(error) | Next::Failed(error) => format!("error: {error}"),
        Next::Exhausted(what) => format!("exhausted: {what}"),
        Next::CompareWithCluster => "compare".to_owned(),
        Next::InSync => "in sync".to_owned(),
        Next::NoRollbackTarget => "no target".to_owned(),
    }
}

#[test]
fn the_state_of_a_release_decides() {
    let one = json!({"history": [snapshot(1, "deployed")]});
    let test = json!({"test": {"enable": true}});
    let with_test = |phases: &[&str], action: &str| json!({"history": [tested(2, "deployed", phases)], "lastAttemptedReleaseAction": action});
    let rows = [
        (json!({}), one.clone(), stored("deployed"), "in sync"),
        (
            json!({}),
            json!({}),
            None,
            "install: no release in storage for object",
        ),
        // It disappeared.
        (
            json!({}),
            one.clone(),
            None,
            "install: no release in storage for object",
        ),
        (
            json!({}),
            json!({}),
            stored("deployed"),
            "upgrade: found existing release in storage",
        ),
        (
            json!({}),
            json!({}),
            stored("failed"),
            "upgrade: found existing release in storage",
        ),
        (
            json!({}),
            json!({}),
            stored("uninstalled"),
            "install: found uninstalled release in storage",
        ),
        (
            json!({}),
            one.clone(),
            stored("uninstalled"),
            "install: found uninstalled release in storage",
        ),
        (
            json!({}),
            json!({}),
            stored("pending-install"),
            "unlock: release with status 'pending-install'",
        ),
        (
            json!({}),
            one.clone(),
            stored("pending-upgrade"),
            "unlock: release with status 'pending-upgrade'",
        ),
        (
            json!({}),
            one.clone(),
            stored("pending-rollback"),
            "unlock: release with status 'pending-rollback'",
        ),
        (
            json!({}),
            one.clone(),
            stored("superseded"),
            "error: unable to determine state for release with status 'superseded'",
        ),
        (
            json!({}),
            one.clone(),
            stored("uninstalling"),
            "uninstall: release with status 'uninstalling'",
        ),
        (
            json!({}),
            json!({}),
            stored("uninstalling"),
            "uninstall: release with status 'uninstalling'",
        ),
        (
            json!({}),
            one.clone(),
            stored("unknown"),
            "error: unable to determine state for release with status 'unknown'",
        ),
        (test.clone(), one.clone(), stored("deployed"), "test: "),
        (
            test.clone(),
            with_test(&["Succeeded", ""], "upgrade"),
            stored("deployed"),
            "test: ",
        ),
        (
            test.clone(),
            with_test(&["Succeeded"], "upgrade"),
            stored("deployed"),
            "in sync",
        ),
        (
            test.clone(),
            with_test(&[], "upgrade"),
            stored("deployed"),
            "in sync",
        ),
        (
            test.clone(),
            with_test(&["Failed"], "upgrade"),
            stored("deployed"),
            "upgrade: release has test in failed phase",
        ),
        (
            test.clone(),
            with_test(&["Failed", ""], "upgrade"),
            stored("deployed"),
            "upgrade: release has test in failed phase",
        ),
        // Without an action of ours, there is nothing to remedy.
        (
            test.clone(),
            with_test(&["Failed"], ""),
            stored("deployed"),
            "in sync",
        ),
        (
            json!({"test": {"enable": true, "ignoreFailures": true}}),
            with_test(&["Failed"], "install"),
            stored("deployed"),
            "in sync",
        ),
        (
            json!({"test": {"enable": true}, "install": {"remediation": {"ignoreTestFailures": true}}}),
            with_test(&["Failed"], "install"),
            stored("deployed"),
            "in sync",
        ),
        // Somebody ran tests that the object does not ask for.
        (
            json!({}),
            with_test(&["Failed"], "upgrade"),
            stored("deployed"),
            "in sync",
        ),
    ];
    for (spec, status, stored, expected) in rows {
        let object = object(&spec, &status);
        assert_eq!(step(decide(&facts(&object, stored))), expected, "{spec} {status}");
    }
}

#[test]
fn what_is_not_what_was_made_is_upgraded() {
    let object = object(
        &json!({}),
        &json!({"history": [snapshot(1, "deployed")], "observedGeneration": 1}),
    );
    let good = || facts(&object, stored("deployed"));
    let of = |change: &dyn Fn(&mut Facts<'_>)| {
        let mut facts = good();
        change(&mut facts);
        step(decide(&facts))
    };
    let verified = |verification| {
        move |facts: &mut Facts<'_>| facts.stored.as_mut().unwrap().verification = verification
    };
    assert_eq!(
        of(&verified(Verification::Unreadable)),
        "upgrade: release digest verification error"
    );
    assert_eq!(
        of(&verified(Verification::Different)),
        "upgrade: release not observed to be made for object"
    );
    assert_eq!(
        of(&|facts| facts.chart.version = "0.2.0"),
        "upgrade: release chart changed"
    );
    assert_eq!(
        of(&|facts| facts.chart.name = "other"),
        "upgrade: release chart changed"
    );
    assert_eq!(
        of(&|facts| facts.same_values = false),
        "upgrade: release config values changed"
    );
    // What a status of this generation was made from is what the spec says.
    assert_eq!(of(&|facts| facts.post_renderers = "sha256:a"), "in sync");
    assert_eq!(of(&|facts| facts.common_metadata = "sha256:a"), "in sync");
}

#[test]
fn post_renderers_count_for_new_generations() {
    let object = object(
        &json!({}),
        &json!({"history": [snapshot(1, "deployed")], "observedGeneration": 0,
        "observedPostRenderersDigest": "sha256:p", "observedCommonMetadataDigest": "sha256:c"}),
    );
    for (post_renderers, common_metadata, expected) in [
        ("sha256:p", "sha256:c", "in sync"),
        ("", "sha256:c", "upgrade: postrenderers digest has changed"),
        ("sha256:q", "", "upgrade: postrenderers digest has changed"),
        (
            "sha256:p",
            "sha256:d",
            "upgrade: common metadata digest has changed",
        ),
    ] {
        let facts = Facts {
            post_renderers,
            common_metadata,
            ..facts(&object, stored("deployed"))
        };
        assert_eq!(step(decide(&facts)), expected);
    }
}

#[test]
fn drift_is_looked_for_last_and_corrected_if_wanted() {
    let drifted = Some(Drift::Some("Deployment/apps/web removed".to_owned()));
    for (mode, drift, expected) in [
        ("enabled", None, "compare"),
        ("warn", None, "compare"),
        ("disabled", None, "in sync"),
        ("", None, "in sync"),
        ("enabled", Some(Drift::None), "in sync"),
        ("enabled", drifted.clone(), "correct cluster drift: "),
        ("warn", drifted, "leave drift: Deployment/apps/web removed"),
        (
            "warn",
            Some(Drift::Unknown("boom".to_owned())),
            "error: unable to determine cluster state: boom",
        ),
    ] {
        let object = object(
            &json!({"driftDetection": {"mode": mode}}),
            &json!({"history": [snapshot(1, "deployed")]}),
        );
        let mut facts = Facts {
            drift,
            ..facts(&object, stored("deployed"))
        };
        assert_eq!(step(decide(&facts)), expected, "{mode}");
        facts.same_values = false;
        assert_eq!(
            step(decide(&facts)),
            "upgrade: release config values changed",
            "nobody looks before that"
        );
    }
}

#[test]
fn attempts_come_to_an_end_unless_somebody_insists() {
    let one = || json!([snapshot(1, "deployed")]);
    let rows = [
        (
            json!({"installFailures": 0}),
            None,
            false,
            "install: no release in storage for object",
        ),
        (
            json!({"installFailures": 1}),
            None,
            false,
            "exhausted: cannot install release",
        ),
        (
            json!({"installFailures": 1}),
            None,
            true,
            "install: no release in storage for object",
        ),
        (
            json!({"upgradeFailures": 1, "history": one()}),
            stored("deployed"),
            false,
            "exhausted: cannot upgrade release",
        ),
        (
            json!({"upgradeFailures": 1, "history": one()}),
            stored("deployed"),
            true,
            "upgrade: release config values changed",
        ),
        // Whoever takes over a release is not held up by what failed before.
        (
            json!({"upgradeFailures": 1}),
            stored("deployed"),
            false,
            "upgrade: found existing release in storage",
        ),
    ];
    for (status, stored, forced, expected) in rows {
        let object = object(&json!({}), &status);
        let facts = Facts {
            forced,
            same_values: false,
            ..facts(&object, stored)
        };
        assert_eq!(step(decide(&facts)), expected, "{status} {forced}");
    }
    let object = object(&json!({}), &json!({"history": one()}));
    let facts = Facts {
        forced: true,
        ..facts(&object, stored("deployed"))
    };
    assert_eq!(step(decide(&facts)), "upgrade: ", "in sync, but asked for");
}

#[test]
fn a_failed_release_is_remedied_or_tried_again() {
    let two = || json!([snapshot(2, "failed"), snapshot(1, "superseded")]);
    let status = |action: &str, failures: i64, history: Value| json!({"lastAttemptedReleaseAction": action, "installFailures": failures, "upgradeFailures": failures, "history": history});
    let retries = |action: &str, more: Value| {
        let mut remediation = json!({"retries": 1});
        for (key, value) in more.as_object().unwrap() {
            remediation[key] = value.clone();
        }
        json!({action: {"remediation": remediation}})
    };
    let only = || json!([snapshot(1, "failed")]);
    let rows = [
        // What is to be remedied is not known.
        (json!({}), status("", 1, two()), false, "upgrade: "),
        (
            retries("upgrade", json!({})),
            status("upgrade", 0, two()),
            false,
            "upgrade: ",
        ),
        (
            retries("upgrade", json!({})),
            status("upgrade", 3, two()),
            true,
            "upgrade: ",
        ),
        (
            json!({}),
            status("upgrade", 1, two()),
            false,
            "exhausted: cannot remediate failed release",
        ),
        (
            json!({"upgrade": {"remediation": {"retries": 1, "remediateLastFailure": false}}}),
            status("upgrade", 2, two()),
            false,
            "exhausted: cannot remediate failed release",
        ),
        (
            retries("install", json!({})),
            status("install", 1, only()),
            false,
            "uninstall: ",
        ),
        (
            retries("install", json!({})),
            status("install", 2, only()),
            false,
            "exhausted: cannot remediate failed release",
        ),
        (
            retries("install", json!({"remediateLastFailure": true})),
            status("install", 2, only()),
            false,
            "uninstall: ",
        ),
        (
            retries("upgrade", json!({})),
            status("upgrade", 1, two()),
            false,
            "verify 1",
        ),
        (
            retries("upgrade", json!({})),
            status("upgrade", 2, two()),
            false,
            "verify 1",
        ),
        (
            retries("upgrade", json!({"strategy": "uninstall"})),
            status("upgrade", 1, two()),
            false,
            "uninstall: ",
        ),
        (
            retries("upgrade", json!({})),
            status("upgrade", 1, only()),
            false,
            "no target",
        ),
        (
            retries("upgrade", json!({})),
            status(
                "upgrade",
                1,
                json!([snapshot(2, "failed"), tested(1, "superseded", &["Failed"])]),
            ),
            false,
            "no target",
        ),
        (
            retries("upgrade", json!({"ignoreTestFailures": true})),
            status(
                "upgrade",
                1,
                json!([snapshot(2, "failed"), tested(1, "superseded", &["Failed"])]),
            ),
            false,
            "verify 1",
        ),
        (
            retries("upgrade", json!({"strategy": "hope"})),
            status("upgrade", 1, two()),
            false,
            "error: unknown remediation strategy: hope",
        ),
        (
            json!({"install": {"strategy": {"name": "RetryOnFailure"}}}),
            status("install", 9, only()),
            false,
            "upgrade: ",
        ),
        (
            json!({"upgrade": {"strategy": {"name": "RetryOnFailure"}}}),
            status("upgrade", 9, two()),
            false,
            "upgrade: ",
        ),
    ];
    for (spec, status, forced, expected) in rows {
        let object = object(&spec, &status);
        let facts = Facts {
            forced,
            ..facts(&object, stored("failed"))
        };
        assert_eq!(step(decide(&facts)), expected, "{spec} {status}");
    }
    let object = object(&json!({}), &status("upgrade", 9, two()));
    let facts = Facts {
        retry_by_default: true,
        ..facts(&object, stored("failed"))
    };
    assert_eq!(step(decide(&facts)), "upgrade: ");
}

#[test]
fn a_rollback_leads_only_to_what_is_still_there() {
    let object = object(
        &json!({"upgrade": {"remediation": {"retries": 1}}}),
        &json!({"lastAttemptedReleaseAction": "upgrade", "upgradeFailures": 1, "history":
            [snapshot(3, "failed"), snapshot(2, "failed"), snapshot(1, "superseded")]}),
    );
    for (previous, expected) in [
        (Previous::Verified, "rollback to 1: "),
        (Previous::Disappeared, "upgrade: "),
        (Previous::Changed(Verification::Different), "upgrade: "),
        (Previous::Changed(Verification::Unreadable), "upgrade: "),
        (
            Previous::Unknown("boom".to_owned()),
            "error: cannot verify previous release to roll back to: boom",
        ),
    ] {
        let facts = Facts {
            previous: Some(previous),
            ..facts(&object, stored("failed"))
        };
        assert_eq!(step(decide(&facts)), expected);
    }
}

#[test]
fn a_rollback_does_not_lead_to_another_release() {
    for (field, other, named) in [
        ("name", "other", "apps/other.v1"),
        ("namespace", "other", "other/web.v1"),
    ] {
        let mut earlier = snapshot(1, "superseded");
        earlier[field] = json!(other);
        let object = object(
            &json!({"upgrade": {"remediation": {"retries": 1}}}),
            &json!({"lastAttemptedReleaseAction": "upgrade", "upgradeFailures": 1, "history": [snapshot(2, "failed"), earlier]}),
        );
        let expected = format!(
            "error: release mismatch: previous release name or namespace {named} does not match current apps/web.v2"
        );
        assert_eq!(step(decide(&facts(&object, stored("failed")))), expected);
    }
}
