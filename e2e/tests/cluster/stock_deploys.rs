//! The testbed itself: a stock GitRepository and a stock Kustomization work on it.

use anyhow::Result;
use serde_json::json;

use crate::app::{App, Owner, config_map};

#[tokio::test]
async fn a_commit_becomes_a_config_map() -> Result<()> {
    let files = [("deploy/a.yaml", &*config_map("a", "blue"))];
    let app = App::owned_by(Owner::Stock, "stock", &files).await?;
    app.deploy_ready("app", json!({})).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("blue"));
    Ok(())
}
