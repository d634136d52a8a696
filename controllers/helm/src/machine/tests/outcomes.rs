use flux_api::{GoDuration, Inventory, ReleaseAction};

use super::super::{About, Attempt, Event, UninstallResult, Unlocking};
use super::*;

/// What is left in the history, as `vN status action tests digest`.
fn history(status: &HelmReleaseStatus) -> Vec<String> {
    let line = |s: &ReleaseSnapshot| {
        let tests = s
            .test_hooks
            .as_ref()
            .map_or("-".to_owned(), |tests| tests.len().to_string());
        format!(
            "v{} {} {:?} {tests} {}",
            s.version, s.status, s.action, s.oci_digest
        )
    };
    status.history.snapshots().iter().map(line).collect()
}

fn attempt<'a>(written: &'a [Written], result: Result<(), &'a str>) -> Attempt<'a, Written> {
    Attempt {
        written,
        result,
        log: "last line",
    }
}

fn release(
    object: &HelmRelease,
    status: &mut HelmReleaseStatus,
    action: ReleaseAction,
    written: &[Written],
    result: Result<(), &str>,
) -> (Vec<Event>, Result<(), String>) {
    let took = GoDuration::from_nanos(1_500_000_000);
    let inventory = (!written.is_empty()).then(Inventory::default);
    machine(object, status).released(
        action,
        &CHART,
        "sha256:values",
        (took, inventory),
        &attempt(written, result),
    )
}

#[test]
fn an_install_begins_a_history() {
    let object = object(
        &json!({}),
        &json!({"history": [snapshot(7, "uninstalled")], "lastAttemptedRevisionDigest": "sha256:oci",
        "conditions": [condition("Remediated", "True", "UninstallSucceeded"), condition("TestSuccess", "True", "T")]}),
    );
    let mut status = object.status.clone();
    let (events, result) = release(
        &object,
        &mut status,
        ReleaseAction::Install,
        &[written(1, "deployed")],
        Ok(()),
    );
    assert_eq!(result, Ok(()));
    let text = "Helm install succeeded for release apps/web.v1 with chart hello@0.1.0";
    assert_eq!(
        conditions(&status),
        [
            format!("Ready True InstallSucceeded: {text}"),
            format!("Released True InstallSucceeded: {text}")
        ]
    );
    assert_eq!(history(&status), ["v1 deployed \"install\" - sha256:oci"]);
    assert_eq!(status.last_attempted_release_action, "install");
    assert_eq!(
        serde_json::to_value(&status).unwrap()["lastAttemptedReleaseActionDuration"],
        "1.5s"
    );
    assert!(status.inventory.is_some());
    assert_eq!((events[0].message.as_str(), events[0].is_error), (text, false));
    let about = events[0].about.as_ref().unwrap();
    assert_eq!(
        (about.revision.as_str(), about.oci_digest.as_str()),
        ("0.1.0", "sha256:oci")
    );
}

#[test]
fn a_failed_release_counts_if_there_is_something_to_remedy() {
    for (action, written_, counted) in [
        (ReleaseAction::Install, vec![written(1, "failed")], (1, 0)),
        (ReleaseAction::Install, vec![], (0, 0)),
        (
            ReleaseAction::Upgrade,
            vec![written(2, "failed"), written(1, "deployed")],
            (0, 1),
        ),
    ] {
        let object = object(
            &json!({"targetNamespace": "prod"}),
            &json!({"history": [snapshot(1, "deployed")]}),
        );
        let mut status = object.status.clone();
        let (events, result) = release(&object, &mut status, action, &written_, Err(" boom\n"));
        assert_eq!(result.is_err(), written_.is_empty());
        assert_eq!((status.install_failures, status.upgrade_failures), counted);
        assert_eq!(status.failures, 1);
        let verb = action.as_str();
        let text = format!("Helm {verb} failed for release prod/prod-web with chart hello@0.1.0: boom");
        assert!(
            conditions(&status)[0].ends_with(&text),
            "{:?}",
            conditions(&status)
        );
        assert_eq!(
            events[0].message,
            format!("{text}\n\nLast Helm logs:\n\nlast line")
        );
        let about = About {
            revision: "0.1.0".into(),
            token: "sha256:values".into(),
            app_version: "1.2.3".into(),
            oci_digest: String::new(),
        };
        assert_eq!(events[0].about, Some(about));
    }
}

