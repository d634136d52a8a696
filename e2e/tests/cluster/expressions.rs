//! CEL: `healthCheckExprs` and `dependsOn[].readyExpr`, under stock's controllers and under ours.

use anyhow::Result;
use e2e::testbed::{HELM_RELEASE, KUSTOMIZATION, condition};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{App, config_map};
use crate::release_app::ReleaseApp;
use crate::side_by_side::neutral;
use crate::together::{Side, together};

/// What an object says of itself: its conditions without their times, and which generation it has seen.
fn said(object: &DynamicObject, namespace: &str) -> Value {
    let conditions = object.data["status"]["conditions"].as_array();
    let conditions = conditions.into_iter().flatten().map(|condition| {
        let message = neutral(condition["message"].as_str().unwrap_or_default(), namespace);
        json!([
            condition["type"],
            condition["status"],
            condition["reason"],
            message
        ])
    });
    let observed = object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation;
    json!({"conditions": conditions.collect::<Vec<_>>(), "observed": observed})
}

/// Warnings and what else was said about an object, without what is said of every run.
fn told(events: &[DynamicObject], namespace: &str, reason: &str) -> Vec<String> {
    let field = |event: &DynamicObject, name: &str| event.data[name].as_str().unwrap_or_default().to_owned();
    let mut told: Vec<_> = events
        .iter()
        .filter(|event| event.data["reason"] == reason)
        .map(|event| {
            format!(
                "{} {}",
                field(event, "type"),
                neutral(&field(event, "message"), namespace)
            )
        })
        .collect();
    told.sort();
    told.dedup();
    told
}

fn has_failed(object: &DynamicObject, reason: &str) -> bool {
    let ready = condition(object, "Ready");
    ready.is_some_and(|ready| {
        ready["reason"] == reason && ready["observedGeneration"].as_i64() == object.metadata.generation
    }) && condition(object, "Reconciling").is_none_or(|goes_on| goes_on["reason"] != "Progressing")
}

/// Whether an object has been refused for an expression, and has written down that it is: stock does so in two steps.
fn is_refused(object: &DynamicObject) -> bool {
    let observed = object.data["status"]["observedGeneration"].as_i64();
    has_failed(object, "InvalidCELExpression") && observed == object.metadata.generation
}

/// The health of ConfigMaps by their colour.
fn by_colour() -> Value {
    json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": "data.colour == 'green'",
        "failed": "has(data.colour) && data.colour == 'red'", "inProgress": "data.colour == 'amber'"}])
}

async fn health(side: Side) -> Result<()> {
    let dark = "{apiVersion: v1, kind: ConfigMap, metadata: {name: night}}\n";
    let files = [
        ("deploy/a.yaml", &*config_map("light", "green")),
        ("dark/a.yaml", dark),
    ];
    let app = App::owned_by(side.owner, "cel-health", &files).await?;
    let says = async |name: &str| {
        let object = app.existing(KUSTOMIZATION, name).await?;
        anyhow::Ok(Some(said(&object, app.name())))
    };
    let spec =
        json!({"wait": true, "healthCheckExprs": by_colour(), "retryInterval": "1h", "timeout": "30s"});
    app.deploy_ready("app", spec).await?;
    side.same("green", async || says("app").await).await?;
    let red = app
        .push(&[("deploy/a.yaml", &config_map("light", "red"))])
        .await?;
    app.wait_failed_at("app", &red, "HealthCheckFailed").await?;
    side.same("red", async || says("app").await).await?;

    // Somebody else makes it healthy while it is awaited.
    let amber = app
        .push(&[("deploy/a.yaml", &config_map("light", "amber"))])
        .await?;
    let awaits = |object: &DynamicObject| {
        let revision = object.data["status"]["lastAttemptedRevision"].as_str();
        let waits = condition(object, "Healthy").is_some_and(|healthy| healthy["status"] == "Unknown");
        waits && revision.is_some_and(|revision| revision.ends_with(&amber))
    };
    app.wait(KUSTOMIZATION, "app", "awaits the light", awaits).await?;
    app.apply(&config_map("light", "green")).await?;
    app.wait_applied("app", &amber).await?;
    side.same("amber", async || says("app").await).await?;

    // A field that is not there, whatever the time: it is looked at in the end.
    let spec = json!({"path": "dark", "wait": true, "healthCheckExprs": by_colour(),
        "retryInterval": "1h", "timeout": "30s"});
    app.deploy("dark", spec).await?;

    for (step, checks) in [
        (
            "mistake",
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": "data."}]),
        ),
        (
            "twice",
            json!([{"apiVersion": "v1", "current": "true"}, {"apiVersion": "v1", "current": "false"}]),
        ),
    ] {
        app.patch(
            KUSTOMIZATION,
            "app",
            json!({"spec": {"healthCheckExprs": checks}}),
        )
        .await?;
        app.wait(KUSTOMIZATION, "app", "is refused", is_refused).await?;
        side.same(step, async || says("app").await).await?;
    }
    app.events_with("duplicate custom health check").await?;
    side.same("events", async || {
        let events = app.events().await?;
        Ok(Some(json!(told(&events, app.name(), "InvalidCELExpression"))))
    })
    .await?;
    app.wait_failed_at("dark", &amber, "HealthCheckFailed").await?;
    side.same("dark", async || says("dark").await).await?;
    Ok(())
}

