//! HelmReleases that move between the controllers while one of them is at work.

use anyhow::Result;
use e2e::testbed::{DEPLOYMENT, HELM_RELEASE, condition};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::Owner;
use crate::helm_crash::start_for;
use crate::release_app::ReleaseApp;

/// A release in the middle of an upgrade that waits for its Deployment.
async fn upgrading(owner: Owner) -> Result<ReleaseApp> {
    let app = ReleaseApp::owned_by(owner, "moving", &["1.0.0"]).await?;
    app.release_ready("app", json!({"timeout": "3m"})).await?;
    let spec = json!({"spec": {"values": {"replicas": 1}}});
    app.patch(HELM_RELEASE, "app", spec).await?;
    let runs = |object: &DynamicObject| {
        let reconciling = condition(object, "Reconciling");
        reconciling.is_some_and(|condition| {
            let message = condition["message"].as_str().unwrap_or_default();
            message.starts_with("Running 'upgrade' action")
        })
    };
    app.wait(HELM_RELEASE, "app", "is being upgraded", runs).await?;
    app.wait_statuses(&["deployed", "pending-upgrade"]).await?;
    // The record comes first: whoever scales the Deployment down before it is scaled up changes nothing.
    let is_up = |object: &DynamicObject| object.data["spec"]["replicas"] == 1;
    app.wait(DEPLOYMENT, "app-web", "is scaled up", is_up).await?;
    Ok(app)
}

/// The revisions in the history of a status, newest first.
fn history(object: &DynamicObject) -> Vec<i64> {
    let snapshots = object.data["status"]["history"].as_array().into_iter().flatten();
    snapshots
        .filter_map(|snapshot| snapshot["version"].as_i64())
        .collect()
}

#[tokio::test]
async fn what_stock_takes_over_is_left_to_it() -> Result<()> {
    let app = upgrading(Owner::Ours).await?;
    // Stock's controller takes nobody to be at work on it, and begins anew.
    app.testbed.stock_helm_controller().await?;
    app.hand_over(Owner::Stock, "app").await?;
    app.wait_statuses(&["deployed", "failed", "pending-upgrade"])
        .await?;
    app.release_scaled_down("app").await?;
    app.wait_statuses(&["superseded", "failed", "deployed"]).await?;
    let object = app.reconcile("app", &[]).await?;
    assert_eq!(history(&object).first(), Some(&3), "{:?}", object.data["status"]);
    app.wait_released("app").await?;
    app.wait_statuses(&["superseded", "failed", "deployed"]).await
}

#[tokio::test]
async fn what_stock_is_at_work_on_is_begun_when_it_is_done() -> Result<()> {
    let app = upgrading(Owner::Stock).await?;
    app.hand_over(Owner::Ours, "app").await?;
    app.events_with("waiting until the controller that had the HelmRelease before is done")
        .await?;
    app.wait_statuses(&["deployed", "pending-upgrade"]).await?;
    // Stock's controller ends it, and cannot say so in the conditions: it does not watch the object any more.
    app.scale_down("app").await?;
    let object = app.wait_released("app").await?;
    app.wait_statuses(&["superseded", "deployed"]).await?;
    assert_eq!(history(&object), [2, 1], "{:?}", object.data["status"]);
    let ready = condition(&object, "Ready").map(|ready| ready["message"].clone());
    let expected = format!(
        "Helm upgrade succeeded for release {namespace}/app.v2 with chart {namespace}@1.0.0",
        namespace = app.name()
    );
    assert_eq!(ready, Some(expected.into()));
    Ok(())
}

#[tokio::test]
async fn what_one_of_ours_gives_up_another_takes_up() -> Result<()> {
    const SHARD: &str = "helm-moves";
    let app = upgrading(Owner::Ours).await?;
    let _controller = start_for(SHARD).await?;
    app.hand_over(Owner::Shard(SHARD), "app").await?;
    app.wait_statuses(&["deployed", "failed", "pending-upgrade"])
        .await?;
    app.release_scaled_down("app").await?;
    app.wait_statuses(&["superseded", "failed", "deployed"]).await
}
