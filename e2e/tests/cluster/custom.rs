//! The programs of third parties: a source, a deployer and a transformation with kinds of their own, which know nothing of
//! each other, and our own deployer beside them.

use anyhow::{Context as _, Result};
use e2e::testbed::{
    ARTIFACT, CONFIG_MAP, Custom, DEPLOYMENT, EVENT, FILE_MAP, Feed, KUSTOMIZATION, Kind, NIGHTLY, Namespace,
    STAMP, Testbed, eventually, reference,
};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::config_map;

async fn look(namespace: &Namespace, kind: Kind, name: &str, token: &str) -> Result<DynamicObject> {
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
    namespace.patch(kind, name, patch).await?;
    let handled = |object: &DynamicObject| object.data["status"]["lastHandledReconcileAt"] == token;
    namespace.wait(kind, name, "was looked at", handled).await
}

#[tokio::test]
async fn programs_of_third_parties_work_together_and_with_ours() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("custom").await?;
    testbed.openflux_controller().await?;
    let feed = Feed::start()?;
    let release = |version: &str, colour: &str| {
        let manifest = config_map("applied", colour);
        feed.release(
            version,
            &[
                ("config/colour.txt", colour),
                ("config/deep/shape.txt", "round"),
                ("app/settings.yaml", &manifest),
            ],
        )
    };
    release("1.0.0", "blue")?;
    let nightly = Custom::start(testbed, "nightly").await?;
    let _filemap = Custom::start(testbed, "filemap").await?;
    let _stamp = Custom::start(testbed, "stamp").await?;

    // A deployer that is there before its source waits for it.
    let spec = json!({"sourceRef": reference(NIGHTLY, "feed"), "path": "config", "interval": "1h"});
    namespace.apply_spec(FILE_MAP, "plain", spec).await?;
    let waiting = namespace.wait_failed(FILE_MAP, "plain", "InputNotFound").await?;
    assert!(waiting.contains("feeds.example.org/Nightly"), "{waiting}");
    namespace
        .apply_spec(NIGHTLY, "feed", json!({"url": feed.url(), "interval": "1h"}))
        .await?;
    let source = namespace.wait_ready(NIGHTLY, "feed").await?;
    let name = format!("nightly-{}-feed", namespace.name());
    assert_eq!(source.data["status"]["artifactName"], name);
    let artifact = namespace.wait_ready(ARTIFACT, &name).await?;
    let revision = artifact.data["spec"]["revision"].as_str().unwrap_or_default();
    assert!(revision.starts_with("1.0.0@sha256:"), "{revision}");
    namespace.wait_data("plain", "colour.txt", "blue").await?;
    let plain = namespace.wait_ready(FILE_MAP, "plain").await?;
    assert_eq!(plain.data["status"]["lastAppliedRevision"], revision);
    let map = namespace.wait_data("plain", "deep.shape.txt", "round").await?;
    let owner = &map.metadata.owner_references.as_deref().unwrap_or_default()[0];
    assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("FileMap", "plain"));

    let spec = json!({"sourceRef": reference(NIGHTLY, "feed"), "replace": {"blue": "navy", "green": "lime"}});
    namespace.apply_spec(STAMP, "stamped", spec).await?;
    let spec = json!({"sourceRef": reference(STAMP, "stamped"), "path": "config"});
    namespace.apply_spec(FILE_MAP, "stamped", spec).await?;
    namespace.wait_data("stamped", "colour.txt", "navy").await?;
    // Ours, by the dialect that the stock definitions allow.
    let kustomization = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
        "metadata": {
            "name": "ours", "labels": {"sharding.fluxcd.io/key": "openflux"},
            "annotations": {"openfluxcd.ocm.software/source-kind": "Stamp"},
        },
        "spec": {
            "interval": "1h", "prune": true, "targetNamespace": namespace.name(), "path": "app",
            "sourceRef": {"apiVersion": STAMP.api_version, "kind": "ExternalArtifact", "name": "stamped"},
        },
    });
    namespace.apply(&kustomization.to_string()).await?;
    namespace.wait_data("applied", "colour", "navy").await?;

    // A release goes through all of them.
    release("1.1.0", "green")?;
    look(&namespace, NIGHTLY, "feed", "1.1.0").await?;
    namespace.wait_data("plain", "colour.txt", "green").await?;
    namespace.wait_data("stamped", "colour.txt", "lime").await?;
    namespace.wait_data("applied", "colour", "lime").await?;

    // A look at what has not changed changes nothing but the answer to who asked, and neither does a restart.
    let before = namespace.wait_ready(ARTIFACT, &name).await?;
    look(&namespace, NIGHTLY, "feed", "again").await?;
    let _nightly = nightly.restart(testbed)?;
    look(&namespace, NIGHTLY, "feed", "after the restart").await?;
    let after = namespace.wait_ready(ARTIFACT, &name).await?;
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);

    // What is wrong is said where it is, and what cannot be read is told in an event.
    namespace
        .apply_spec(NIGHTLY, "wrong", json!({"uri": feed.url()}))
        .await?;
    let told = eventually("an event about it", async || {
        let events = namespace.list(EVENT).await?;
        Ok(events.into_iter().find(|event| {
            event.data["involvedObject"]["name"] == "wrong" && event.data["reason"] == "Unreadable"
        }))
    })
    .await?;
    let message = told.data["message"].as_str().unwrap_or_default();
    assert!(message.contains("missing field `url`"), "{message}");
    let patch = json!({"spec": {"path": "nowhere"}});
    namespace.patch(FILE_MAP, "stamped", patch).await?;
    let wrong = namespace.wait_failed(FILE_MAP, "stamped", "PathNotFound").await?;
    assert!(wrong.contains("nowhere"), "{wrong}");
    namespace.wait_data("stamped", "colour.txt", "lime").await?;

    namespace.delete(FILE_MAP, "stamped").await?;
    namespace.wait_gone(CONFIG_MAP, "stamped").await?;
    namespace.delete(NIGHTLY, "feed").await?;
    namespace.wait_gone(ARTIFACT, &name).await?;
    namespace.wait_failed(FILE_MAP, "plain", "InputNotFound").await?;
    namespace.wait_data("plain", "colour.txt", "green").await?;
    namespace.delete(KUSTOMIZATION, "ours").await?;
    namespace.wait_gone(KUSTOMIZATION, "ours").await
}

#[tokio::test]
async fn what_a_program_prints_can_be_installed() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("program").await?;
    let home = format!("--namespace={}", namespace.name());
    let flags = ["manifests", "--image=registry.example/nightly:1", &home];
    let list = Custom::print("nightly", &flags).await?;
    for item in list["items"].as_array().context("a list")? {
        namespace.apply(&item.to_string()).await?;
    }
    let deployment = namespace.get(DEPLOYMENT, "nightly-controller").await?;
    let deployment = deployment.context("the Deployment")?;
    let image = &deployment.data["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, "registry.example/nightly:1");
    Ok(())
}
