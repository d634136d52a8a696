//! Drift: what somebody else did to our fields is undone, what they did to theirs stays.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION, eventually};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{App, config_map};
use crate::side_by_side::neutral;
use crate::together::{Side, together};

#[tokio::test]
async fn a_request_and_the_interval_correct_drift() -> Result<()> {
    let app = App::start("drift", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.deploy_ready("app", json!({})).await?;
    let disturb = json!({"metadata": {"annotations": {"theirs": "1"}}, "data": {"colour": "red"}});
    let is_blue = |object: &DynamicObject| object.data["data"]["colour"] == "blue";

    app.patch(CONFIG_MAP, "a", disturb.clone()).await?;
    app.reconcile("app").await?;
    let restored = app.existing(CONFIG_MAP, "a").await?;
    assert!(is_blue(&restored), "{restored:?}");
    assert_eq!(restored.metadata.annotations.unwrap_or_default()["theirs"], "1");

    app.deploy_ready("app", json!({"interval": "2s"})).await?;
    app.patch(CONFIG_MAP, "a", disturb).await?;
    app.wait(CONFIG_MAP, "a", "is blue again", is_blue).await?;
    app.delete(CONFIG_MAP, "a").await?;
    app.wait(CONFIG_MAP, "a", "is back", is_blue).await?;
    Ok(())
}

#[tokio::test]
async fn what_another_kustomization_wrote_under_the_same_name_is_noticed() -> Result<()> {
    let files = [
        ("deploy/a.yaml", &*config_map("a", "blue")),
        ("other/a.yaml", &*config_map("a", "red")),
    ];
    let app = App::start("shared-object", &files).await?;
    app.deploy_ready("app", json!({})).await?;
    app.deploy_ready("other", json!({"path": "other"})).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("red"));
    app.patch(KUSTOMIZATION, "other", json!({"spec": {"suspend": true}}))
        .await?;
    // The same fields are ours as before, and with other values.
    let commit = app.push(&[("deploy/b.yaml", &config_map("b", "blue"))]).await?;
    app.wait_applied("app", &commit).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("blue"));
    Ok(())
}

#[tokio::test]
async fn everything_is_verified_at_the_interval_however_often_commits_come() -> Result<()> {
    let app = App::start("busy", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.deploy_ready("app", json!({"interval": "5s"})).await?;
    let known = app.writes().await?.len();
    let mut number = 0;
    eventually("a dry-run of what does not change", async || {
        number += 1;
        let commit = app
            .push(&[("deploy/b.yaml", &config_map("b", &number.to_string()))])
            .await?;
        app.wait_applied("app", &commit).await?;
        let verified = app
            .applied_since(known)
            .await?
            .iter()
            .any(|write| write == "dry-run a");
        Ok(verified.then_some(()))
    })
    .await?;
    assert!(number > 1, "there was a commit before the interval was over");
    Ok(())
}

#[tokio::test]
async fn what_equals_the_cluster_takes_no_ownership() -> Result<()> {
    let files = [
        ("deploy/a.yaml", &*config_map("a", "blue")),
        ("deploy/b.yaml", &*config_map("b", "blue")),
    ];
    let app = App::start("equal", &files).await?;
    app.deploy_ready("app", json!({})).await?;
    let theirs = json!({"data": {"size": "big"}});
    let before = app.patch(CONFIG_MAP, "a", theirs).await?;
    let known = app.writes().await?.len();
    let bigger = config_map("a", "blue").replace("data: {", "data: {size: big, ");
    let commit = app.push(&[("deploy/a.yaml", &bigger)]).await?;
    app.wait_applied("app", &commit).await?;
    assert_eq!(app.applied_since(known).await?, ["dry-run a"]);
    let after = app.existing(CONFIG_MAP, "a").await?;
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    Ok(())
}

/// What became of an object of which fields are ignored.
async fn ignoring(side: Side) -> Result<()> {
    let map = |shape: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {{colour: blue, shape: {shape}, size: s}}}}\n"
        )
    };
    let app = App::owned_by(side.owner, "ignore", &[("deploy/a.yaml", &map("round"))]).await?;
    let state = async || {
        let object = app.existing(CONFIG_MAP, "a").await?;
        let managers = object.metadata.managed_fields.iter().flatten();
        let managers: Vec<_> = managers
            .map(|entry| json!([entry.manager, entry.operation, entry.fields_v1]))
            .collect();
        anyhow::Ok(Some(json!({"data": object.data["data"], "managers": managers})))
    };
    let rules = |kind: &str| {
        json!([{"paths": ["/data/colour", "/data/absent"], "target": {"kind": kind, "name": "a|b"}},
            {"paths": ["/data/size"], "target": {"labelSelector": "other=yes"}}])
    };
    let spec = json!({"ignore": rules("ConfigMap"), "retryInterval": "1h"});
    app.deploy_ready("app", spec).await?;
    side.same("installed", &state).await?;
    app.patch(CONFIG_MAP, "a", json!({"data": {"colour": "red"}}))
        .await?;
    app.reconcile("app").await?;
    side.same("ignored", &state).await?;
    let commit = app.push(&[("deploy/a.yaml", &map("square"))]).await?;
    app.wait_applied("app", &commit).await?;
    side.same("changed", &state).await?;
    app.patch(CONFIG_MAP, "a", json!({"data": {"size": "xl"}}))
        .await?;
    app.reconcile("app").await?;
    side.same("corrected", &state).await?;
    app.patch(KUSTOMIZATION, "app", json!({"spec": {"ignore": rules("[")}}))
        .await?;
    app.wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
        .await?;
    side.same("mistake", async || {
        let message = app
            .wait_failed(KUSTOMIZATION, "app", "ReconciliationFailed")
            .await?;
        Ok(Some(neutral(&message, app.name()).into()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_is_ignored_stays_as_others_have_it_as_in_stock() -> Result<()> {
    together(ignoring).await?;
    Ok(())
}
