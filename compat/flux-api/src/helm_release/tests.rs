use serde_json::{Value, json};

use super::*;
use crate::Tolerant;

fn release(spec: &Value) -> HelmRelease {
    let mut base = json!({"interval": "10m", "chartRef": {"kind": "OCIRepository", "name": "web"}});
    for (key, value) in spec.as_object().expect("an object") {
        base[key] = value.clone();
    }
    serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "apps"}, "spec": base}))
        .expect("a HelmRelease")
}

#[test]
fn what_is_read_is_what_is_written() {
    let spec = json!({
        "chart": {"metadata": {"labels": {"a": "b"}}, "spec": {"chart": "podinfo", "version": "6.x", "interval": "1m0s",
            "sourceRef": {"kind": "HelmRepository", "name": "podinfo", "namespace": "infra"},
            "reconcileStrategy": "Revision", "valuesFiles": ["a.yaml"], "ignoreMissingValuesFiles": true,
            "verify": {"provider": "cosign", "secretRef": {"name": "keys"}}}},
        "interval": "10m0s", "suspend": true, "releaseName": "r", "targetNamespace": "t", "storageNamespace": "s",
        "dependsOn": [{"name": "db"}], "timeout": "1m0s", "maxHistory": 0, "serviceAccountName": "sa",
        "persistentClient": false,
        "driftDetection": {"mode": "warn", "ignore": [{"paths": ["/spec"], "target": {"kind": "Deployment"}}]},
        "install": {"timeout": "2m0s", "strategy": {"name": "RetryOnFailure", "retryInterval": "1m0s"},
            "remediation": {"retries": -1, "ignoreTestFailures": false, "remediateLastFailure": true},
            "disableTakeOwnership": true, "disableWait": true, "disableWaitForJobs": true, "disableHooks": true,
            "disableOpenAPIValidation": true, "disableSchemaValidation": true, "replace": true, "skipCRDs": true,
            "crds": "CreateReplace", "createNamespace": true, "serverSideApply": false},
        "upgrade": {"force": true, "preserveValues": true, "cleanupOnFail": true, "serverSideApply": "auto",
            "remediation": {"retries": 2, "strategy": "uninstall"}, "chartNameChangeStrategy": "InPlaceUpdate"},
        "test": {"enable": true, "ignoreFailures": true, "filters": [{"name": "t", "exclude": true}]},
        "rollback": {"recreate": true, "serverSideApply": "disabled"},
        "uninstall": {"keepHistory": true, "deletionPropagation": "orphan"},
        "valuesFrom": [{"kind": "Secret", "name": "v", "valuesKey": "k", "targetPath": "a.b", "optional": true, "literal": true}],
        "values": {"replicas": 3, "list": [1.5, null, "x"]},
        "commonMetadata": {"labels": {"team": "a"}},
        "postRenderers": [{"kustomize": {"patches": [{"patch": "p", "target": {}}], "images": [{"name": "i", "newTag": "1"}]}}],
        "postRenderStrategy": "separate", "waitStrategy": {"name": "legacy"},
        "healthCheckExprs": [{"apiVersion": "v1", "current": "true"}],
    });
    let read: HelmReleaseSpec = serde_json::from_value(spec.clone()).expect("decodes");
    assert_eq!(read.unknown_field(), None);
    assert_eq!(serde_json::to_value(&read).expect("encodes"), spec);
}

#[test]
fn a_status_of_stock_is_read_and_written_unchanged() {
    let at = "2026-08-31T10:00:00Z";
    let status = json!({
        "observedGeneration": 2, "observedPostRenderersDigest": "sha256:a", "observedCommonMetadataDigest": "sha256:b",
        "lastAttemptedGeneration": 2, "helmChart": "infra/apps-web", "storageNamespace": "apps",
        "conditions": [{"type": "Ready", "status": "True", "reason": "InstallSucceeded", "message": "m",
            "observedGeneration": 2, "lastTransitionTime": at}],
        "history": [{"apiVersion": "v2", "digest": "sha256:c", "name": "web", "namespace": "apps", "version": 2,
            "status": "deployed", "action": "upgrade", "chartName": "podinfo", "chartVersion": "6.7.0+abc",
            "appVersion": "6.7.0", "configDigest": "sha256:d", "firstDeployed": at, "lastDeployed": at,
            "testHooks": {"t": {"lastStarted": at, "lastCompleted": at, "phase": "Succeeded"}}, "ociDigest": "sha256:e"}],
        "inventory": {"entries": [{"id": "apps_web_apps_Deployment", "v": "v1"}]},
        "lastAttemptedReleaseAction": "upgrade", "lastAttemptedReleaseActionDuration": "1.5s", "failures": 3,
        "installFailures": 1, "upgradeFailures": 2, "lastAttemptedRevision": "6.7.0+abc",
        "lastAttemptedRevisionDigest": "sha256:e", "lastAttemptedConfigDigest": "sha256:d",
        "lastHandledReconcileAt": "1", "lastHandledForceAt": "2", "lastHandledResetAt": "3",
    });
    let read: HelmReleaseStatus = serde_json::from_value(status.clone()).expect("decodes");
    assert_eq!(serde_json::to_value(&read).expect("encodes"), status);
    assert_eq!(read.helm_chart(), Some(("infra", "apps-web")));
}

