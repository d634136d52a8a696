//! `dependsOn`: who waits for whom, what the wait says, and that its end is noticed at once.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION, Testbed, condition};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{App, Owner, config_map};
use crate::artifacts::{consume_as, deliver, offer};

const WAITING: &str = "DependencyNotReady";

async fn two_folders(prefix: &str) -> Result<App> {
    let files = [
        ("backend/a.yaml", &*config_map("backend", "blue")),
        ("frontend/a.yaml", &*config_map("frontend", "blue")),
    ];
    App::start(prefix, &files).await
}

/// When the object was last written, in the order of all writes.
async fn written(app: &App, name: &str) -> Result<u64> {
    let version = app.existing(CONFIG_MAP, name).await?.metadata.resource_version;
    Ok(version.unwrap_or_default().parse()?)
}

#[tokio::test]
async fn a_dependent_waits_and_is_woken() -> Result<()> {
    let app = two_folders("depends").await?;
    let namespace = app.name();
    let spec = json!({"path": "frontend", "dependsOn": [{"name": "backend"}]});
    app.deploy("frontend", spec).await?;
    let message = app.wait_failed(KUSTOMIZATION, "frontend", WAITING).await?;
    let text = format!(
        "dependency '{namespace}/backend' not found: kustomizations.kustomize.toolkit.fluxcd.io \"backend\" not found"
    );
    assert_eq!(message, text);

    app.deploy("backend", json!({"path": "nowhere"})).await?;
    app.wait_failed(KUSTOMIZATION, "backend", "ArtifactFailed")
        .await?;
    let message = app.wait_failed(KUSTOMIZATION, "frontend", WAITING).await?;
    assert_eq!(message, format!("dependency '{namespace}/backend' is not ready"));
    assert_eq!(app.colour("frontend").await?, None);

    app.deploy_ready("backend", json!({"path": "backend"})).await?;
    let ready = Instant::now();
    app.wait_ready(KUSTOMIZATION, "frontend").await?;
    // Without the wake-up it would look again after 30 s.
    assert!(ready.elapsed() < Duration::from_secs(15), "{:?}", ready.elapsed());
    assert!(written(&app, "backend").await? < written(&app, "frontend").await?);
    Ok(())
}

#[tokio::test]
async fn a_new_revision_goes_through_the_dependency_first() -> Result<()> {
    let app = two_folders("depends-rev").await?;
    app.deploy("backend", json!({"path": "backend"})).await?;
    let dependency = json!([{"name": "backend", "namespace": app.name()}]);
    let spec = json!({"path": "frontend", "dependsOn": dependency});
    app.deploy_ready("frontend", spec).await?;

    let broken = app
        .push(&[
            ("backend/a.yaml", "kind: {"),
            ("frontend/a.yaml", &config_map("frontend", "red")),
        ])
        .await?;
    app.wait_failed_at("backend", &broken, "BuildFailed").await?;
    app.wait_failed(KUSTOMIZATION, "frontend", WAITING).await?;
    assert_eq!(app.colour("frontend").await?.as_deref(), Some("blue"));

    let fixed = app
        .push(&[("backend/a.yaml", &config_map("backend", "red"))])
        .await?;
    app.wait_applied("frontend", &fixed).await?;
    assert_eq!(app.colour("frontend").await?.as_deref(), Some("red"));
    assert!(written(&app, "backend").await? < written(&app, "frontend").await?);
    Ok(())
}

#[tokio::test]
async fn a_commit_makes_no_dependent_say_that_it_waits() -> Result<()> {
    let app = two_folders("depends-calm").await?;
    app.deploy_ready("backend", json!({"path": "backend"})).await?;
    let spec = json!({"path": "frontend", "dependsOn": [{"name": "backend"}]});
    app.deploy_ready("frontend", spec).await?;
    for colour in ["red", "green", "white"] {
        let commit = app
            .push(&[
                ("backend/a.yaml", &config_map("backend", colour)),
                ("frontend/a.yaml", &config_map("frontend", colour)),
            ])
            .await?;
        app.wait_applied("frontend", &commit).await?;
    }
    // Events are written in their order: what came before this one is there.
    app.push(&[("frontend/a.yaml", "kind: {")]).await?;
    let events = app.events_with("BuildFailed").await?;
    let waited = events.iter().any(|event| event.data["reason"] == WAITING);
    assert!(!waited, "{events:#?}");
    assert!(written(&app, "backend").await? < written(&app, "frontend").await?);
    Ok(())
}