#[tokio::test]
async fn health_is_told_by_expressions_as_in_stock() -> Result<()> {
    together(health).await?;
    Ok(())
}

/// Expressions about a dependency that has failed and will not become ready, so that all that counts is what they say.
const ABOUT: [&str; 10] = [
    "dep.status.conditions.exists(c, c.type == 'Ready' && c.reason == 'ArtifactFailed')",
    "dep.metadata.name == 'base' && self.spec.dependsOn[0].name == 'base' && dep.spec.interval == '1h0m0s'",
    "has(dep.kind) || has(dep.apiVersion)",
    "self.kind == 'Kustomization' && self.apiVersion == 'kustomize.toolkit.fluxcd.io/v1'",
    "has(dep.spec.suspend) || has(dep.spec.force) || !has(dep.spec.prune) || has(dep.metadata.annotations.other)",
    "dep.status.lastAppliedRevision == self.status.lastAppliedRevision",
    "dep.status.ready",
    "dep.metadata.generation == 'one' && 1 + 'a' == 2",
    "dep.metadata.",
    "unknown.field == 1",
];

async fn dependencies(side: Side) -> Result<()> {
    let app = App::owned_by(
        side.owner,
        "cel-ready",
        &[("deploy/a.yaml", &config_map("light", "green"))],
    )
    .await?;
    let says = async |name: &str| {
        let object = app.existing(KUSTOMIZATION, name).await?;
        anyhow::Ok(Some(said(&object, app.name())))
    };
    app.deploy(
        "base",
        json!({"path": "nowhere", "retryInterval": "1h", "interval": "60m"}),
    )
    .await?;
    // As long as its source is not fetched it fails for the same reason, and is tried again.
    side.same("base", async || {
        let object = app.existing(KUSTOMIZATION, "base").await?;
        let ready = condition(&object, "Ready").cloned().unwrap_or_default();
        let message = ready["message"].as_str().unwrap_or_default();
        let is_final = message.starts_with("kustomization path not found: ");
        Ok((is_final && has_failed(&object, "ArtifactFailed")).then(|| json!(ready["reason"])))
    })
    .await?;
    for (at, expression) in ABOUT.iter().enumerate() {
        let name = format!("app-{at}");
        let depends = json!([{"name": "base", "readyExpr": expression}]);
        app.deploy(
            &name,
            json!({"dependsOn": depends, "namePrefix": format!("{name}-")}),
        )
        .await?;
        let ended = |object: &DynamicObject| {
            let is_ready = condition(object, "Ready").is_some_and(|ready| ready["status"] == "True");
            is_observed(object)
                && (is_ready || has_failed(object, "DependencyNotReady") || is_refused(object))
        };
        app.wait(KUSTOMIZATION, &name, "has ended", ended).await?;
        side.same(expression, async || says(&name).await).await?;
    }
    app.events_with("undeclared reference to 'unknown'").await?;
    side.same("events", async || {
        let events = app.events().await?;
        Ok(Some(json!(told(&events, app.name(), "InvalidCELExpression"))))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn dependencies_are_ready_by_expressions_as_in_stock() -> Result<()> {
    together(dependencies).await?;
    Ok(())
}

async fn releases(side: Side) -> Result<()> {
    let app = ReleaseApp::owned_by(side.owner, "cel-release", &["1.0.0"]).await?;
    let says = async || {
        let object = app.existing(HELM_RELEASE, "app").await?;
        anyhow::Ok(Some(said(&object, app.name())))
    };
    let green = json!({"name": "light", "colour": "green"});
    let spec = json!({"healthCheckExprs": by_colour(), "values": green, "timeout": "6s"});
    app.release_ready("app", spec).await?;
    side.same("green", &says).await?;
    for (step, values) in [
        ("red", json!({"colour": "red"})),
        ("mended", json!({"colour": "green"})),
    ] {
        app.patch(HELM_RELEASE, "app", json!({"spec": {"values": values}}))
            .await?;
        let ended = |object: &DynamicObject| {
            let condition = condition(object, "Ready");
            let is_new = |ready: &Value| ready["observedGeneration"].as_i64() == object.metadata.generation;
            let seen =
                object.data["status"]["lastAttemptedGeneration"].as_i64() == object.metadata.generation;
            seen && condition.is_some_and(|ready| is_new(ready) && ready["status"] != "Unknown")
                && settled(object)
                && is_observed(object)
        };
        app.wait(HELM_RELEASE, "app", "has ended", ended).await?;
        side.same(step, &says).await?;
    }
    let mistake = json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": "data."}]);
    app.patch(
        HELM_RELEASE,
        "app",
        json!({"spec": {"healthCheckExprs": mistake}}),
    )
    .await?;
    app.wait(HELM_RELEASE, "app", "is refused", is_refused).await?;
    side.same("mistake", &says).await?;

    let about = [
        (
            "dep.spec.values.name == 'light' && dep.metadata.name != self.metadata.name",
            "ready",
        ),
        ("dep.status.history[0].chartVersion == '9.9.9'", "waits"),
        ("dep.status.nothing == 1", "fails"),
        ("dep.metadata.name", "refused"),
    ];
    for (expression, name) in about {
        let depends = json!([{"name": "app", "readyExpr": expression}]);
        app.release(name, json!({"dependsOn": depends, "values": {"name": name}}))
            .await?;
        let ended = |object: &DynamicObject| {
            let failed = ["DependencyNotReady", "InvalidCELExpression"];
            condition(object, "Ready").is_some_and(|ready| {
                ready["status"] == "True" || failed.iter().any(|reason| ready["reason"] == *reason)
            })
        };
        side.same(name, async || {
            let object = app.existing(HELM_RELEASE, name).await?;
            let ready = condition(&object, "Ready").cloned().unwrap_or_default();
            let message = neutral(ready["message"].as_str().unwrap_or_default(), app.name());
            Ok(ended(&object).then(|| json!([ready["status"], ready["reason"], message])))
        })
        .await?;
    }
    app.events_with("failed to evaluate dependency").await?;
    side.same("events", async || {
        let events = app.events().await?;
        Ok(Some(json!(told(&events, app.name(), "InvalidCELExpression"))))
    })
    .await?;
    Ok(())
}

/// Whether stock has written the generation too, if all is over: it does so after the conditions.
fn is_observed(object: &DynamicObject) -> bool {
    let is_over = ["Ready", "Stalled"]
        .iter()
        .any(|kind| condition(object, kind).is_some_and(|condition| condition["status"] == "True"));
    !is_over || object.data["status"]["observedGeneration"].as_i64() == object.metadata.generation
}

/// Whether nothing more is on its way.
fn settled(object: &DynamicObject) -> bool {
    condition(object, "Reconciling").is_none_or(|goes_on| goes_on["reason"] != "Progressing")
}

#[tokio::test]
async fn releases_have_expressions_as_in_stock() -> Result<()> {
    together(releases).await?;
    Ok(())
}
