//! What releases wait for, where the labels do not say whose it is.

use anyhow::Result;
use e2e::testbed::{ARTIFACT, DEPLOYMENT, HELM_RELEASE, eventually};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::Owner;
use crate::release_app::ReleaseApp;
use crate::release_state::States;
use crate::together::{Side, together};

/// A Job that has nothing to do, and is done with it as soon as somebody looks.
pub(crate) fn job(name: &str, annotations: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, annotations: {{{annotations}}}}}\nspec:\n  completions: 0\n  \
         template: {{spec: {{restartPolicy: Never, containers: [{{name: a, image: a}}]}}}}\n"
    )
}

/// A release whose hooks get the origin labels, then not, then again; Jobs and ConfigMaps are watched by then.
async fn hooks(side: Side) -> Result<()> {
    let app = ReleaseApp::owned_by(side.owner, "hooks", &["1.0.0"]).await?;
    let labelled = json!({"values": {"name": "plain", "raw": job("plain", "")}});
    app.release_ready("plain", labelled).await?;
    let states = States::of(&app, &side);
    let hook = job("hook", "helm.sh/hook: 'pre-install,pre-upgrade'");
    let spec =
        |strategy: &str| json!({"postRenderStrategy": strategy, "values": {"raw": hook, "colour": strategy}});
    app.release_ready("app", spec("nohooks")).await?;
    states.same("without").await?;
    for (step, strategy) in [
        ("with", "combined"),
        ("without again", "nohooks"),
        ("with again", "separate"),
    ] {
        app.change("app", spec(strategy)).await?;
        states.same(step).await?;
    }
    Ok(())
}

#[tokio::test]
async fn hooks_without_labels_are_seen_to_end_and_to_go() -> Result<()> {
    together(hooks).await?;
    Ok(())
}

#[tokio::test]
async fn only_what_is_newer_ends_a_wait() -> Result<()> {
    const SHARD: &str = "helm-newer";
    let app = ReleaseApp::owned_by(Owner::Shard(SHARD), SHARD, &["1.0.0"]).await?;
    let selector = format!("--watch-label-selector=sharding.fluxcd.io/key={SHARD}");
    let gate = "--helm.feature-gates=CancelHealthCheckOnNewRevision=true";
    let arguments = [selector.as_str(), "--controllers=helm", gate];
    let name = format!("openflux-controller-{SHARD}");
    let _controller = app.testbed.start_openflux(&name, &arguments)?;
    // The chart's source comes up meanwhile, which wakes whoever uses it.
    let spec =
        json!({"timeout": "3m", "values": {"replicas": 1}, "install": {"remediation": {"retries": 0}}});
    app.release("app", spec).await?;
    let comes_up = |artifact: &DynamicObject| {
        let conditions = artifact.data["status"]["conditions"].as_array();
        conditions.is_some_and(|all| all.iter().any(|condition| condition["status"] == "True"))
    };
    app.wait(
        ARTIFACT,
        &artifact_of(&app).await?,
        "tells that its source is ready",
        comes_up,
    )
    .await?;
    app.wait(DEPLOYMENT, "app-web", "exists", |_| true).await?;
    app.wait_statuses(&["pending-install"]).await?;
    app.scale_down("app").await?;
    let object = app.wait_released("app").await?;
    assert_eq!(object.data["status"]["installFailures"], Value::Null);
    app.wait_statuses(&["deployed"]).await?;

    // An edit is newer.
    let replicas = |count: u8| json!({"spec": {"values": {"replicas": count, "colour": "red"}}});
    app.patch(HELM_RELEASE, "app", replicas(1)).await?;
    app.wait_statuses(&["deployed", "pending-upgrade"]).await?;
    app.patch(HELM_RELEASE, "app", replicas(0)).await?;
    app.wait_released("app").await?;
    app.wait_statuses(&["superseded", "failed", "deployed"]).await
}

/// The name of the Artifact of the chart, once there is one.
async fn artifact_of(app: &ReleaseApp) -> Result<String> {
    eventually("the Artifact of the chart", async || {
        let all = app.list(ARTIFACT).await?;
        let names = all.into_iter().filter_map(|artifact| artifact.metadata.name);
        Ok(names.into_iter().find(|name| name.contains("app")))
    })
    .await
}
