//! `spec.kubeConfig` of HelmReleases: release, storage, hooks and drift are those of another cluster.

use anyhow::{Context as _, Result};
use e2e::testbed::{CONFIG_MAP, HELM_RELEASE, Namespace, SECRET, condition};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::Owner;
use crate::far::{Far, keep, keep_as, through};
use crate::release_app::{ReleaseApp, neutral, records_in};
use crate::together::{Side, together};

/// The spec of a HelmRelease whose objects go to a namespace of another cluster.
fn spec(far: &Far, more: &Value) -> Value {
    // Nobody acts on objects there, so that Deployments never become ready.
    let no_wait = json!({"disableWait": true});
    let mut spec = json!({"kubeConfig": through("far"), "targetNamespace": far.namespace.name(),
        "storageNamespace": far.namespace.name(), "releaseName": "web",
        "install": no_wait, "upgrade": no_wait, "uninstall": no_wait});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

async fn is_nothing_left(namespace: &Namespace) -> Result<bool> {
    let settings = namespace.get(CONFIG_MAP, "settings").await?;
    Ok(settings.is_none() && records_in(namespace).await?.is_empty())
}

/// One life of a HelmRelease, of which statuses, records and objects are compared.
async fn life(side: Side) -> Result<()> {
    let app = ReleaseApp::owned_by(side.owner, "far-release", &["1.0.0", "1.1.0"]).await?;
    let far = Far::start("release").await?;
    keep(&app, "far", &far.testbed.portable_kubeconfig()?).await?;
    let plain = |value: &Value| neutral(&neutral(value, far.namespace.name()), app.name());
    let status = async || {
        let object = app.existing(HELM_RELEASE, "app").await?;
        anyhow::Ok(Some(plain(&object.data["status"])))
    };
    let more = json!({"driftDetection": {"mode": "enabled"}});
    app.release_ready("app", spec(&far, &more)).await?;
    side.same("installed", &status).await?;
    let upgrade = json!({"chart": {"spec": {"version": "1.1.0"}}, "values": {"colour": "red"}});
    app.change("app", upgrade).await?;
    side.same("upgraded", &status).await?;
    side.same("records and objects", async || {
        let records = records_in(&far.namespace).await?;
        let mut seen: Vec<_> = records.iter().map(&plain).collect();
        for name in ["settings", "web-hook"] {
            let object = far.namespace.get(CONFIG_MAP, name).await?.context("made there")?;
            seen.push(plain(&object.data["data"]));
        }
        Ok(Some(json!(seen)))
    })
    .await?;
    assert!(is_nothing_left(&app).await?, "nothing is here");

    // What somebody changes there is put right.
    let change = json!({"data": {"colour": "green"}});
    far.namespace.patch(CONFIG_MAP, "settings", change).await?;
    app.reconcile("app", &[]).await?;
    let is_right = |object: &DynamicObject| object.data["data"]["colour"] == "red";
    far.namespace
        .wait(CONFIG_MAP, "settings", "is what it should be", is_right)
        .await?;

    app.delete(HELM_RELEASE, "app").await?;
    app.wait_gone(HELM_RELEASE, "app").await?;
    assert!(is_nothing_left(&far.namespace).await?, "all is gone there");
    Ok(())
}

#[tokio::test]
async fn statuses_records_and_objects_are_those_of_stock() -> Result<()> {
    together(life).await?;
    Ok(())
}

async fn messages(side: Side) -> Result<()> {
    let app = ReleaseApp::owned_by(side.owner, "far-spoilt", &["1.0.0"]).await?;
    let far = Far::start("spoilt-release").await?;
    let good = far.testbed.portable_kubeconfig()?;
    keep_as(&app, "no-value", "other", &good).await?;
    keep(
        &app,
        "file",
        &good.replace("certificate-authority-data", "certificate-authority"),
    )
    .await?;
    keep(
        &app,
        "no-context",
        &good.replace("current-context: testbed", "current-context: gone"),
    )
    .await?;
    for (name, remote) in [
        ("absent", through("absent")),
        ("no-value", through("no-value")),
        (
            "other-key",
            json!({"secretRef": {"name": "no-value", "key": "missing"}}),
        ),
        ("file", through("file")),
        ("no-context", through("no-context")),
    ] {
        app.release(name, spec(&far, &json!({"kubeConfig": remote})))
            .await?;
        side.same(name, async || {
            let message = app.wait_failed(HELM_RELEASE, name, "RESTClientError").await?;
            let certificate = good
                .lines()
                .find_map(|line| line.trim().strip_prefix("certificate-authority-data: "));
            let message = message.replace(certificate.unwrap_or("-"), "CA");
            Ok(Some(message.replace(app.name(), "NAMESPACE").into()))
        })
        .await?;
    }
    // Without the Secret nothing can be uninstalled, and nothing was.
    app.delete(HELM_RELEASE, "absent").await?;
    app.wait_gone(HELM_RELEASE, "absent").await?;
    Ok(())
}

#[tokio::test]
async fn a_kubeconfig_that_cannot_be_used_is_refused_in_the_words_of_stock() -> Result<()> {
    together(messages).await?;
    Ok(())
}

#[tokio::test]
async fn a_release_whose_secret_is_gone_is_let_go_and_left() -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Ours, "far-orphan", &["1.0.0"]).await?;
    let far = Far::start("orphan").await?;
    keep(&app, "far", &far.hire("deployer").await?).await?;
    app.release_ready("app", spec(&far, &json!({}))).await?;
    app.delete(SECRET, "far").await?;
    app.delete(HELM_RELEASE, "app").await?;
    app.wait_gone(HELM_RELEASE, "app").await?;
    assert!(far.namespace.get(CONFIG_MAP, "settings").await?.is_some());
    Ok(())
}

#[tokio::test]
async fn a_release_in_a_cluster_that_does_not_answer_is_uninstalled_once_it_does() -> Result<()> {
    let app = ReleaseApp::owned_by(Owner::Ours, "far-silent", &["1.0.0"]).await?;
    let far = Far::start("silent-release").await?;
    let good = far.hire("deployer").await?;
    keep(&app, "far", &good).await?;
    app.release_ready("app", spec(&far, &json!({}))).await?;
    let server = good
        .lines()
        .find(|line| line.contains("server:"))
        .unwrap_or_default();
    let nobody = format!("    server: https://127.0.0.1:{}", e2e::testbed::free_port()?);
    keep(&app, "far", &good.replace(server, &nobody)).await?;
    app.delete(HELM_RELEASE, "app").await?;
    let refuses = |object: &DynamicObject| {
        condition(object, "Ready").is_some_and(|ready| {
            let message = ready["message"].as_str().unwrap_or_default();
            ready["status"] == "False" && message.contains(": kubernetes cluster unreachable: ")
        })
    };
    app.wait(
        HELM_RELEASE,
        "app",
        "says in Helm's words that it is still there",
        refuses,
    )
    .await?;
    keep(&app, "far", &good).await?;
    app.wait_gone(HELM_RELEASE, "app").await?;
    assert!(is_nothing_left(&far.namespace).await?);
    Ok(())
}