#[test]
fn an_upgrade_refreshes_what_it_supersedes() {
    let mut old = tested(1, "deployed", &["Succeeded"]);
    old["action"] = json!("install");
    old["ociDigest"] = json!("sha256:old");
    let object = object(
        &json!({}),
        &json!({"history": [old], "lastAttemptedRevisionDigest": "sha256:new"}),
    );
    let mut status = object.status.clone();
    let written = [written(1, "superseded"), written(2, "deployed")];
    let (_, result) = release(&object, &mut status, ReleaseAction::Upgrade, &written, Ok(()));
    assert_eq!(result, Ok(()));
    assert_eq!(
        history(&status),
        [
            "v2 deployed \"upgrade\" - sha256:new",
            "v1 superseded \"\" 1 sha256:old"
        ]
    );
}

#[test]
fn a_release_with_tests_awaits_them() {
    let object = object(&json!({"test": {"enable": true}}), &json!({}));
    let mut status = object.status.clone();
    release(
        &object,
        &mut status,
        ReleaseAction::Install,
        &[written(1, "deployed")],
        Ok(()),
    )
    .1
    .unwrap();
    let text = "Unknown AwaitingTests: Helm release apps/web.v1 with chart hello@0.1.0 is awaiting tests";
    let all = conditions(&status);
    assert_eq!(
        (all[0].as_str(), all[2].as_str()),
        (
            format!("Ready {text}").as_str(),
            format!("TestSuccess {text}").as_str()
        )
    );
}

#[test]
fn failures_end_with_a_retry_that_succeeds() {
    for (strategy, left) in [("RetryOnFailure", 0), ("RemediateOnFailure", 3)] {
        let object = object(
            &json!({"upgrade": {"strategy": {"name": strategy}}}),
            &json!({"failures": 3}),
        );
        let mut status = object.status.clone();
        release(
            &object,
            &mut status,
            ReleaseAction::Upgrade,
            &[written(2, "deployed")],
            Ok(()),
        )
        .1
        .unwrap();
        assert_eq!(status.failures, left, "{strategy}");
    }
}

#[test]
fn tests_count_for_the_release_that_they_were_run_on() {
    let run = |tests, result, tested, filters: Value| {
        let spec =
            json!({"test": {"enable": true, "filters": filters}, "upgrade": {"remediation": {"retries": 1}}});
        let mut latest = snapshot(1, "deployed");
        latest["action"] = json!("upgrade");
        let object = object(
            &spec,
            &json!({"history": [latest], "lastAttemptedReleaseAction": "upgrade"}),
        );
        let mut status = object.status.clone();
        let records = [
            Written {
                version: 1,
                status: "deployed",
                tests,
            },
            written(9, "deployed"),
        ];
        let told = machine(&object, &mut status).tested(tested, &attempt(&records, result));
        (status, told)
    };
    let this = Some(("apps", "web", 1));
    let (status, (events, result)) = run(&[("a", "Succeeded"), ("b", "Succeeded")], Ok(()), this, json!([]));
    assert_eq!(result, Ok(()));
    assert_eq!(history(&status), ["v1 deployed \"upgrade\" 2 "]);
    let text = "Helm test succeeded for release apps/web.v1 with chart hello@0.1.0: 2 test hooks completed successfully";
    assert_eq!(events[0].message, text);
    assert_eq!(
        conditions(&status)[0],
        format!("Ready True TestSucceeded: {text}")
    );
    let (_, (events, _)) = run(
        &[("a", "Succeeded"), ("b", "")],
        Ok(()),
        this,
        json!([{"name": "b", "exclude": true}]),
    );
    assert!(
        events[0]
            .message
            .ends_with(": 1 test hook completed successfully")
    );
    let (_, (events, _)) = run(&[], Ok(()), this, json!([]));
    assert!(events[0].message.ends_with(": no test hooks"));

    let (status, (events, result)) = run(&[("a", "Failed")], Err("boom"), this, json!([]));
    assert_eq!(result, Ok(()), "the release remembers it");
    assert_eq!((status.failures, status.upgrade_failures), (1, 1));
    assert_eq!(
        events[0].message,
        "Helm test failed for release apps/web.v1 with chart hello@0.1.0: boom"
    );
    let (status, (_, result)) = run(&[("a", "")], Err("boom"), this, json!([]));
    assert_eq!(
        (result, status.upgrade_failures),
        (Err("boom".to_owned()), 0),
        "no test ran"
    );
    let (_, (_, result)) = run(&[("a", "")], Ok(()), Some(("apps", "web", 2)), json!([]));
    assert_eq!(
        result,
        Err("release mismatch: tested release apps/web.v2 != current release apps/web.v1".to_owned())
    );
}

