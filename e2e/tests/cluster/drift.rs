//! Drift: what somebody else did to our fields is undone, what they did to theirs stays.

use anyhow::Result;
use e2e::testbed::CONFIG_MAP;
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{App, config_map};

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
