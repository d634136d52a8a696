//! HelmReleases under stock's controller and under ours: what both leave in the cluster must read the same, and either
//! goes on where the other has stopped.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, HELM_CHART, HELM_RELEASE, OCI_REPOSITORY};
use serde_json::{Value, json};

use crate::app::Owner;
use crate::release_app::ReleaseApp;
use crate::release_state::{States, told};
use crate::together::{Side, together};

/// A release that is installed, changed, upgraded, tested and deleted.
async fn life(side: Side) -> Result<()> {
    let app = ReleaseApp::owned_by(side.owner, "release", &["1.0.0", "1.1.0"]).await?;
    let states = States::of(&app, &side);
    app.release_ready("app", json!({})).await?;
    states.same("install").await?;
    let metadata = json!({"commonMetadata": {"labels": {"team": "a"}}, "postRenderers": [{"kustomize": {"patches": [
        {"target": {"kind": "ConfigMap", "name": "settings"},
            "patch": "- {op: add, path: /data/patched, value: \"yes\"}"}]}}]});
    for (step, change) in [
        (
            "values",
            json!({"values": {"colour": "red", "tests": {"a": [1, 2.5, null]}}}),
        ),
        ("chart", json!({"chart": {"spec": {"version": "1.1.0"}}})),
        ("test", json!({"test": {"enable": true}})),
        ("metadata", metadata),
    ] {
        app.change("app", change).await?;
        states.same(step).await?;
    }

    app.delete(HELM_RELEASE, "app").await?;
    app.wait_gone(HELM_RELEASE, "app").await?;
    assert!(app.get(CONFIG_MAP, "settings").await?.is_none());
    // It is deleted before its release goes; source-controller's finalizer may keep it a moment longer.
    app.wait_gone(HELM_CHART, &format!("{}-app", app.name())).await?;
    assert_eq!(app.records().await?, Vec::<Value>::new());
    app.events_with("Helm uninstall succeeded").await?;
    side.same("events", async || {
        let events = app.events().await?;
        let mut events: Vec<_> = events.iter().map(|event| told(event, app.name())).collect();
        // How often the source was waited for is chance.
        events.retain(|event| !event.contains("SourceNotReady"));
        events.sort();
        events.dedup();
        Ok(Some(json!(events)))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_life_of_a_release_reads_the_same() -> Result<()> {
    together(life).await?;
    Ok(())
}

/// Resource versions and managed fields of what a release consists of.
async fn traces(app: &ReleaseApp) -> Result<Value> {
    let mut traces = Vec::new();
    for (kind, name) in [(CONFIG_MAP, "settings"), (DEPLOYMENT, "app-web")] {
        let metadata = app.existing(kind, name).await?.metadata;
        traces.push(json!([name, metadata.uid, metadata.resource_version]));
    }
    Ok(json!([traces, app.records().await?]))
}

#[tokio::test]
async fn moving_over_and_back_makes_no_revision() -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Stock, "move-release", &["1.0.0"]).await?;
    let values = json!({"values": {"large": 9_007_199_254_740_993_u64, "list": [1.0, 0.1, "<&>"]}});
    let before = app.release_ready("app", values).await?;
    // The Deployment's own controller writes its status.
    app.wait_still(DEPLOYMENT, "app-web").await?;
    let stock = traces(&app).await?;
    for owner in [Owner::Ours, Owner::Stock, Owner::Ours] {
        let after = app.move_to(owner, "app").await?;
        assert_eq!(traces(&app).await?, stock, "{owner:?}");
        for field in ["history", "inventory", "helmChart", "lastAttemptedConfigDigest"] {
            assert_eq!(
                after.data["status"][field], before.data["status"][field],
                "{owner:?}: {field}"
            );
        }
    }
    // Ours upgrades what stock has installed, and stock sees nothing to do about that.
    app.change("app", json!({"values": {"colour": "red"}})).await?;
    app.wait_still(DEPLOYMENT, "app-web").await?;
    let ours = traces(&app).await?;
    assert_ne!(ours, stock);
    app.move_to(Owner::Stock, "app").await?;
    assert_eq!(traces(&app).await?, ours);
    Ok(())
}

/// A release of a chart in a registry; gives the version of the chart that was attempted first.
async fn from_registry(side: Side) -> Result<Value> {
    let app = ReleaseApp::owned_by(side.owner, "registry", &["1.0.0"]).await?;
    let states = States::of(&app, &side);
    let url = app.push_chart("1.0.0").await?;
    let repository = json!({
        "apiVersion": OCI_REPOSITORY.api_version, "kind": OCI_REPOSITORY.kind, "metadata": {"name": "chart"},
        "spec": {"interval": "1h", "url": url, "insecure": true, "ref": {"tag": "1.0.0"}, "layerSelector": {
            "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "operation": "copy"}},
    });
    app.apply(&repository.to_string()).await?;
    let reference = json!({"chart": null, "chartRef": {"kind": "OCIRepository", "name": "chart"}});
    app.release_ready("app", reference).await?;
    let first = states.same("reference").await?;
    // The other way of naming a chart, and back: the HelmChart comes and goes.
    let template = json!({"chartRef": null, "chart": {"spec": {"chart": app.name(), "version": "1.0.0",
        "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}});
    app.change("app", template).await?;
    states.same("template").await?;
    let reference = json!({"chart": null, "chartRef": {"kind": "OCIRepository", "name": "chart"}});
    app.change("app", reference).await?;
    states.same("reference again").await?;
    Ok(first["status"]["lastAttemptedRevision"].clone())
}

#[tokio::test]
async fn a_chart_in_a_registry_is_told_by_its_digest() -> Result<()> {
    let (_, version) = together(from_registry).await?;
    assert_eq!(version, "1.0.0+START");
    Ok(())
}

/// A release that becomes another one: its name, its chart's version and its values change at once.
async fn target(side: Side) -> Result<()> {
    let app = ReleaseApp::owned_by(side.owner, "target", &["1.0.0", "1.1.0"]).await?;
    app.release_ready("app", json!({})).await?;
    let other =
        json!({"releaseName": "other", "values": {"colour": "red"}, "chart": {"spec": {"version": "1.1.0"}}});
    app.change("app", other).await?;
    States::of(&app, &side).same("renamed").await?;
    Ok(())
}

#[tokio::test]
async fn a_release_under_another_name_takes_the_place_of_the_first() -> Result<()> {
    together(target).await?;
    Ok(())
}