#[test]
fn a_rollback_makes_a_new_revision() {
    let object = object(
        &json!({}),
        &json!({"history": [snapshot(2, "failed"), tested(1, "superseded", &["Succeeded"])]}),
    );
    let target: ReleaseSnapshot = serde_json::from_value(snapshot(1, "superseded")).unwrap();
    let mut status = object.status.clone();
    let records = [written(2, "superseded"), written(3, "deployed")];
    let (events, result) =
        machine(&object, &mut status).rolled_back(&target, "sha256:now", None, &attempt(&records, Ok(())));
    assert_eq!(result, Ok(()));
    assert_eq!(
        history(&status),
        [
            "v3 deployed \"rollback\" - ",
            "v2 superseded \"rollback\" - ",
            "v1 superseded \"\" 1 "
        ]
    );
    let text = "Helm rollback to previous release apps/web.v1 with chart hello@0.1.0 succeeded";
    assert_eq!(
        conditions(&status)[0],
        format!("Ready False RollbackSucceeded: {text}"),
        "remedied is not ready"
    );
    assert_eq!(
        (
            events[0].message.as_str(),
            events[0].about.as_ref().unwrap().token.as_str()
        ),
        (text, "sha256:now")
    );

    for (records, remembered) in [(vec![written(3, "failed")], true), (vec![], false)] {
        let mut status = object.status.clone();
        let (events, result) =
            machine(&object, &mut status).rolled_back(&target, "", None, &attempt(&records, Err("boom")));
        assert_eq!(result.is_ok(), remembered);
        assert_eq!(status.failures, 1);
        let text = "Helm rollback to previous release apps/web.v1 with chart hello@0.1.0 failed: boom";
        assert_eq!(
            conditions(&status)[0],
            format!("Ready False RollbackFailed: {text}")
        );
        assert!(events[0].message.starts_with(text));
    }
}

#[test]
fn what_is_known_of_a_release_stays_when_its_record_changes() {
    let known = |version: i64, status: &str| {
        let mut known = tested(version, status, &["Succeeded"]);
        known["ociDigest"] = json!("sha256:oci");
        known["action"] = json!("upgrade");
        known
    };
    let target: ReleaseSnapshot = serde_json::from_value(snapshot(2, "failed")).unwrap();
    let before = json!({"history": [snapshot(3, "deployed"), known(2, "failed")]});
    let rolled_back = object(&json!({}), &before);
    let mut status = rolled_back.status.clone();
    let records = [written(2, "superseded")];
    let (_, result) =
        machine(&rolled_back, &mut status).rolled_back(&target, "", None, &attempt(&records, Ok(())));
    assert_eq!(result, Ok(()));
    assert_eq!(
        history(&status),
        ["v3 deployed \"\" - ", "v2 superseded \"rollback\" 1 sha256:oci"]
    );

    let one = object(
        &json!({"test": {"enable": true}}),
        &json!({"history": [known(1, "deployed")]}),
    );
    let mut status = one.status.clone();
    let records = [Written {
        version: 1,
        status: "deployed",
        tests: &[("a", "Succeeded"), ("b", "Succeeded")],
    }];
    let this = Some(("apps", "web", 1));
    let (_, result) = machine(&one, &mut status).tested(this, &attempt(&records, Ok(())));
    assert_eq!(result, Ok(()));
    assert_eq!(history(&status), ["v1 deployed \"upgrade\" 2 sha256:oci"]);

    let mut status = one.status.clone();
    let (_, result) = machine(&one, &mut status).uninstalled(
        &[written(1, "uninstalled")],
        UninstallResult::Done(Some(("apps".to_owned(), "web".to_owned(), 1))),
        "",
    );
    assert_eq!(result, Ok(()));
    let after = history(&status);
    assert!(
        after[0].starts_with("v1 uninstalled ") && after[0].ends_with("sha256:oci"),
        "{after:?}"
    );
}

