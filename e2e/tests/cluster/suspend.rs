//! `suspend`: nothing happens until the object is resumed.

use anyhow::Result;
use e2e::testbed::KUSTOMIZATION;
use serde_json::json;

use crate::app::{App, config_map};

#[tokio::test]
async fn a_suspended_kustomization_rests_until_it_is_resumed() -> Result<()> {
    let app = App::start("suspend", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.deploy_ready("app", json!({})).await?;
    app.deploy("witness", json!({"namePrefix": "other-"})).await?;
    let suspend = |value: bool| json!({"spec": {"suspend": value}});
    app.patch(KUSTOMIZATION, "app", suspend(true)).await?;

    let commit = app.push(&[("deploy/a.yaml", &config_map("a", "red"))]).await?;
    app.wait_applied("witness", &commit).await?;
    // A request is answered, so that whoever waits for it goes on, but nothing is applied.
    app.reconcile("app").await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("blue"));

    app.patch(KUSTOMIZATION, "app", suspend(false)).await?;
    app.wait_applied("app", &commit).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("red"));
    Ok(())
}