#[test]
fn fields_of_newer_definitions_are_named() {
    for (spec, field) in [
        (json!({"invention": 1}), "invention"),
        (
            json!({"chartRef": {"kind": "A", "name": "b", "tag": "c"}}),
            "chartRef.tag",
        ),
        (
            json!({"chart": {"spec": {"verify": {"trust": 1}}}}),
            "chart.spec.verify.trust",
        ),
        (
            json!({"chart": {"spec": {"sourceRef": {"x": 1}}}}),
            "chart.spec.sourceRef.x",
        ),
        (
            json!({"install": {"remediation": {"x": 1}}}),
            "install.remediation.x",
        ),
        (
            json!({"upgrade": {"strategy": {"name": "", "x": 1}}}),
            "upgrade.strategy.x",
        ),
        (
            json!({"test": {"filters": [{"name": "a"}, {"x": 1}]}}),
            "test.filters[1].x",
        ),
        (json!({"rollback": {"x": 1}}), "rollback.x"),
        (json!({"uninstall": {"x": 1}}), "uninstall.x"),
        (json!({"valuesFrom": [{"x": 1}]}), "valuesFrom[0].x"),
        (
            json!({"driftDetection": {"ignore": [{"paths": [], "target": {"x": 1}}]}}),
            "driftDetection.ignore[0].target.x",
        ),
        (
            json!({"postRenderers": [{"kustomize": {"images": [{"x": 1}]}}]}),
            "postRenderers[0].kustomize.images[0].x",
        ),
        (json!({"postRenderers": [{"helm": 1}]}), "postRenderers[0].helm"),
        (
            json!({"waitStrategy": {"name": "poller", "x": 1}}),
            "waitStrategy.x",
        ),
        (json!({"dependsOn": [{"name": "a", "x": 1}]}), "dependsOn[0].x"),
        (json!({"commonMetadata": {"x": 1}}), "commonMetadata.x"),
    ] {
        assert_eq!(
            release(&spec).spec.unknown_field().as_deref(),
            Some(field),
            "{spec}"
        );
    }
}

#[test]
fn names_follow_from_the_spec() {
    let rows = [
        (json!({}), "web", "apps", "apps"),
        (json!({"targetNamespace": "prod"}), "prod-web", "prod", "apps"),
        (
            json!({"targetNamespace": "prod", "releaseName": "r"}),
            "r",
            "prod",
            "apps",
        ),
        (json!({"storageNamespace": "records"}), "web", "apps", "records"),
    ];
    for (spec, name, namespace, storage) in rows {
        let release = release(&spec);
        assert_eq!(release.release_name(), name, "{spec}");
        assert_eq!(release.release_namespace(), namespace, "{spec}");
        assert_eq!(release.storage_namespace(), storage, "{spec}");
        assert_eq!(release.helm_chart_name(), "apps-web");
    }
    // The end is the start of what `sha256sum` prints for the name.
    let long = "some-front-appended-namespace-release-with-a-really-long-name";
    assert_eq!(
        shorten_release_name(long),
        "some-front-appended-namespace-release-wi-217d7b0991e0"
    );
    assert_eq!(shorten_release_name(&long[..53]), &long[..53]);
}

#[test]
fn remediation_has_the_defaults_of_stock() {
    let status = |action: &str, installs: i64, upgrades: i64| HelmReleaseStatus {
        last_attempted_release_action: action.into(),
        install_failures: installs,
        upgrade_failures: upgrades,
        ..HelmReleaseStatus::default()
    };
    let of = |spec: &Value, action: &str| status(action, 0, 0).active_remediation(&release(spec).spec);
    assert_eq!(of(&json!({}), ""), None);
    let install = of(&json!({"test": {"ignoreFailures": true}}), "install").expect("active");
    assert!(install.ignore_test_failures && !install.remediate_last_failure);
    assert_eq!(install.strategy, Some(RemediationStrategy::Uninstall));
    let upgrade = of(&json!({"upgrade": {"remediation": {"retries": 1}}}), "upgrade").expect("active");
    assert!(upgrade.remediate_last_failure);
    assert_eq!(upgrade.strategy, Some(RemediationStrategy::Rollback));
    let odd = of(
        &json!({"upgrade": {"remediation": {"strategy": "hope"}}}),
        "upgrade",
    )
    .expect("active");
    assert_eq!(odd.strategy, None);
    assert!(!upgrade.is_exhausted(&status("upgrade", 9, 1)));
    assert!(upgrade.is_exhausted(&status("upgrade", 0, 2)));
    let endless = of(&json!({"install": {"remediation": {"retries": -1}}}), "install").expect("active");
    assert!(!endless.is_exhausted(&status("install", 99, 0)));
}