#[test]
fn an_uninstall_that_remedies_leaves_ready_to_the_next_run() {
    let object = object(
        &json!({}),
        &json!({"history": [snapshot(1, "failed")], "conditions": [condition("Ready", "False", "InstallFailed")]}),
    );
    let this = || UninstallResult::Done(Some(("apps".to_owned(), "web".to_owned(), 1)));
    let name = "release apps/web.v1 with chart hello@0.1.0";
    for (records, result, reason, text, ok) in [
        (
            vec![written(1, "uninstalled")],
            this(),
            "UninstallSucceeded",
            format!("{name} succeeded"),
            true,
        ),
        (
            vec![],
            this(),
            "UninstallFailed",
            format!("{name} failed: uninstall completed with error: release not updated in Helm storage"),
            false,
        ),
        (
            vec![written(1, "uninstalling")],
            UninstallResult::Failed("boom".to_owned()),
            "UninstallFailed",
            format!("{name} failed: boom"),
            true,
        ),
        (
            vec![written(1, "uninstalled")],
            UninstallResult::Done(Some(("apps".to_owned(), "web".to_owned(), 2))),
            "UninstallFailed",
            format!(
                "{name} failed: release mismatch: uninstalled release apps/web.v2 != current release apps/web.v1"
            ),
            true,
        ),
    ] {
        let mut status = object.status.clone();
        let (events, told) = machine(&object, &mut status).uninstalled_to_remedy(&records, result, "");
        assert_eq!(told.is_ok(), ok, "{text}");
        let value = if reason == "UninstallSucceeded" {
            "True"
        } else {
            "False"
        };
        assert_eq!(
            conditions(&status),
            [
                "Ready False InstallFailed: InstallFailed".to_owned(),
                format!("Remediated {value} {reason}: Helm uninstall remediation for {text}")
            ]
        );
        assert_eq!(
            events[0].message,
            format!("Helm uninstall remediation for {text}")
        );
        if !records.is_empty() {
            assert!(history(&status)[0].contains("\"uninstall-remediation\""));
        }
    }
}

#[test]
fn what_is_gone_counts_as_uninstalled() {
    let keep = json!({"uninstall": {"keepHistory": true}});
    let name = "release apps/web.v1 with chart hello@0.1.0";
    let done = || UninstallResult::Done(None);
    let gone =
        || UninstallResult::NotFound("uninstall: Release not loaded: web: release: not found".to_owned());
    let twice = || UninstallResult::AlreadyDeleted("the release named \"web\" is already deleted".to_owned());
    for (spec, before, records, result, expected) in [
        (
            json!({}),
            "deployed",
            vec![written(1, "uninstalled")],
            done(),
            Ok(format!("Helm uninstall succeeded for {name}")),
        ),
        (
            json!({}),
            "deployed",
            vec![],
            gone(),
            Ok("Release apps/web.v1 was not found, assuming it is uninstalled".to_owned()),
        ),
        (
            keep.clone(),
            "deployed",
            vec![],
            twice(),
            Ok("Release apps/web.v1 was already uninstalled".to_owned()),
        ),
        (
            json!({}),
            "deployed",
            vec![],
            twice(),
            Err(format!(
                "Helm uninstall failed for {name}: the release named \"web\" is already deleted"
            )),
        ),
        (
            json!({}),
            "uninstalled",
            vec![],
            done(),
            Ok(format!("Helm uninstall succeeded for {name}")),
        ),
        (
            json!({}),
            "deployed",
            vec![],
            done(),
            Err(format!(
                "Helm uninstall failed for {name}: uninstall completed with error: release not updated in Helm storage"
            )),
        ),
        (
            json!({}),
            "deployed",
            vec![written(1, "uninstalling")],
            UninstallResult::Failed("boom".to_owned()),
            Err(format!("Helm uninstall failed for {name}: boom")),
        ),
    ] {
        let object = object(
            &spec,
            &json!({"history": [snapshot(1, before)], "inventory": {"entries": []}}),
        );
        let mut status = object.status.clone();
        let (events, told) = machine(&object, &mut status).uninstalled(&records, result, "");
        let (reason, text) = match &expected {
            Ok(text) => ("UninstallSucceeded", text),
            Err(text) => ("UninstallFailed", text),
        };
        assert_eq!(told.is_ok(), expected.is_ok(), "{text}");
        assert_eq!(conditions(&status)[1], format!("Released False {reason}: {text}"));
        assert_eq!(status.inventory.is_none(), text.contains("succeeded"));
        assert_eq!(events.is_empty(), text.contains("was "));
    }
    let object = object(&json!({}), &json!({}));
    let mut status = object.status.clone();
    assert_eq!(
        machine(&object, &mut status).uninstalled::<Written>(&[], gone(), ""),
        (vec![], Ok(()))
    );
}

