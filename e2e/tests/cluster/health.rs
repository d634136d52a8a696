//! `wait` and `healthChecks`: readiness is awaited, failure ends the wait, and time runs out as in stock.

use anyhow::Result;
use e2e::testbed::{KUSTOMIZATION, condition};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{App, Owner, config_map, deployment, start_shard};
use crate::side_by_side::neutral;

const FAILED: &str = "HealthCheckFailed";

fn says(object: &DynamicObject, kind: &str, status: &str, text: &str) -> bool {
    condition(object, kind).is_some_and(|condition| {
        let message = condition["message"].as_str().unwrap_or_default();
        condition["status"] == status && message.contains(text)
    })
}

#[tokio::test]
async fn waiting_is_announced_and_ends_with_a_newer_commit() -> Result<()> {
    let app = App::start("wait", &[("deploy/web.yaml", &deployment("web", 1))]).await?;
    app.deploy("app", json!({"wait": true, "timeout": "5m"})).await?;
    let announced = |object: &DynamicObject| {
        let text = "Running health checks for revision main@sha1:";
        says(object, "Reconciling", "True", text) && says(object, "Healthy", "Unknown", text)
    };
    let object = app
        .wait(KUSTOMIZATION, "app", "runs health checks", announced)
        .await?;
    assert!(says(&object, "Reconciling", "True", "with a timeout of 5m0s"));
    // What has been applied is in the inventory while its readiness is awaited.
    assert_eq!(
        object.data["status"]["inventory"]["entries"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );

    let commit = app.push(&[("deploy/web.yaml", &deployment("web", 0))]).await?;
    let object = app.wait_applied("app", &commit).await?;
    assert!(says(&object, "Healthy", "True", "Health check passed in "));
    Ok(())
}

#[tokio::test]
async fn health_checks_look_at_what_they_name_only() -> Result<()> {
    let files = [
        ("deploy/web.yaml", &*deployment("web", 0)),
        ("deploy/never.yaml", &*deployment("never", 1)),
    ];
    let app = App::start("checks", &files).await?;
    let check = |name: &str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "namespace": app.name()});
    app.deploy_ready("app", json!({"healthChecks": [check("web")]}))
        .await?;

    // Somebody else's object, which appears later.
    let spec = json!({"healthChecks": [check("elsewhere")], "timeout": "2m"});
    app.deploy("app", spec).await?;
    let awaits = |object: &DynamicObject| says(object, "Healthy", "Unknown", "Running health checks");
    app.wait(KUSTOMIZATION, "app", "runs health checks", awaits)
        .await?;
    app.apply(&deployment("elsewhere", 0)).await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;

    // What lies in no namespace is found under the one that somebody gave it.
    let name = format!("{}-later", app.name());
    let cluster_wide =
        json!({"apiVersion": "v1", "kind": "Namespace", "name": name, "namespace": app.name()});
    app.deploy("app", json!({"healthChecks": [cluster_wide], "timeout": "2m"}))
        .await?;
    app.wait(KUSTOMIZATION, "app", "runs health checks", awaits)
        .await?;
    app.apply(&format!(
        "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}"
    ))
    .await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    Ok(())
}

#[tokio::test]
async fn a_stalled_object_ends_the_wait_early() -> Result<()> {
    let stalling = deployment("web", 1).replace("progressDeadlineSeconds: 600", "progressDeadlineSeconds: 1");
    let app = App::start("stalled", &[("deploy/web.yaml", &stalling)]).await?;
    app.deploy("app", json!({"wait": true, "timeout": "10m"})).await?;
    let message = app.wait_failed(KUSTOMIZATION, "app", FAILED).await?;
    assert_eq!(
        neutral(&message, app.name()),
        "health check failed after TIME: failed early due to stalled resources: [Deployment/NAMESPACE/web status: 'Failed']"
    );
    Ok(())
}

/// The conditions of a Kustomization whose time has run out.
async fn timed_out(owner: Owner) -> Result<Value> {
    let files = [
        ("deploy/web.yaml", &*deployment("web", 1)),
        ("deploy/settings.yaml", &*config_map("settings", "blue")),
    ];
    let app = App::owned_by(owner, "timeout", &files).await?;
    let spec = json!({"wait": true, "timeout": "1s", "retryInterval": "1h"});
    app.deploy("app", spec).await?;
    app.wait_failed(KUSTOMIZATION, "app", FAILED).await?;
    let conditions = &app.existing(KUSTOMIZATION, "app").await?.data["status"]["conditions"];
    let told = |condition: &Value| {
        let message = condition["message"].as_str().unwrap_or_default();
        json!([
            condition["type"],
            condition["status"],
            condition["reason"],
            neutral(message, app.name())
        ])
    };
    Ok(conditions.as_array().into_iter().flatten().map(told).collect())
}

#[tokio::test]
async fn a_timeout_reads_as_in_stock() -> Result<()> {
    let (stock, ours) = tokio::try_join!(timed_out(Owner::Stock), timed_out(Owner::Ours))?;
    assert_eq!(ours, stock);
    assert!(
        ours.to_string()
            .contains("timeout waiting for: [Deployment/NAMESPACE/web status: 'InProgress']")
    );
    Ok(())
}

#[tokio::test]
async fn a_restart_does_not_take_what_is_under_way_for_ready() -> Result<()> {
    let files = [
        ("deploy/web.yaml", &*deployment("web", 1)),
        ("other/a.yaml", &*config_map("a", "blue")),
    ];
    let app = App::owned_by(Owner::Shard("restarted"), "restarted", &files).await?;
    app.testbed.openflux_controller().await?;
    let mut controller = start_shard(app.testbed, "restarted")?;
    app.deploy("app", json!({"wait": true, "timeout": "10m"})).await?;
    let waits = |object: &DynamicObject| says(object, "Healthy", "Unknown", "Running health checks");
    app.wait(KUSTOMIZATION, "app", "runs health checks", waits)
        .await?;
    app.deploy_ready("other", json!({"path": "other"})).await?;
    controller.kill()?;

    // It finds the Deployment in a list, and not in a watch.
    let _controller = start_shard(app.testbed, "restarted")?;
    for _ in 0..2 {
        app.reconcile("other").await?;
    }
    assert!(
        waits(&app.existing(KUSTOMIZATION, "app").await?),
        "it is not ready"
    );
    Ok(())
}
