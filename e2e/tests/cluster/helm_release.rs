//! HelmReleases under stock's controller and under ours: what both leave in the cluster must read the same, and either
//! goes on where the other has stopped.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, HELM_CHART, HELM_RELEASE, OCI_REPOSITORY};
use serde_json::{Value, json};

use crate::app::Owner;
use crate::release_app::ReleaseApp;
use crate::release_state::{States, compare, told};

/// A release that is installed, changed, upgraded, tested and deleted.
async fn life(owner: Owner) -> Result<(Vec<Value>, Vec<String>)> {
    let app = ReleaseApp::owned_by(owner, "release", &["1.0.0", "1.1.0"]).await?;
    let mut states = States::of(&app);
    states.add(app.release_ready("app", json!({})).await?).await?;
    let values = json!({"values": {"colour": "red", "tests": {"a": [1, 2.5, null]}}});
    states.add(app.change("app", values).await?).await?;
    let version = json!({"chart": {"spec": {"version": "1.1.0"}}});
    states.add(app.change("app", version).await?).await?;
    states
        .add(app.change("app", json!({"test": {"enable": true}})).await?)
        .await?;
    let metadata = json!({"commonMetadata": {"labels": {"team": "a"}}, "postRenderers": [{"kustomize": {"patches": [
        {"target": {"kind": "ConfigMap", "name": "settings"},
            "patch": "- {op: add, path: /data/patched, value: \"yes\"}"}]}}]});
    states.add(app.change("app", metadata).await?).await?;

    app.delete(HELM_RELEASE, "app").await?;
    app.wait_gone(HELM_RELEASE, "app").await?;
    assert!(app.get(CONFIG_MAP, "settings").await?.is_none());
    // It is deleted before its release goes; source-controller's finalizer may keep it a moment longer.
    app.wait_gone(HELM_CHART, &format!("{}-app", app.name())).await?;
    assert_eq!(app.records().await?, Vec::<Value>::new());
    let mut events: Vec<_> = app
        .events_with("Helm uninstall succeeded")
        .await?
        .iter()
        .map(|event| told(event, app.name()))
        .collect();
    events.sort();
    events.dedup();
    Ok((states.all(), events))
}

#[tokio::test]
async fn a_life_of_a_release_reads_the_same() -> Result<()> {
    let (stock, ours) = tokio::try_join!(life(Owner::Stock), life(Owner::Ours))?;
    let steps = ["install", "values", "chart", "test", "metadata"];
    compare(&steps, &stock.0, &ours.0);
    // How often the source was waited for is chance.
    let own = |events: &[String]| -> Vec<String> {
        let waits = |event: &&String| !event.contains("SourceNotReady");
        events.iter().filter(waits).cloned().collect()
    };
    assert_eq!(own(&ours.1), own(&stock.1));
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
    let ours = traces(&app).await?;
    assert_ne!(ours, stock);
    app.move_to(Owner::Stock, "app").await?;
    assert_eq!(traces(&app).await?, ours);
    Ok(())
}

/// A release of a chart in a registry.
async fn from_registry(owner: Owner) -> Result<Vec<Value>> {
    let app = ReleaseApp::owned_by(owner, "registry", &["1.0.0"]).await?;
    let mut states = States::of(&app);
    let url = app.push_chart("1.0.0").await?;
    let repository = json!({
        "apiVersion": OCI_REPOSITORY.api_version, "kind": OCI_REPOSITORY.kind, "metadata": {"name": "chart"},
        "spec": {"interval": "1h", "url": url, "insecure": true, "ref": {"tag": "1.0.0"}, "layerSelector": {
            "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "operation": "copy"}},
    });
    app.apply(&repository.to_string()).await?;
    let reference = json!({"chart": null, "chartRef": {"kind": "OCIRepository", "name": "chart"}});
    states.add(app.release_ready("app", reference).await?).await?;
    // The other way of naming a chart, and back: the HelmChart comes and goes.
    let template = json!({"chartRef": null, "chart": {"spec": {"chart": app.name(), "version": "1.0.0",
        "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}});
    states.add(app.change("app", template).await?).await?;
    let reference = json!({"chart": null, "chartRef": {"kind": "OCIRepository", "name": "chart"}});
    states.add(app.change("app", reference).await?).await?;
    Ok(states.all())
}

#[tokio::test]
async fn a_chart_in_a_registry_is_told_by_its_digest() -> Result<()> {
    let (stock, ours) = tokio::try_join!(from_registry(Owner::Stock), from_registry(Owner::Ours))?;
    compare(&["reference", "template", "reference again"], &stock, &ours);
    let version = ours[0]["status"]["lastAttemptedRevision"]
        .as_str()
        .unwrap_or_default();
    assert_eq!(version, "1.0.0+START");
    Ok(())
}

/// A release that becomes another one: its name, its chart's version and its values change at once.
async fn target(owner: Owner) -> Result<Vec<Value>> {
    let app = ReleaseApp::owned_by(owner, "target", &["1.0.0", "1.1.0"]).await?;
    let mut states = States::of(&app);
    app.release_ready("app", json!({})).await?;
    let other =
        json!({"releaseName": "other", "values": {"colour": "red"}, "chart": {"spec": {"version": "1.1.0"}}});
    states.add(app.change("app", other).await?).await?;
    Ok(states.all())
}

#[tokio::test]
async fn a_release_under_another_name_takes_the_place_of_the_first() -> Result<()> {
    let (stock, ours) = tokio::try_join!(target(Owner::Stock), target(Owner::Ours))?;
    compare(&["renamed"], &stock, &ours);
    Ok(())
}