#[test]
fn retries_are_those_of_what_was_tried() {
    let retry = json!({"install": {"strategy": {"name": "RetryOnFailure"}},
        "upgrade": {"strategy": {"name": "RemediateOnFailure"}}});
    for (spec, action, by_default, expected) in [
        (&retry, ReleaseAction::Install, false, true),
        (&retry, ReleaseAction::Upgrade, true, false),
        (&json!({}), ReleaseAction::Upgrade, true, true),
        (&json!({}), ReleaseAction::Install, false, false),
        (&retry, ReleaseAction::Rollback, true, false),
    ] {
        assert_eq!(
            release(spec).spec.retry(action, by_default).is_some(),
            expected,
            "{spec} {action}"
        );
    }
}

fn snapshot(version: i64, status: &str, test: Option<&str>) -> ReleaseSnapshot {
    let tests = test.map(|phase| {
        [(
            "t".to_owned(),
            TestHook {
                phase: phase.into(),
                ..TestHook::default()
            },
        )]
        .into()
    });
    ReleaseSnapshot {
        version,
        status: status.into(),
        test_hooks: tests,
        ..ReleaseSnapshot::default()
    }
}

fn versions(history: &ReleaseHistory) -> Vec<i64> {
    history
        .snapshots()
        .iter()
        .map(|snapshot| snapshot.version)
        .collect()
}

#[test]
fn history_is_kept_back_to_what_a_rollback_may_lead_to() {
    let failed = |version| snapshot(version, "failed", None);
    for (given, ignore_tests, kept) in [
        (vec![], false, vec![]),
        (
            vec![
                snapshot(1, "superseded", None),
                snapshot(3, "deployed", None),
                snapshot(2, "superseded", None),
            ],
            false,
            vec![3, 2],
        ),
        (
            vec![
                snapshot(3, "deployed", None),
                failed(2),
                snapshot(1, "superseded", None),
            ],
            false,
            vec![3, 2, 1],
        ),
        (
            vec![
                failed(4),
                snapshot(3, "superseded", Some("Failed")),
                snapshot(2, "superseded", Some("Succeeded")),
                snapshot(1, "superseded", None),
            ],
            false,
            vec![4, 3, 2],
        ),
        (
            vec![
                failed(4),
                snapshot(3, "superseded", Some("Failed")),
                snapshot(2, "superseded", None),
            ],
            true,
            vec![4, 3],
        ),
        ((1..=7).map(failed).collect(), false, vec![7, 6, 5, 4, 3]),
    ] {
        let mut history: ReleaseHistory = given.into_iter().collect();
        let previous = history.previous(ignore_tests).map(|snapshot| snapshot.version);
        history.truncate(ignore_tests);
        assert_eq!(versions(&history), kept);
        if previous.is_some() {
            assert_eq!(previous.as_ref(), kept.last());
        }
    }
    let mut history: ReleaseHistory = (1..=7)
        .map(|version| snapshot(version, "superseded", None))
        .collect();
    history.truncate_to_size();
    assert_eq!(versions(&history), [7, 6, 5, 4, 3]);
}

#[test]
fn a_release_is_tested_when_every_test_came_to_an_end() {
    let mut none = snapshot(1, "deployed", None);
    assert!(!none.has_been_tested());
    none.test_hooks = Some([].into());
    assert!(none.has_been_tested(), "the chart has no tests");
    for (phases, tested) in [
        (vec!["Succeeded", "Succeeded"], true),
        (vec!["Succeeded", ""], false),
        (vec!["Failed", ""], true),
        (vec!["Running"], false),
    ] {
        let hook = |(at, phase): (usize, &&str)| {
            let hook = TestHook {
                phase: (*phase).to_owned(),
                ..TestHook::default()
            };
            (at.to_string(), hook)
        };
        let mut snapshot = snapshot(1, "deployed", None);
        snapshot.test_hooks = Some(phases.iter().enumerate().map(hook).collect());
        assert_eq!(snapshot.has_been_tested(), tested, "{phases:?}");
    }
}

#[test]
fn a_test_that_never_ran_is_null_in_go() {
    let read: ReleaseSnapshot =
        serde_json::from_value(json!({"deleted": null, "testHooks": {"t": null}})).expect("decodes");
    assert!(!read.has_been_tested());
    let odd: Tolerant<HelmRelease> =
        serde_json::from_value(json!({"metadata": {"name": "odd"}, "spec": {"install": 7}}))
            .expect("the watch goes on");
    assert!(odd.0.is_err());
}
