//! Crash: the controller is killed while it releases; a restart leaves no release half done.

use std::collections::BTreeMap;

use anyhow::Result;
use e2e::testbed::{CONFIG_MAP, DEPLOYMENT, HELM_CHART, HELM_RELEASE, Kind, Process, Testbed};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::Owner;
use crate::crash::moments;
use crate::moves::trials;
use crate::release_app::ReleaseApp;

const SHARD: &str = "helm-crash";
const COUNT: usize = 12;

fn names() -> impl Iterator<Item = String> {
    (0..COUNT).map(|number| format!("app-{number:02}"))
}

async fn start() -> Result<Process> {
    start_for(SHARD).await
}

/// Starts a controller of releases for one shard.
pub(crate) async fn start_for(shard: &str) -> Result<Process> {
    let selector = format!("--watch-label-selector=sharding.fluxcd.io/key={shard}");
    let arguments = [selector.as_str(), "--controllers=helm"];
    Testbed::shared()
        .await?
        .start_openflux(&format!("openflux-controller-{shard}"), &arguments)
}

/// How often the controller is killed in each action: a quarter of the trials that are asked for.
fn lives() -> usize {
    trials().div_ceil(4).max(4)
}

/// Lives of a controller that each end with `kill -9`; the last one stays.
async fn survive(lives: usize, seed: u64) -> Result<Process> {
    for moment in moments(seed).take(lives) {
        let mut controller = start().await?;
        tokio::time::sleep(moment).await;
        controller.kill()?;
    }
    start().await
}

/// What there is of each release: the colour of its settings, and its Deployment.
async fn objects(app: &ReleaseApp) -> Result<BTreeMap<String, (Value, Option<String>)>> {
    let mut found = BTreeMap::new();
    for name in names() {
        let settings = app.existing(CONFIG_MAP, &name).await?;
        let web = app.existing(DEPLOYMENT, &format!("{name}-web")).await?;
        found.insert(name, (settings.data["data"]["colour"].clone(), web.metadata.uid));
    }
    Ok(found)
}

/// The revisions that are deployed; one of each release, its newest, and none is under way.
async fn assert_whole(app: &ReleaseApp) -> Result<()> {
    let mut newest = BTreeMap::new();
    let mut deployed = BTreeMap::new();
    for record in app.records().await? {
        let release = &record["release"];
        let (name, version) = (release["name"].to_string(), release["version"].as_i64());
        let status = release["info"]["status"].as_str().unwrap_or_default();
        assert!(!status.starts_with("pending"), "{name} {version:?} {status}");
        if status == "deployed" {
            let twice = deployed.insert(name.clone(), version);
            assert_eq!(twice, None, "{name} {version:?}");
        }
        newest.insert(name, version);
    }
    assert_eq!(deployed, newest);
    assert_eq!(deployed.len(), COUNT);
    Ok(())
}

#[tokio::test]
async fn killed_at_any_moment_it_leaves_no_release_half_done() -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Shard(SHARD), SHARD, &["1.0.0"]).await?;
    let again = json!({"strategy": {"name": "RetryOnFailure", "retryInterval": "1s"}});
    for name in names() {
        let values = json!({"values": {"name": name}, "install": again, "upgrade": again});
        app.release(&name, values).await?;
    }
    let controller = survive(lives(), 1).await?;
    for name in names() {
        app.wait_released(&name).await?;
    }
    assert_whole(&app).await?;
    let before = objects(&app).await?;
    assert!(before.values().all(|(colour, _)| colour == "blue"));

    drop(controller);
    for name in names() {
        let spec = json!({"spec": {"values": {"colour": "red"}}});
        app.patch(HELM_RELEASE, &name, spec).await?;
    }
    let controller = survive(lives(), 2).await?;
    for name in names() {
        app.wait_released(&name).await?;
    }
    assert_whole(&app).await?;
    let after = objects(&app).await?;
    assert!(after.values().all(|(colour, _)| colour == "red"));
    for (name, (_, uid)) in &after {
        assert_eq!(*uid, before[name].1, "{name}");
    }

    drop(controller);
    for name in names() {
        app.delete(HELM_RELEASE, &name).await?;
    }
    let _controller = survive(lives(), 3).await?;
    for name in names() {
        app.wait_gone(HELM_RELEASE, &name).await?;
    }
    assert!(app.records().await?.is_empty());
    for kind in [CONFIG_MAP, DEPLOYMENT, HELM_CHART] {
        let mut left = app.list(kind).await?;
        // The hooks' objects are nobody's.
        left.retain(|object| {
            let name = object.metadata.name.as_deref().unwrap_or_default();
            name.contains("app-") && !name.ends_with("-hook")
        });
        assert!(left.is_empty(), "{left:?}");
    }
    Ok(())
}

#[tokio::test]
async fn killed_in_the_first_install_it_leaves_nothing_behind_that_is_deleted() -> Result<()> {
    const SHARD: &str = "helm-crash-install";
    let app = ReleaseApp::owned_by(Owner::Shard(SHARD), SHARD, &["1.0.0"]).await?;
    let mut controller = start_for(SHARD).await?;
    let never_ready = json!({"values": {"replicas": 1}, "timeout": "10m"});
    app.release("app", never_ready).await?;
    app.wait(DEPLOYMENT, "app-web", "exists", |_| true).await?;
    app.wait_statuses(&["pending-install"]).await?;
    controller.kill()?;
    app.delete(HELM_RELEASE, "app").await?;
    let _controller = start_for(SHARD).await?;
    app.wait_gone(HELM_RELEASE, "app").await?;
    app.wait_statuses(&[]).await?;
    for (kind, name) in [(CONFIG_MAP, "settings"), (DEPLOYMENT, "app-web")] {
        app.wait_gone(kind, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn killed_in_an_uninstall_it_takes_it_up_again() -> Result<()> {
    const SHARD: &str = "helm-crash-uninstall";
    const POD: Kind = Kind {
        api_version: "v1",
        kind: "Pod",
        plural: "pods",
    };
    let hook = "apiVersion: v1\nkind: Pod\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-delete}}\nspec: {containers: \
                [{name: a, image: a}]}\n";
    let app = ReleaseApp::owned_by(Owner::Shard(SHARD), SHARD, &["1.0.0"]).await?;
    let mut controller = start_for(SHARD).await?;
    // It cannot be installed, and its uninstall waits for a hook.
    let spec = json!({"values": {"name": "Not_A_Name", "raw": hook}, "timeout": "10m",
        "install": {"remediation": {"retries": 3}}});
    app.release("app", spec).await?;
    app.wait_statuses(&["uninstalling"]).await?;
    let first = app.wait(POD, "hook", "exists", |_| true).await?;
    controller.kill()?;
    let mended = json!({"spec": {"values": {"name": null, "raw": null}}});
    app.patch(HELM_RELEASE, "app", mended).await?;
    let _controller = start_for(SHARD).await?;
    let is_new = |pod: &DynamicObject| pod.metadata.uid != first.metadata.uid;
    app.wait(POD, "hook", "runs once more", is_new).await?;
    let done = json!({"status": {"phase": "Succeeded"}});
    app.patch_status(POD, "hook", done).await?;
    app.wait_released("app").await?;
    app.wait_statuses(&["deployed"]).await
}
