//! References to sources of other groups than Flux's own.

use anyhow::{Context as _, Result};
use e2e::testbed::{Answer, Archive, ArtifactServer, CONFIG_MAP, DEPLOYMENT, KUSTOMIZATION, Testbed};
use serde_json::json;

use crate::app::{self, Owner, config_map, deployment};

#[tokio::test]
async fn the_annotation_that_a_refusal_asks_for_is_noticed_at_once() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("custom").await?;
    testbed.openflux_controller().await?;
    // Any object can be a source; a Deployment stands for the custom kind.
    namespace.apply(&deployment("web", 0)).await?;
    let source = namespace.get(DEPLOYMENT, "web").await?.context("the source")?;
    let archive = Archive::of(&[("a.yaml", &config_map("a", "blue"))]).pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": source.metadata.uid, "controller": true});
    let artifact = json!({
        "apiVersion": "openfluxcd.ocm.software/v1alpha1", "kind": "Artifact",
        "metadata": {"name": "made", "ownerReferences": [owner]},
        "spec": {"url": server.url("app"), "digest": server.digest("app"), "revision": "1",
            "lastUpdateTime": "2026-01-01T00:00:00Z"},
    });
    namespace.apply(&artifact.to_string()).await?;
    let reference =
        json!({"sourceRef": {"apiVersion": "apps/v1", "kind": "ExternalArtifact", "name": "web"}});
    app::deploy(&namespace, Owner::Ours, "app", &[reference]).await?;
    let message = namespace
        .wait_failed(KUSTOMIZATION, "app", "AccessDenied")
        .await?;
    let annotation = "openfluxcd.ocm.software/source-kind";
    assert!(message.contains(annotation), "{message}");

    let patch = json!({"metadata": {"annotations": {annotation: "Deployment"}}});
    namespace.patch(KUSTOMIZATION, "app", patch).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    namespace.get(CONFIG_MAP, "a").await?.context("applied")?;
    Ok(())
}
