//! The bridge: what a custom source makes is deployed by stock, and moves over to ours without an edit.

use anyhow::{Context as _, Result};
use e2e::testbed::{
    ARTIFACT, Answer, Archive, ArtifactServer, CONFIG_MAP, EXTERNAL_ARTIFACT, KUSTOMIZATION, Namespace,
    Stock, Testbed, is_ready,
};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{self, Owner, config_map};

/// An archive with one ConfigMap.
fn archive(colour: &str) -> Result<Answer> {
    let manifest = config_map("settings", colour);
    Ok(Answer::Bytes(
        Archive::of(&[("settings.yaml", &manifest)]).pack()?,
    ))
}

/// The Artifact of the custom source, for which a ConfigMap stands; gives the digest.
async fn produce(namespace: &Namespace, server: &ArtifactServer, colour: &str) -> Result<String> {
    let source = namespace.get(CONFIG_MAP, "web").await?.context("the source")?;
    let (url, digest) = (server.url(colour), server.digest(colour));
    let owner = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": "web", "uid": source.metadata.uid, "controller": true,
    });
    let artifact = json!({
        "apiVersion": ARTIFACT.api_version, "kind": ARTIFACT.kind,
        "metadata": {"name": "web-artifact", "ownerReferences": [owner]},
        "spec": {
            "url": url, "revision": colour, "digest": digest, "lastUpdateTime": "2026-01-01T00:00:00Z",
        },
    });
    namespace.apply(&artifact.to_string()).await?;
    Ok(digest)
}

fn colour(settings: &DynamicObject) -> &Value {
    &settings.data["data"]["colour"]
}

#[tokio::test]
async fn a_custom_source_is_deployed_by_stock_and_then_by_ours() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("bridge").await?;
    testbed.openflux_controller().await?;
    let _bridge = testbed.start_openflux_within(&namespace, "bridge", &["--controllers=bridge"])?;
    let _stock = testbed.start_stock(
        Stock::Kustomize,
        &[
            "--feature-gates=ExternalArtifact=true",
            "--watch-label-selector=sharding.fluxcd.io/key=bridge",
        ],
    )?;
    let server = ArtifactServer::start([("blue", archive("blue")?), ("green", archive("green")?)])?;
    namespace
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}")
        .await?;
    let digest = produce(&namespace, &server, "blue").await?;
    let external = namespace.wait_ready(EXTERNAL_ARTIFACT, "web").await?;
    assert_eq!(
        external.data["status"]["artifact"]["revision"],
        format!("blue@{digest}")
    );
    assert_eq!(external.data["spec"]["sourceRef"]["kind"], "ConfigMap");

    let source = json!({"sourceRef": {"kind": "ExternalArtifact", "name": "web"}});
    app::deploy(&namespace, Owner::Shard("bridge"), "app", &[source]).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    let settings = namespace.get(CONFIG_MAP, "settings").await?.context("applied")?;
    assert_eq!(colour(&settings), "blue");

    produce(&namespace, &server, "green").await?;
    let applied = |object: &DynamicObject| {
        let revision = object.data["status"]["lastAppliedRevision"].as_str();
        revision.is_some_and(|revision| revision.starts_with("green@"))
    };
    namespace
        .wait(KUSTOMIZATION, "app", "has applied green", applied)
        .await?;
    let before = namespace.get(CONFIG_MAP, "settings").await?.context("applied")?;
    assert_eq!(colour(&before), "green");

    let patch = json!({"metadata": {
        "labels": {"sharding.fluxcd.io/key": "openflux"},
        "annotations": {"reconcile.fluxcd.io/requestedAt": "over"},
    }});
    namespace.patch(KUSTOMIZATION, "app", patch).await?;
    let handled = |object: &DynamicObject| {
        object.data["status"]["lastHandledReconcileAt"] == "over" && is_ready(object)
    };
    namespace
        .wait(KUSTOMIZATION, "app", "was reconciled by ours", handled)
        .await?;
    let after = namespace.get(CONFIG_MAP, "settings").await?.context("applied")?;
    assert_eq!(before.metadata.resource_version, after.metadata.resource_version);

    namespace.delete(ARTIFACT, "web-artifact").await?;
    namespace.wait_gone(EXTERNAL_ARTIFACT, "web").await
}
