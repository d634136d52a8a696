//! The main job: a commit becomes an Artifact becomes objects, and a later commit changes them.

use anyhow::Result;
use e2e::testbed::{ARTIFACT, CONFIG_MAP};
use serde_json::json;

use crate::app::{App, config_map};

/// The API server reads what is applied as YAML, where a separator ends a line and takes the spaces around it along.
#[tokio::test]
async fn spaces_around_line_separators_arrive() -> Result<()> {
    let config_map =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {colour: \"a \\L b \\P c\"}\n";
    let app = App::start("separators", &[("deploy/a.yaml", config_map)]).await?;
    app.deploy_ready("app", json!({})).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("a \u{2028} b \u{2029} c"));
    Ok(())
}

#[tokio::test]
async fn a_commit_rolls_out_through_an_artifact() -> Result<()> {
    let app = App::start("ours", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.deploy_ready("app", json!({})).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("blue"));
    let managers = app.existing(CONFIG_MAP, "a").await?.metadata.managed_fields;
    let manager = managers.unwrap_or_default().remove(0).manager;
    assert_eq!(manager.as_deref(), Some("kustomize-controller"));
    assert_eq!(app.list(ARTIFACT).await?.len(), 1);

    let commit = app.push(&[("deploy/a.yaml", &config_map("a", "red"))]).await?;
    app.wait_applied("app", &commit).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("red"));
    Ok(())
}
