//! Releases that fail, under stock's controller and under ours: what is counted, tried again, remedied and told is the
//! same.

use std::collections::BTreeSet;

use anyhow::Result;
use e2e::testbed::{HELM_RELEASE, condition};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::Owner;
use crate::release_app::{ReleaseApp, neutral};
use crate::release_state::{States, compare, helm_log};

/// Values with which nothing can be created.
fn bad() -> Value {
    json!({"name": "Not_A_Name"})
}

/// A release whose upgrade fails: it is rolled back, mended, and then left as it is.
async fn upgrades(owner: Owner) -> Result<(Vec<Value>, BTreeSet<Vec<String>>)> {
    let app = ReleaseApp::owned_by(owner, "failing", &["1.0.0"]).await?;
    let mut states = States::of(&app);
    app.release_ready(
        "app",
        json!({"upgrade": {"remediation": {"remediateLastFailure": true}}}),
    )
    .await?;
    app.patch(HELM_RELEASE, "app", json!({"spec": {"values": bad()}}))
        .await?;
    states
        .add(app.wait_stalled("app", "RollbackSucceeded").await?)
        .await?;
    let mended = json!({"values": {"name": null, "colour": "green"}});
    states.add(app.change("app", mended).await?).await?;
    let plain = json!({"spec": {"upgrade": null, "values": bad()}});
    app.patch(HELM_RELEASE, "app", plain).await?;
    states
        .add(app.wait_stalled("app", "UpgradeFailed").await?)
        .await?;
    let events = app.events_of("UpgradeFailed", 2).await?;
    let logs = events.iter().map(|event| helm_log(event, app.name()));
    Ok((states.all(), logs.collect()))
}

#[tokio::test]
async fn failed_upgrades_are_remedied_the_same() -> Result<()> {
    let (stock, ours) = tokio::try_join!(upgrades(Owner::Stock), upgrades(Owner::Ours))?;
    compare(&["rolled back", "mended", "left"], &stock.0, &ours.0);
    assert_eq!(ours.1, stock.1);
    assert!(ours.1.iter().all(|log| log.len() > 3), "{:?}", ours.1);
    Ok(())
}

/// A release that cannot be installed: it is tried twice, and mended.
async fn installs(owner: Owner) -> Result<Vec<Value>> {
    let app = ReleaseApp::owned_by(owner, "failing", &["1.0.0"]).await?;
    let mut states = States::of(&app);
    let spec = json!({"values": bad(), "install": {"remediation": {"retries": 1}},
        "upgrade": {"remediation": {"retries": 1, "strategy": "uninstall"}}});
    app.release("app", spec).await?;
    states
        .add(app.wait_stalled("app", "InstallFailed").await?)
        .await?;
    let mended = json!({"values": {"name": null}});
    states.add(app.change("app", mended).await?).await?;
    // Uninstalled, installed anew, and so on, until nothing is left to try.
    app.patch(HELM_RELEASE, "app", json!({"spec": {"values": bad()}}))
        .await?;
    states
        .add(app.wait_stalled("app", "InstallFailed").await?)
        .await?;
    Ok(states.all())
}

#[tokio::test]
async fn failed_installs_are_remedied_the_same() -> Result<()> {
    let (stock, ours) = tokio::try_join!(installs(Owner::Stock), installs(Owner::Ours))?;
    compare(&["exhausted", "mended", "uninstalled"], &stock, &ours);
    Ok(())
}

/// What is wrong before Helm is at work: values, and a source that is not there.
async fn prerequisites(owner: Owner) -> Result<Vec<Value>> {
    let app = ReleaseApp::owned_by(owner, "failing", &["1.0.0"]).await?;
    let mut said = Vec::new();
    let mut remember = |object: &DynamicObject| {
        let ready = condition(object, "Ready").cloned().unwrap_or_default();
        let status = &object.data["status"];
        let fields = json!({
            "reason": ready["reason"], "status": ready["status"], "message": ready["message"],
            "observed": status["observedGeneration"], "history": status["history"],
            "failures": status["failures"], "attempted": status["lastAttemptedRevision"],
        });
        said.push(neutral(&fields, app.name()));
    };
    let failed = async |reason: &str| {
        let failed = |object: &DynamicObject| {
            condition(object, "Ready").is_some_and(|ready| ready["reason"] == reason)
        };
        let what = format!("has failed with {reason}");
        app.wait(HELM_RELEASE, "app", &what, failed).await
    };
    let values = json!({"valuesFrom": [{"kind": "Secret", "name": "values", "valuesKey": "a"}]});
    app.release("app", values).await?;
    remember(&failed("ValuesError").await?);
    app.apply(
        "{apiVersion: v1, kind: Secret, metadata: {name: values}, stringData: {a: 'colour: [', b: red}}",
    )
    .await?;
    app.reconcile("app", &[]).await?;
    remember(&failed("ValuesError").await?);
    let path = json!({"valuesFrom": [{"kind": "Secret", "name": "values", "valuesKey": "b", "targetPath": "colour"}]});
    app.change("app", path).await?;
    let missing = json!({"spec": {"dependsOn": [{"name": "other"}]}});
    app.patch(HELM_RELEASE, "app", missing).await?;
    remember(&failed("DependencyNotReady").await?);
    app.release("other", json!({"releaseName": "other", "suspend": true}))
        .await?;
    app.reconcile("app", &[]).await?;
    remember(&failed("DependencyNotReady").await?);
    Ok(said)
}

#[tokio::test]
async fn what_is_wrong_before_helm_reads_the_same() -> Result<()> {
    let (stock, ours) = tokio::try_join!(prerequisites(Owner::Stock), prerequisites(Owner::Ours))?;
    compare(
        &["no Secret", "no YAML", "no dependency", "not ready"],
        &stock,
        &ours,
    );
    Ok(())
}
