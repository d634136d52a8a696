//! The three things that Flux leaves to itself, written by others: a source, a transformation and a deployer.

use anyhow::Result;
use e2e::testbed::{
    ARTIFACT, Custom, FILE_MAP, Feed, KUSTOMIZATION, NIGHTLY, Options, STAMP, Testbed, controller, reference,
};
use kube::api::DynamicObject;
use serde_json::json;

use crate::clock::Clock;
use crate::{interrupted, say};

pub(crate) async fn run(keep: bool) -> Result<()> {
    tokio::select! {
        result = show(keep) => result,
        // Returning drops the testbed, which ends everything.
        result = interrupted() => result,
    }
}

async fn show(keep: bool) -> Result<()> {
    let clock = Clock::start();
    controller()?;
    clock.say("starting etcd, kube-apiserver and kube-controller-manager, installing the CRDs");
    let testbed = Testbed::start(Options::default()).await?;
    testbed.openflux_controller().await?;
    let namespace = testbed.namespace("demo").await?;
    let feed = Feed::start()?;
    release(&feed, "1.0.0")?;
    clock.say(&format!(
        "openflux-controller runs, and {} has release 1.0.0",
        feed.url()
    ));

    clock.say("");
    clock.say("a new source: Nightly, 55 lines (controllers/examples/src/bin/nightly.rs)");
    let _nightly = Custom::start(&testbed, "nightly").await?;
    namespace
        .apply_spec(NIGHTLY, "app", json!({"url": feed.url(), "interval": "1h"}))
        .await?;
    namespace.wait_ready(NIGHTLY, "app").await?;
    let artifact = namespace
        .wait_ready(ARTIFACT, &format!("nightly-{}-app", namespace.name()))
        .await?;
    clock.say(&format!(
        "Artifact {} has {}",
        name(&artifact),
        revision(&artifact)
    ));
    let kustomization = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
        "metadata": {
            "name": "app", "labels": {"sharding.fluxcd.io/key": "openflux"},
            "annotations": {"openfluxcd.ocm.software/source-kind": "Nightly"},
        },
        "spec": {
            "interval": "1h", "prune": true, "targetNamespace": namespace.name(), "path": "deploy",
            "sourceRef": {"apiVersion": NIGHTLY.api_version, "kind": "ExternalArtifact", "name": "app"},
        },
    });
    namespace.apply(&kustomization.to_string()).await?;
    namespace.wait_data("app", "version", "1.0.0").await?;
    clock.say("the kustomize deployer applied it, and knows no Nightly: a Flux Kustomization refers to it");

    clock.say("");
    clock.say("a new deployer: FileMap, 58 lines (filemap.rs)");
    let _filemap = Custom::start(&testbed, "filemap").await?;
    let spec = json!({"sourceRef": reference(NIGHTLY, "app"), "path": "notes"});
    namespace.apply_spec(FILE_MAP, "notes", spec).await?;
    namespace.wait_data("notes", "news.txt", NEWS).await?;
    let map = namespace.wait_ready(FILE_MAP, "notes").await?;
    clock.say(&format!("ConfigMap notes has {}", message(&map)));

    clock.say("");
    clock.say("a new transformation: Stamp, between the two (stamp.rs)");
    let _stamp = Custom::start(&testbed, "stamp").await?;
    let spec = json!({"sourceRef": reference(NIGHTLY, "app"), "replace": {"REGION": "Europe"}});
    namespace.apply_spec(STAMP, "app", spec).await?;
    let patch = json!({"spec": {"sourceRef": reference(STAMP, "app")}});
    namespace.patch(FILE_MAP, "notes", patch).await?;
    namespace
        .wait_data("notes", "news.txt", "made for Europe")
        .await?;
    clock.say("ConfigMap notes is \"made for Europe\" by now");

    clock.say("");
    release(&feed, "1.1.0")?;
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1.1.0"}}});
    namespace.patch(NIGHTLY, "app", patch).await?;
    clock.say("release 1.1.0; kubectl annotate nightly app reconcile.fluxcd.io/requestedAt=...");
    namespace.wait_data("app", "version", "1.1.0").await?;
    let stamped = |map: &DynamicObject| message(map).contains("1.1.0");
    let map = namespace.wait(FILE_MAP, "notes", "is of 1.1.0", stamped).await?;
    clock.say(&format!("Kustomization and FileMap have it: {}", message(&map)));

    if keep {
        say(&format!(
            "still up until Ctrl-C:\n\n  export KUBECONFIG={}\n  kubectl -n {} get nightlies,stamps,filemaps,artifacts\n",
            testbed.kubeconfig().display(),
            namespace.name()
        ));
        std::future::pending::<()>().await;
    }
    clock.say("stopping everything");
    Ok(())
}

const NEWS: &str = "made for REGION";

/// Releases a version.
fn release(feed: &Feed, version: &str) -> Result<()> {
    let app = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: app}}, data: {{version: '{version}'}}}}\n"
    );
    feed.release(version, &[("deploy/app.yaml", &app), ("notes/news.txt", NEWS)])
}

fn name(object: &DynamicObject) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

fn revision(artifact: &DynamicObject) -> &str {
    artifact.data["spec"]["revision"].as_str().unwrap_or_default()
}

/// What the condition Ready says.
fn message(object: &DynamicObject) -> String {
    let ready = e2e::testbed::condition(object, "Ready");
    let message = ready.and_then(|ready| ready["message"].as_str());
    message.unwrap_or_default().to_owned()
}
