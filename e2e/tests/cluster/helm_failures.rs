//! Releases that fail, under stock's controller and under ours: what is counted, tried again, remedied and told is the
//! same.

use std::collections::BTreeSet;

use anyhow::Result;
use e2e::testbed::{HELM_RELEASE, condition};
use serde_json::{Value, json};

use crate::release_app::{ReleaseApp, neutral};
use crate::release_state::{States, helm_log};
use crate::together::{Side, together};

/// Values with which nothing can be created.
fn bad() -> Value {
    json!({"name": "Not_A_Name"})
}

/// A release whose upgrade fails: it is rolled back, mended, and then left as it is.
async fn upgrades(side: Side) -> Result<BTreeSet<Vec<String>>> {
    let app = ReleaseApp::owned_by(side.owner, "failing", &["1.0.0"]).await?;
    let states = States::of(&app, &side);
    app.release_ready(
        "app",
        json!({"upgrade": {"remediation": {"remediateLastFailure": true}}}),
    )
    .await?;
    app.patch(HELM_RELEASE, "app", json!({"spec": {"values": bad()}}))
        .await?;
    app.wait_stalled("app", "RollbackSucceeded").await?;
    states.same("rolled back").await?;
    let mended = json!({"values": {"name": null, "colour": "green"}});
    app.change("app", mended).await?;
    states.same("mended").await?;
    let plain = json!({"spec": {"upgrade": null, "values": bad()}});
    app.patch(HELM_RELEASE, "app", plain).await?;
    app.wait_stalled("app", "UpgradeFailed").await?;
    states.same("left").await?;
    let logs = async || {
        let events = app.events_of("UpgradeFailed", 2).await?;
        let logs = events.iter().map(|event| helm_log(event, app.name()));
        anyhow::Ok(logs.collect::<BTreeSet<_>>())
    };
    side.same("logs", async || Ok(Some(json!(logs().await?)))).await?;
    logs().await
}

#[tokio::test]
async fn failed_upgrades_are_remedied_the_same() -> Result<()> {
    let (_, ours) = together(upgrades).await?;
    assert!(ours.iter().all(|log| log.len() > 3), "{ours:?}");
    Ok(())
}

/// A release that cannot be installed: it is tried twice, and mended.
async fn installs(side: Side) -> Result<()> {
    let app = ReleaseApp::owned_by(side.owner, "failing", &["1.0.0"]).await?;
    let states = States::of(&app, &side);
    let spec = json!({"values": bad(), "install": {"remediation": {"retries": 1}},
        "upgrade": {"remediation": {"retries": 1, "strategy": "uninstall"}}});
    app.release("app", spec).await?;
    app.wait_stalled("app", "InstallFailed").await?;
    states.same("exhausted").await?;
    let mended = json!({"values": {"name": null}});
    app.change("app", mended).await?;
    states.same("mended").await?;
    // Uninstalled, installed anew, and so on, until nothing is left to try.
    app.patch(HELM_RELEASE, "app", json!({"spec": {"values": bad()}}))
        .await?;
    app.wait_stalled("app", "InstallFailed").await?;
    states.same("uninstalled").await?;
    Ok(())
}

#[tokio::test]
async fn failed_installs_are_remedied_the_same() -> Result<()> {
    together(installs).await?;
    Ok(())
}

/// What is wrong before Helm is at work: values, and a source that is not there.
async fn prerequisites(side: Side) -> Result<()> {
    let app = ReleaseApp::owned_by(side.owner, "failing", &["1.0.0"]).await?;
    let failed = async |step: &str, reason: &str| {
        side.same(step, async || {
            let object = app.existing(HELM_RELEASE, "app").await?;
            let ready = condition(&object, "Ready").cloned().unwrap_or_default();
            let status = &object.data["status"];
            let fields = json!({
                "reason": ready["reason"], "status": ready["status"], "message": ready["message"],
                "observed": status["observedGeneration"], "history": status["history"],
                "failures": status["failures"], "attempted": status["lastAttemptedRevision"],
            });
            Ok((ready["reason"] == reason).then(|| neutral(&fields, app.name())))
        })
        .await
    };
    let values = json!({"valuesFrom": [{"kind": "Secret", "name": "values", "valuesKey": "a"}]});
    app.release("app", values).await?;
    failed("no Secret", "ValuesError").await?;
    app.apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: values}, stringData: {a: 'colour: [', b: red}}",
    )
    .await?;
    app.reconcile("app", &[]).await?;
    failed("no YAML", "ValuesError").await?;
    let path = json!({"valuesFrom": [{"kind": "Secret", "name": "values", "valuesKey": "b", "targetPath": "colour"}]});
    app.change("app", path).await?;
    let missing = json!({"spec": {"dependsOn": [{"name": "other"}]}});
    app.patch(HELM_RELEASE, "app", missing).await?;
    failed("no dependency", "DependencyNotReady").await?;
    app.release("other", json!({"releaseName": "other", "suspend": true}))
        .await?;
    app.reconcile("app", &[]).await?;
    failed("not ready", "DependencyNotReady").await?;
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_before_helm_reads_the_same() -> Result<()> {
    together(prerequisites).await?;
    Ok(())
}
