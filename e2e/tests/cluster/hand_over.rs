//! Coexistence: stock and ours run on one cluster; moving a Kustomization over and back writes nothing to its objects.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, KUSTOMIZATION, condition};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{App, Owner, config_map, deployment};

/// What a write would change: resource versions and managed fields.
async fn traces(app: &App) -> Result<Value> {
    let mut traces = Vec::new();
    for (kind, name) in [(CONFIG_MAP, "settings"), (DEPLOYMENT, "web")] {
        let metadata = app.existing(kind, name).await?.metadata;
        traces.push(json!([name, metadata.resource_version, metadata.managed_fields]));
    }
    Ok(json!(traces))
}

async fn move_to(app: &App, owner: Owner) -> Result<Value> {
    let patch = json!({"metadata": {"labels": {"sharding.fluxcd.io/key": owner.label()}}});
    app.patch(KUSTOMIZATION, "app", patch).await?;
    app.reconcile("app").await?;
    Ok(app.wait_ready(KUSTOMIZATION, "app").await?.data["status"].take())
}

#[tokio::test]
async fn moving_over_and_back_writes_nothing() -> Result<()> {
    move_over_and_back("hand-over", json!({"wait": true})).await
}

#[tokio::test]
async fn moving_over_and_back_with_expressions_writes_nothing() -> Result<()> {
    let checks = json!([
        {"apiVersion": "v1", "kind": "ConfigMap", "failed": "data.colour == 'red'", "current": "data.colour == 'blue'"},
        {"apiVersion": "apps/v1", "kind": "Deployment", "current": "status.observedGeneration == metadata.generation"},
    ]);
    let spec = json!({"wait": true, "healthCheckExprs": checks});
    move_over_and_back("hand-over-cel", spec).await
}

/// Moves a Kustomization of two objects from stock's controller to ours and back.
async fn move_over_and_back(prefix: &str, spec: Value) -> Result<()> {
    let files = [
        ("deploy/settings.yaml", config_map("settings", "blue")),
        ("deploy/web.yaml", deployment("web", 0)),
    ];
    let files = files.each_ref().map(|(path, content)| (*path, content.as_str()));
    let app = App::owned_by(Owner::Stock, prefix, &files).await?;
    app.testbed.openflux_controller().await?;
    let before = app.deploy_ready("app", spec).await?;
    // The Deployment's own controller writes its status.
    app.wait_still(DEPLOYMENT, "web").await?;
    let stock = traces(&app).await?;

    let over = move_to(&app, Owner::Ours).await?;
    assert_eq!(traces(&app).await?, stock, "moving over wrote to an object");
    for field in ["inventory", "lastAppliedRevision", "lastAttemptedRevision"] {
        assert_eq!(over[field], before.data["status"][field], "{field}");
    }
    assert_eq!(
        app.existing(KUSTOMIZATION, "app").await?.metadata.finalizers,
        before.metadata.finalizers
    );

    let back = move_to(&app, Owner::Stock).await?;
    assert_eq!(traces(&app).await?, stock, "moving back wrote to an object");
    // The digest of what was built is the same, so that all runs are one entry of the history.
    assert_eq!(back["history"].as_array().map(Vec::len), Some(1), "{back:#}");
    assert_eq!(
        back["history"][0]["digest"],
        before.data["status"]["history"][0]["digest"]
    );
    assert!(
        back["history"][0]["totalReconciliations"].as_i64()
            > over["history"][0]["totalReconciliations"].as_i64(),
        "{back:#}"
    );
    Ok(())
}

#[tokio::test]
async fn what_moves_away_during_a_wait_is_not_written_to_any_more() -> Result<()> {
    let app = App::start("move-away", &[("deploy/web.yaml", &deployment("web", 1))]).await?;
    let spec = json!({"wait": true, "timeout": "5s", "retryInterval": "1h"});
    app.deploy("app", spec.clone()).await?;
    let waits = |object: &DynamicObject| {
        condition(object, "Healthy").is_some_and(|healthy| healthy["status"] == "Unknown")
    };
    app.wait(KUSTOMIZATION, "app", "runs health checks", waits)
        .await?;
    // To somebody who does nothing, so that whatever is written comes from us.
    let patch = json!({"metadata": {"labels": {"sharding.fluxcd.io/key": "nobody"}}});
    let moved = app.patch(KUSTOMIZATION, "app", patch).await?;

    // The wait of another one, which began later, has run out, and so would have the first.
    let mut later = spec;
    later["namePrefix"] = "later-".into();
    app.deploy("later", later).await?;
    app.wait_failed(KUSTOMIZATION, "later", "HealthCheckFailed")
        .await?;
    let after = app.existing(KUSTOMIZATION, "app").await?;
    assert_eq!(after.metadata.resource_version, moved.metadata.resource_version);
    Ok(())
}