#[test]
fn what_was_left_in_the_middle_is_marked_as_failed() {
    let mut known = tested(1, "pending-install", &["Succeeded"]);
    known["action"] = json!("install");
    known["ociDigest"] = json!("sha256:oci");
    let name = "release apps/web.v1 with chart hello@0.1.0 in pending-install state";
    for (history_, result, text, after) in [
        (
            json!([known]),
            Ok(()),
            format!("Unlocked Helm {name}"),
            vec!["v1 failed \"install\" - sha256:oci"],
        ),
        (json!([]), Ok(()), format!("Unlocked Helm {name}"), vec![]),
        (
            json!([known]),
            Err("boom"),
            format!("Unlock of Helm {name} failed: boom"),
            vec!["v1 pending-install \"install\" 1 sha256:oci"],
        ),
    ] {
        let object = object(&json!({}), &json!({"history": history_}));
        let mut status = object.status.clone();
        let record = written(1, "failed");
        let unlocking = Unlocking {
            record: &record,
            was: "pending-install",
            result,
        };
        let (events, told) = machine(&object, &mut status).unlocked(Some(&unlocking));
        assert_eq!(
            (told.is_ok(), events[0].is_error),
            (result.is_ok(), result.is_err())
        );
        assert_eq!(events[0].message, text);
        assert_eq!(
            conditions(&status)[1],
            format!("Released False PendingRelease: {text}")
        );
        assert_eq!(history(&status), after);
    }
}

#[test]
fn what_was_complete_is_told_as_if_it_had_ended() {
    for (known, was, condition, after) in [
        (
            json!([]),
            "pending-upgrade",
            "Released True UpgradeSucceeded: Helm upgrade succeeded for release apps/web.v2 with chart hello@0.1.0",
            "v2 deployed \"upgrade\" - sha256:oci",
        ),
        (
            json!([snapshot(2, "pending-upgrade")]),
            "pending-upgrade",
            "Released True UpgradeSucceeded: Helm upgrade succeeded for release apps/web.v2 with chart hello@0.1.0",
            "v2 deployed \"upgrade\" - ",
        ),
        (
            json!([]),
            "pending-rollback",
            "Remediated True RollbackSucceeded: Helm rollback succeeded for release apps/web.v2 with chart hello@0.1.0",
            "v2 deployed \"rollback\" - ",
        ),
    ] {
        let before = json!({"history": known, "lastAttemptedRevisionDigest": "sha256:oci"});
        let object = object(&json!({}), &before);
        let mut status = object.status.clone();
        let record = written(2, "deployed");
        let unlocking = Unlocking {
            record: &record,
            was,
            result: Ok(()),
        };
        let (events, told) = machine(&object, &mut status).unlocked(Some(&unlocking));
        assert_eq!((told, events[0].is_error), (Ok(()), false));
        assert!(
            conditions(&status).contains(&condition.to_owned()),
            "{:?}",
            conditions(&status)
        );
        assert_eq!(history(&status), [after]);
    }
}

#[test]
fn corrections_are_told_with_what_went_wrong() {
    let object = object(&json!({}), &json!({"history": [snapshot(1, "deployed")]}));
    let lines = |lines: &[&str]| lines.iter().map(ToString::to_string).collect::<Vec<_>>();
    let done = lines(&["Deployment/apps/web configured", "Service/apps/web created"]);
    for (done, errors, expected) in [
        (vec![], vec![], None),
        (
            done.clone(),
            vec![],
            Some(
                "Cluster state of release apps/web.v1 has been corrected:\nDeployment/apps/web configured\nService/apps/web created",
            ),
        ),
        (
            vec![],
            lines(&["boom", "bang"]),
            Some("Failed to correct cluster state of release apps/web.v1:\nboom\nbang"),
        ),
        (
            done[..1].to_vec(),
            lines(&["boom"]),
            Some(
                "Failed to partially correct cluster state of release apps/web.v1:\nboom\n\nSuccessful corrections:\nDeployment/apps/web configured",
            ),
        ),
    ] {
        let mut status = object.status.clone();
        let events = machine(&object, &mut status).corrected(&done, &errors);
        assert_eq!(events.first().map(|event| event.message.as_str()), expected);
        assert_eq!(
            conditions(&status),
            ["Ready Unknown Progressing: correcting cluster drift"]
        );
    }
}

