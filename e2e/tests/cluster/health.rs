//! `wait` and `healthChecks`: readiness is awaited, failure ends the wait, and time runs out as in stock.

use anyhow::{Context as _, Result};
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION, Kind, Testbed, condition, eventually};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{App, Owner, config_map, deployment, start_shard};
use crate::artifacts::{consume, consume_as, deliver};
use crate::side_by_side::neutral;
use crate::together::{Side, together};

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
    let by = format!("triggered by GitRepository/{}/app", app.name());
    let events = app.events_with(&by).await?;
    let canceled = events
        .iter()
        .find(|event| event.data["reason"] == "HealthCheckCanceled");
    let canceled = canceled.context("no event has the reason")?;
    let text = format!("Health checks canceled due to new reconciliation {by}");
    assert_eq!(canceled.data["message"], text);
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

/// A definition of `Widget` in a group of its own.
fn widgets(group: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
}

#[tokio::test]
async fn a_kind_that_is_not_served_yet_is_awaited() -> Result<()> {
    const GROUP: &str = "awaited.openflux.test";
    const WIDGET: Kind = Kind {
        api_version: "awaited.openflux.test/v1",
        kind: "Widget",
        plural: "widgets",
    };
    let testbed = Testbed::shared().await?;
    let app = testbed.namespace("unserved").await?;
    testbed.openflux_controller().await?;
    let _server = deliver(&app, &[("a.yaml", &config_map("a", "blue"))]).await?;
    let api_version = format!("{GROUP}/v1");
    let check = json!({"apiVersion": api_version, "kind": "Widget", "name": "w", "namespace": app.name()});
    let spec = json!({"healthChecks": [check], "timeout": "5m", "retryInterval": "1h"});
    consume(&app, "app", "app", spec).await?;
    let waits = |object: &DynamicObject| says(object, "Healthy", "Unknown", "Running health checks");
    app.wait(KUSTOMIZATION, "app", "runs health checks", waits)
        .await?;

    app.apply(&widgets(GROUP).to_string()).await?;
    let widget = json!({"apiVersion": api_version, "kind": "Widget", "metadata": {"name": "w"}});
    eventually("the kind is served", async || {
        Ok(app.apply(&widget.to_string()).await.ok())
    })
    .await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;

    // It is followed by now.
    let not_ready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    app.patch(WIDGET, "w", not_ready).await?;
    app.patch(KUSTOMIZATION, "app", json!({"spec": {"path": "./."}}))
        .await?;
    app.wait(KUSTOMIZATION, "app", "runs health checks", waits)
        .await?;
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    app.patch(WIDGET, "w", ready).await?;
    app.wait_ready(KUSTOMIZATION, "app").await?;
    Ok(())
}

#[tokio::test]
async fn what_no_node_takes_fails_after_its_grace() -> Result<()> {
    const POD: Kind = Kind {
        api_version: "v1",
        kind: "Pod",
        plural: "pods",
    };
    let pod =
        "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: app, image: app}]}}";
    let app = App::start("unschedulable", &[("deploy/pod.yaml", pod)]).await?;
    app.deploy(
        "app",
        json!({"wait": true, "timeout": "10m", "retryInterval": "1h"}),
    )
    .await?;
    app.wait(POD, "p", "exists", |_| true).await?;
    let refused = json!({"status": {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}});
    app.patch_status(POD, "p", refused).await?;
    let message = app.wait_failed(KUSTOMIZATION, "app", FAILED).await?;
    let stalled = "failed early due to stalled resources: [Pod/NAMESPACE/p status: 'Failed']";
    assert!(neutral(&message, app.name()).ends_with(stalled), "{message}");
    Ok(())
}

#[tokio::test]
async fn many_checks_need_few_connections() -> Result<()> {
    const KUSTOMIZATIONS: usize = 20;
    const CHECKS: usize = 5;
    let testbed = Testbed::shared().await?;
    let app = testbed.namespace("many-checks").await?;
    testbed.openflux_controller().await?;
    let controller = start_shard(testbed, "checks")?;
    let _server = deliver(&app, &[("a.yaml", &config_map("a", "blue"))]).await?;
    let names = |at: usize| (0..CHECKS).map(move |check| format!("elsewhere-{at}-{check}"));
    for at in 0..KUSTOMIZATIONS {
        let check =
            |name| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "namespace": app.name()});
        let checks: Vec<Value> = names(at).map(check).collect();
        let spec = json!({"healthChecks": checks, "timeout": "5m", "prune": false});
        consume_as(Owner::Shard("checks"), &app, &format!("app-{at}"), "app", spec).await?;
    }
    for at in 0..KUSTOMIZATIONS {
        let waits = |object: &DynamicObject| says(object, "Healthy", "Unknown", "Running health checks");
        app.wait(KUSTOMIZATION, &format!("app-{at}"), "runs health checks", waits)
            .await?;
    }
    let sockets = std::fs::read_dir(format!("/proc/{}/fd", controller.id()))?
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
        .filter(|target| target.to_string_lossy().starts_with("socket:"))
        .count();
    assert!(
        sockets < 80,
        "{sockets} sockets for {} checks",
        KUSTOMIZATIONS * CHECKS
    );

    for name in (0..KUSTOMIZATIONS).flat_map(names) {
        app.apply(&config_map(&name, "blue")).await?;
    }
    for at in 0..KUSTOMIZATIONS {
        app.wait_ready(KUSTOMIZATION, &format!("app-{at}")).await?;
    }
    assert!(app.get(CONFIG_MAP, "elsewhere-0-0").await?.is_some());
    Ok(())
}

