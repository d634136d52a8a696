use super::super::{begin_attempt, handle_force, target_change};
use super::*;
use flux_api::shorten_release_name;

#[test]
fn a_release_that_is_another_one_is_named() {
    let history = json!({"history": [snapshot(1, "deployed")], "storageNamespace": "apps"});
    for (spec, status, chart, expected) in [
        (json!({}), history.clone(), "hello", None),
        (
            json!({"storageNamespace": "other"}),
            history.clone(),
            "hello",
            Some("storage namespace"),
        ),
        (
            json!({"targetNamespace": "other"}),
            history.clone(),
            "hello",
            Some("release namespace"),
        ),
        (
            json!({"targetNamespace": "apps"}),
            history.clone(),
            "hello",
            Some("release name"),
        ),
        (
            json!({"releaseName": "other"}),
            history.clone(),
            "hello",
            Some("release name"),
        ),
        (json!({}), history.clone(), "other", Some("chart name")),
        (
            json!({"upgrade": {"chartNameChangeStrategy": "Reinstall"}}),
            history.clone(),
            "other",
            Some("chart name"),
        ),
        (
            json!({"upgrade": {"chartNameChangeStrategy": "InPlaceUpdate"}}),
            history.clone(),
            "other",
            None,
        ),
        (
            json!({"releaseName": "other"}),
            json!({"storageNamespace": "apps"}),
            "hello",
            None,
        ),
        (
            json!({"releaseName": "other"}),
            json!({"history": [snapshot(1, "deployed")]}),
            "hello",
            None,
        ),
    ] {
        let object = object(&spec, &status);
        assert_eq!(
            target_change(&object, &object.status, chart),
            expected,
            "{spec} {status}"
        );
    }
}

#[test]
fn a_name_is_compared_as_it_was_shortened() {
    let long = "a-name-that-is-much-too-long-for-a-release-of-helm-and-is-shortened";
    let short = shorten_release_name(long);
    assert!(short.len() < long.len(), "{short}");
    for (name, expected) in [
        (short.as_str(), None),
        ("another-name-that-helm-takes", Some("release name")),
    ] {
        let mut newest = snapshot(1, "deployed");
        newest["name"] = name.into();
        let status = json!({"history": [newest], "storageNamespace": "apps"});
        let object = object(&json!({"releaseName": long}), &status);
        assert_eq!(
            target_change(&object, &object.status, "hello"),
            expected,
            "{name}"
        );
    }
}

fn annotated(annotations: &Value, status: &Value) -> HelmRelease {
    let mut object = object(&json!({}), status);
    object.metadata.annotations = serde_json::from_value(annotations.clone()).unwrap();
    object
}

#[test]
fn failures_are_forgotten_when_what_is_tried_is_something_else() {
    let status = |generation: i64, revision: &str| {
        json!({"lastAttemptedGeneration": generation, "lastAttemptedRevision": revision, "failures": 3, "installFailures": 2,
            "upgradeFailures": 1, "lastReleaseRevision": 4, "lastAttemptedValuesChecksum": "a"})
    };
    let reset = json!({"reconcile.fluxcd.io/requestedAt": "a", "reconcile.fluxcd.io/resetAt": "a"});
    for (annotations, status, same_values, expected) in [
        (json!({}), status(1, "0.1.0"), true, None),
        (
            json!({}),
            status(0, "0.1.0"),
            true,
            Some("generation differs from last attempt"),
        ),
        (
            json!({}),
            status(1, "0.0.9"),
            true,
            Some("chart version differs from last attempt"),
        ),
        (
            json!({}),
            status(1, "0.1.0"),
            false,
            Some("values differ from last attempt"),
        ),
        (
            reset.clone(),
            status(1, "0.1.0"),
            true,
            Some("reset requested through annotation"),
        ),
        (
            reset.clone(),
            status(0, "0.1.0"),
            true,
            Some("generation differs from last attempt"),
        ),
    ] {
        let object = annotated(&annotations, &status);
        let mut status = object.status.clone();
        let reason = begin_attempt(
            &object,
            &mut status,
            &CHART,
            "sha256:oci",
            "sha256:v",
            same_values,
        );
        assert_eq!(reason, expected);
        assert_eq!(
            status.failures + status.install_failures + status.upgrade_failures == 0,
            expected.is_some()
        );
        assert_eq!(
            status.last_handled_reset_at,
            if annotations == reset { "a" } else { "" }
        );
        assert_eq!(status.storage_namespace, "apps");
        assert_eq!(
            (
                status.last_attempted_generation,
                status.last_attempted_revision.as_str()
            ),
            (1, "0.1.0")
        );
        assert_eq!(status.last_attempted_revision_digest, "sha256:oci");
        assert_eq!(status.last_attempted_config_digest, "sha256:v");
        assert_eq!(
            (
                status.last_release_revision,
                status.last_attempted_values_checksum.as_str()
            ),
            (0, "")
        );
    }
}

#[test]
fn a_request_counts_once_and_with_a_request_for_a_run() {
    let asked = |requested: &str, forced: &str| json!({"reconcile.fluxcd.io/requestedAt": requested, "reconcile.fluxcd.io/forceAt": forced});
    for (annotations, status, expected, handled) in [
        (json!({}), json!({}), false, ""),
        (json!({"reconcile.fluxcd.io/forceAt": "a"}), json!({}), false, "a"),
        (asked("a", "a"), json!({}), true, "a"),
        (asked("b", "a"), json!({}), false, "a"),
        (
            asked("a", "a"),
            json!({"lastHandledReconcileAt": "a"}),
            false,
            "a",
        ),
        (asked("a", "a"), json!({"lastHandledForceAt": "a"}), false, "a"),
        (
            asked("b", "b"),
            json!({"lastHandledForceAt": "a", "lastHandledReconcileAt": "a"}),
            true,
            "b",
        ),
    ] {
        let object = annotated(&annotations, &status);
        let mut status = object.status.clone();
        assert_eq!(handle_force(&object, &mut status), expected, "{annotations}");
        assert_eq!(status.last_handled_force_at, handled, "{annotations}");
        assert!(!handle_force(&object, &mut status), "once");
    }
}
