//! `force`: an immutable field is a refusal without it, and a new object with it.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION};
use serde_json::json;

use crate::app::{App, config_map};

fn immutable(colour: &str) -> String {
    config_map("a", colour).replace(", data:", ", immutable: true, data:")
}

#[tokio::test]
async fn an_immutable_object_is_recreated_only_on_request() -> Result<()> {
    let app = App::start("force", &[("deploy/a.yaml", &immutable("blue"))]).await?;
    app.deploy_ready("app", json!({})).await?;
    let before = app.existing(CONFIG_MAP, "a").await?;

    let commit = app.push(&[("deploy/a.yaml", &immutable("red"))]).await?;
    let message = app.wait_failed_at("app", &commit, "ReconciliationFailed").await?;
    let start = format!("ConfigMap/{}/a dry-run failed (Invalid): ", app.name());
    assert!(message.starts_with(&start), "{message}");
    assert!(
        message.contains("field is immutable when `immutable` is set"),
        "{message}"
    );
    assert!(message.contains("force"), "it says what to do next: {message}");
    let kept = app.existing(CONFIG_MAP, "a").await?;
    assert_eq!(kept.metadata.resource_version, before.metadata.resource_version);

    app.patch(KUSTOMIZATION, "app", json!({"spec": {"force": true}}))
        .await?;
    app.wait_applied("app", &commit).await?;
    assert_eq!(app.colour("a").await?.as_deref(), Some("red"));
    let after = app.existing(CONFIG_MAP, "a").await?;
    assert_ne!(after.metadata.uid, before.metadata.uid);
    Ok(())
}

#[tokio::test]
async fn force_deletes_nothing_that_is_merely_invalid() -> Result<()> {
    let service = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {colour: blue}}";
    let app = App::start("force-invalid", &[("deploy/a.yaml", service)]).await?;
    app.deploy_ready("app", json!({"force": true})).await?;
    let before = app.existing(CONFIG_MAP, "a").await?;
    let invalid = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {'not/a/key': blue}}";
    let commit = app.push(&[("deploy/a.yaml", invalid)]).await?;
    let message = app.wait_failed_at("app", &commit, "ReconciliationFailed").await?;
    assert!(message.contains("not/a/key"), "{message}");
    let after = app.existing(CONFIG_MAP, "a").await?;
    assert_eq!(after.metadata.uid, before.metadata.uid);
    Ok(())
}