#[test]
fn events_carry_what_they_are_about() {
    let about = About {
        revision: "0.1.0".into(),
        token: "sha256:v".into(),
        app_version: String::new(),
        oci_digest: "sha256:o".into(),
    };
    let expected = [
        ("helm.toolkit.fluxcd.io/oci-digest", "sha256:o"),
        ("helm.toolkit.fluxcd.io/revision", "0.1.0"),
        ("helm.toolkit.fluxcd.io/token", "sha256:v"),
    ];
    let metadata = about.metadata();
    let pairs: Vec<_> = metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(pairs, expected);
}

#[test]
fn without_a_release_in_the_history_nothing_is_tested_or_remedied() {
    let object = object(
        &json!({"test": {"enable": true}}),
        &json!({"conditions": [condition("Released", "True", "InstallSucceeded")]}),
    );
    let mut status = object.status.clone();
    let records = [written(1, "deployed")];
    let told = machine(&object, &mut status).tested(Some(("apps", "web", 1)), &attempt(&records, Ok(())));
    let error = "no latest release: required for test".to_owned();
    assert_eq!((told, status.failures), ((vec![], Err(error)), 0));
    assert_eq!(
        conditions(&status)[0],
        "Ready True InstallSucceeded: InstallSucceeded"
    );
    let mut status = object.status.clone();
    let told = machine(&object, &mut status).uninstalled_to_remedy(
        &records,
        UninstallResult::Done(Some(("apps".to_owned(), "web".to_owned(), 1))),
        "",
    );
    let error = "no latest release: required to uninstall".to_owned();
    assert_eq!(told, (vec![], Err(error)));
    assert_eq!(status, object.status);
}

#[test]
fn tests_whose_failures_are_ignored_count_as_failures_and_for_no_remedy() {
    for (spec, failures) in [
        (json!({}), 1),
        (json!({"upgrade": {"remediation": {"retries": 1}}}), 1),
        (
            json!({"upgrade": {"remediation": {"ignoreTestFailures": true}}}),
            0,
        ),
        (json!({"test": {"enable": true, "ignoreFailures": true}}), 0),
        (
            json!({"test": {"enable": true, "ignoreFailures": true}, "upgrade": {"remediation": {"ignoreTestFailures": false}}}),
            1,
        ),
        (json!({"upgrade": {"strategy": {"name": "RetryOnFailure"}}}), 1),
    ] {
        let mut full = json!({"test": {"enable": true}});
        for (key, value) in spec.as_object().unwrap() {
            full[key] = value.clone();
        }
        let object = object(
            &full,
            &json!({"history": [snapshot(1, "deployed")], "lastAttemptedReleaseAction": "upgrade"}),
        );
        let mut status = object.status.clone();
        let records = [Written {
            version: 1,
            status: "deployed",
            tests: &[("a", "Failed")],
        }];
        let (_, result) = machine(&object, &mut status).tested(None, &attempt(&records, Err("boom")));
        assert_eq!(result, Ok(()));
        assert_eq!(
            (status.failures, status.upgrade_failures),
            (1, failures),
            "{spec}"
        );
    }
}

#[test]
fn a_rollback_that_leaves_its_records_as_they_were_is_tried_again() {
    let object = object(
        &json!({}),
        &json!({"history": [snapshot(2, "failed"), snapshot(1, "superseded")]}),
    );
    let target: ReleaseSnapshot = serde_json::from_value(snapshot(1, "superseded")).unwrap();
    for (records, expected) in [
        // The new revision could not be created; or the old one could not be marked.
        (vec![], Err("boom".to_owned())),
        (vec![written(3, "pending-rollback")], Ok(())),
        (vec![written(2, "superseded"), written(3, "failed")], Ok(())),
    ] {
        let mut status = object.status.clone();
        let (_, result) =
            machine(&object, &mut status).rolled_back(&target, "", None, &attempt(&records, Err("boom")));
        assert_eq!(result, expected);
        assert_eq!(status.failures, 1);
    }
}
