//! What people do with HelmReleases that are ours: suspend, force, depend, ask for too much, and delete.

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, HELM_CHART, HELM_RELEASE, condition};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::Owner;
use crate::release_app::ReleaseApp;

/// The revisions that Helm has records of.
async fn revisions(app: &ReleaseApp) -> Result<Vec<i64>> {
    let records = app.records().await?;
    let revision = |record: &Value| record["release"]["version"].as_i64();
    Ok(records.iter().filter_map(revision).collect())
}

#[tokio::test]
async fn the_flux_command_line_works_on_releases() -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Ours, "flux-hr", &["1.0.0"]).await?;
    app.release_ready("app", json!({})).await?;
    let get = app.flux("get helmreleases").await?;
    assert!(get.contains("Helm install succeeded for release"), "{get}");

    app.flux("suspend helmrelease app").await?;
    app.patch(
        HELM_RELEASE,
        "app",
        json!({"spec": {"values": {"colour": "red"}}}),
    )
    .await?;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(revisions(&app).await?, [1]);
    app.flux("resume helmrelease app").await?;
    assert_eq!(revisions(&app).await?, [1, 2]);

    app.flux("reconcile helmrelease app").await?;
    assert_eq!(revisions(&app).await?, [1, 2]);
    app.flux("reconcile helmrelease app --force").await?;
    assert_eq!(revisions(&app).await?, [1, 2, 3]);
    app.flux("reconcile helmrelease app --with-source").await?;
    assert_eq!(revisions(&app).await?, [1, 2, 3]);
    Ok(())
}

#[tokio::test]
async fn a_dependent_is_released_once_its_dependency_is_ready() -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Ours, "depends-hr", &["1.0.0"]).await?;
    let second = json!({"dependsOn": [{"name": "first"}], "values": {"name": "second"}});
    app.release("second", second).await?;
    let waits = |object: &DynamicObject| {
        condition(object, "Ready").is_some_and(|ready| ready["reason"] == "DependencyNotReady")
    };
    app.wait(HELM_RELEASE, "second", "waits", waits).await?;
    app.release("first", json!({})).await?;
    let begun = std::time::Instant::now();
    app.wait_released("second").await?;
    assert!(
        begun.elapsed().as_secs() < 25,
        "it is woken, and does not look every 30 s"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_deleted_while_it_is_suspended_leaves_its_release() -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Ours, "suspended-hr", &["1.0.0"]).await?;
    app.release_ready("app", json!({})).await?;
    app.patch(HELM_RELEASE, "app", json!({"spec": {"suspend": true}}))
        .await?;
    app.delete(HELM_RELEASE, "app").await?;
    app.wait_gone(HELM_RELEASE, "app").await?;
    assert_eq!(revisions(&app).await?, [1]);
    for (kind, name) in [
        (CONFIG_MAP, "settings"),
        (DEPLOYMENT, "app-web"),
        (HELM_CHART, &format!("{}-app", app.name())),
    ] {
        app.existing(kind, name).await?;
    }
    // Whoever makes it anew finds what is there: it is upgraded, and not installed over.
    app.release_ready("app", json!({})).await?;
    assert_eq!(revisions(&app).await?, [1, 2]);
    Ok(())
}

#[tokio::test]
async fn helm_finds_what_we_have_released() -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Ours, "helm-hr", &["1.0.0"]).await?;
    app.release_ready("app", json!({})).await?;
    app.change("app", json!({"values": {"colour": "red"}})).await?;
    let helm = async |command: &str| app.helm(command).await;
    let history = helm("history app").await?;
    assert!(
        history.contains("Install complete") && history.contains("Upgrade complete"),
        "{history}"
    );
    assert!(helm("status app").await?.contains("app is red."));
    assert!(helm("get values app").await?.contains("colour: red"));
    // Somebody else has rolled back: the release is not the one that was made, and is made anew.
    helm("rollback app 1 --force-conflicts").await?;
    app.reconcile("app", &[]).await?;
    app.wait_released("app").await?;
    assert_eq!(revisions(&app).await?, [1, 2, 3, 4]);
    let settings = app.existing(CONFIG_MAP, "settings").await?;
    assert_eq!(settings.data["data"]["colour"], "red");
    Ok(())
}