/// What a Kustomization says whose health checks end by themselves: the conditions, the history, and what it has applied.
async fn verdict(side: Side, check: &Value, end: &str) -> Result<()> {
    let app = App::owned_by(
        side.owner,
        "verdict",
        &[("deploy/a.yaml", &config_map("a", "blue"))],
    )
    .await?;
    let mut own = check.clone();
    if own["namespace"] == "NAMESPACE" {
        own["namespace"] = app.name().into();
    }
    let spec = json!({"healthChecks": [own], "timeout": "4s", "retryInterval": "1h"});
    app.deploy("app", spec).await?;
    let ended = |object: &DynamicObject| {
        condition(object, "Ready").is_some_and(|ready| ready["reason"] == end)
            && condition(object, "Reconciling").is_none_or(|goes_on| goes_on["reason"] != "Progressing")
            // Stock writes conditions first.
            && object.data["status"]["history"].is_array()
    };
    app.wait(KUSTOMIZATION, "app", "has ended", ended).await?;
    side.same(&check.to_string(), async || {
        let object = app.existing(KUSTOMIZATION, "app").await?;
        let status = &object.data["status"];
        let history = status["history"].as_array().into_iter().flatten();
        let seen = json!({
            "conditions": conditions(&object, &app),
            "history": history.map(|run| run["lastReconciledStatus"].clone()).collect::<Value>(),
            "applied": status["lastAppliedRevision"].is_string(),
            "observed": status["observedGeneration"],
        });
        Ok(ended(&object).then_some(seen))
    })
    .await?;
    Ok(())
}

/// The conditions of an object, without times.
fn conditions(object: &DynamicObject, app: &App) -> Value {
    let conditions = object.data["status"]["conditions"].as_array();
    let told = |condition: &Value| {
        let message = condition["message"].as_str().unwrap_or_default();
        json!([
            condition["type"],
            condition["status"],
            condition["reason"],
            neutral(message, app.name())
        ])
    };
    conditions.into_iter().flatten().map(told).collect()
}

#[tokio::test]
async fn checks_that_cannot_be_made_read_as_in_stock() -> Result<()> {
    let unserved = json!({"apiVersion": "never.openflux.test/v1", "kind": "Widget", "name": "w", "namespace": "NAMESPACE"});
    let missing =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "missing", "namespace": "NAMESPACE"});
    let nowhere = json!({"kind": "Deployment", "name": "web"});
    let odd = json!({"apiVersion": "a/b/c", "kind": "Widget", "name": "w", "namespace": "NAMESPACE"});
    let itself = json!({"apiVersion": KUSTOMIZATION.api_version, "kind": "Kustomization", "name": "app", "namespace": "NAMESPACE"});
    let compare = async |check: Value, end: &str| -> Result<()> {
        together(async |side| verdict(side, &check, end).await).await?;
        Ok(())
    };
    tokio::try_join!(
        compare(unserved, FAILED),
        compare(missing, FAILED),
        compare(nowhere, FAILED),
        compare(odd, FAILED),
        compare(itself, "ReconciliationSucceeded"),
    )?;
    Ok(())
}

/// The conditions of a Kustomization whose time has run out.
async fn timed_out(side: Side) -> Result<Value> {
    let files = [
        ("deploy/web.yaml", &*deployment("web", 1)),
        ("deploy/settings.yaml", &*config_map("settings", "blue")),
    ];
    let app = App::owned_by(side.owner, "timeout", &files).await?;
    let spec = json!({"wait": true, "timeout": "4s", "retryInterval": "1h"});
    app.deploy("app", spec).await?;
    app.wait_failed(KUSTOMIZATION, "app", FAILED).await?;
    let seen = side.same("timed out", async || {
        let object = app.existing(KUSTOMIZATION, "app").await?;
        Ok(Some(conditions(&object, &app)))
    });
    seen.await
}

#[tokio::test]
async fn a_timeout_reads_as_in_stock() -> Result<()> {
    let (_, ours) = together(timed_out).await?;
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