#[tokio::test]
async fn a_circle_waits_and_holds_nobody_up() -> Result<()> {
    let app = two_folders("circle").await?;
    for (name, other) in [("backend", "frontend"), ("frontend", "backend")] {
        app.deploy(name, json!({"path": name, "dependsOn": [{"name": other}]}))
            .await?;
    }
    for name in ["backend", "frontend"] {
        let message = app.wait_failed(KUSTOMIZATION, name, WAITING).await?;
        assert!(
            message.ends_with("is not ready") || message.ends_with("not found"),
            "{message}"
        );
    }
    app.deploy_ready("apart", json!({"path": "backend", "namePrefix": "apart-"}))
        .await?;
    // Whoever breaks the circle ends it.
    app.deploy("backend", json!({"path": "backend", "dependsOn": []}))
        .await?;
    app.wait_ready(KUSTOMIZATION, "frontend").await?;
    Ok(())
}

#[tokio::test]
async fn a_dependency_that_was_ready_when_it_was_suspended_is_ready() -> Result<()> {
    for owner in [Owner::Stock, Owner::Ours] {
        let files = [
            ("backend/a.yaml", &*config_map("backend", "blue")),
            ("frontend/a.yaml", &*config_map("frontend", "blue")),
        ];
        let app = App::owned_by(owner, "suspended", &files).await?;
        app.deploy_ready("backend", json!({"path": "backend"})).await?;
        app.patch(KUSTOMIZATION, "backend", json!({"spec": {"suspend": true}}))
            .await?;
        let spec = json!({"path": "frontend", "dependsOn": [{"name": "backend"}]});
        app.deploy_ready("frontend", spec).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_dependency_in_a_namespace_that_is_not_watched_is_read() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let (home, other) = (testbed.home().await?, testbed.namespace("elsewhere").await?);
    let server = deliver(&other, &[("a.yaml", &config_map("a", "blue"))]).await?;
    offer(&home, "elsewhere", &server, "app").await?;
    let (owner, nobody) = (Owner::Shard("elsewhere"), Owner::Shard("nobody"));
    let dependency = json!([{"name": "base", "namespace": other.name()}]);
    let spec = json!({"dependsOn": dependency, "targetNamespace": other.name()});
    consume_as(owner, &home, "elsewhere", "elsewhere", spec).await?;
    let arguments = [
        "--watch-label-selector=sharding.fluxcd.io/key=elsewhere",
        "--controllers=kustomize",
        "--watch-all-namespaces=false",
        "--requeue-dependency=1s",
    ];
    let _controller = testbed.start_openflux("openflux-controller-elsewhere", &arguments)?;
    let message = home.wait_failed(KUSTOMIZATION, "elsewhere", WAITING).await?;
    let text = format!(
        "dependency '{}/base' not found: kustomizations.kustomize.toolkit.fluxcd.io \"base\" not found",
        other.name()
    );
    assert_eq!(message, text);

    consume_as(nobody, &other, "base", "app", json!({})).await?;
    let message = format!("dependency '{}/base' is not ready", other.name());
    let says =
        |object: &DynamicObject| condition(object, "Ready").is_some_and(|ready| ready["message"] == message);
    home.wait(KUSTOMIZATION, "elsewhere", "has read its dependency", says)
        .await?;
    let ready = json!([{"type": "Ready", "status": "True", "reason": "ReconciliationSucceeded", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let status = json!({"status": {"observedGeneration": 1, "conditions": ready}});
    other.patch_status(KUSTOMIZATION, "base", status).await?;
    home.wait_ready(KUSTOMIZATION, "elsewhere").await?;
    assert!(other.get(CONFIG_MAP, "a").await?.is_some());
    Ok(())
}
