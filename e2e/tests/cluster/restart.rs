//! A controller that was down while its sources moved on deploys what they have now, and nothing else.

use anyhow::{Result, ensure};
use e2e::testbed::{
    Answer, Archive, ArtifactServer, CONFIG_MAP, EXTERNAL_ARTIFACT, KUSTOMIZATION, Namespace, Options,
    PATIENCE, Testbed,
};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{self, Owner, config_map};

/// So many that mirroring them takes a moment.
const SOURCES: usize = 40;

async fn offer(namespace: &Namespace, server: &ArtifactServer, revision: &str) -> Result<()> {
    let artifact = json!({
        "url": server.url(revision), "path": "p", "revision": revision, "digest": server.digest(revision),
        "lastUpdateTime": "2026-01-01T00:00:00Z",
    });
    let status = json!({"status": {"artifact": artifact}});
    for number in 0..SOURCES {
        let name = format!("source-{number}");
        namespace
            .patch_status(EXTERNAL_ARTIFACT, &name, status.clone())
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_outdated_revision_is_not_deployed_after_a_restart() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("outdated").await?;
    let archive = |colour| {
        let files = [("a.yaml", &*config_map("a", colour))];
        Ok::<_, anyhow::Error>(Answer::Bytes(Archive::of(&files).pack()?))
    };
    let server = ArtifactServer::start([("first", archive("blue")?), ("second", archive("red")?)])?;
    for number in 0..SOURCES {
        let object = json!({
            "apiVersion": EXTERNAL_ARTIFACT.api_version, "kind": EXTERNAL_ARTIFACT.kind,
            "metadata": {"name": format!("source-{number}")}, "spec": {},
        });
        namespace.apply(&object.to_string()).await?;
    }
    offer(&namespace, &server, "first").await?;
    let flags = ["--concurrent-sources=1"];
    let mut controller = testbed.start_openflux("openflux-controller", &flags)?;
    let consumers = ["source-0", "source-20", "source-39"];
    for name in consumers {
        let spec = json!({
            "sourceRef": {"kind": "ExternalArtifact", "name": name}, "prune": false,
        });
        app::deploy(&namespace, Owner::Ours, name, &[spec]).await?;
    }
    let applied = |revision: &'static str| {
        move |object: &DynamicObject| object.data["status"]["lastAppliedRevision"] == revision
    };
    for name in consumers {
        let first = applied("first");
        namespace
            .wait(KUSTOMIZATION, name, "has the first", first)
            .await?;
    }
    controller.stop(PATIENCE)?;
    let asked = server.requests("first");

    offer(&namespace, &server, "second").await?;
    let _controller = testbed.start_openflux("openflux-controller-again", &flags)?;
    for name in consumers {
        let second = applied("second");
        namespace
            .wait(KUSTOMIZATION, name, "has the second", second)
            .await?;
    }
    ensure!(
        server.requests("first") == asked,
        "the outdated artifact was fetched again"
    );
    let map = namespace
        .get(CONFIG_MAP, "a")
        .await?
        .map(|map| map.data["data"].clone());
    assert_eq!(map, Some(json!({"colour": "red"})));
    Ok(())
}
