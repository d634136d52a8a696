//! An API server that is killed and comes back: watches go on, waits end, and nothing has to be restarted.

use anyhow::{Context as _, Result};
use e2e::testbed::{
    Answer, Archive, ArtifactServer, CONFIG_MAP, EXTERNAL_ARTIFACT, KUSTOMIZATION, Options, Testbed,
    condition,
};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{config_map, deployment};
use crate::artifacts::{consume, offer};
use crate::sources::mirrored;

#[tokio::test]
async fn everything_goes_on_after_the_api_server_was_killed() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("restart").await?;
    let archive = |replicas: u32, colour: &str| {
        let files = [
            ("web.yaml", &*deployment("web", replicas)),
            ("a.yaml", &*config_map("a", colour)),
        ];
        Ok::<_, anyhow::Error>(Answer::Bytes(Archive::of(&files).pack()?))
    };
    let server = ArtifactServer::start([("first", archive(1, "blue")?), ("second", archive(0, "red")?)])?;
    let mut controller = testbed.start_openflux("openflux-controller", &[])?;
    offer(&namespace, "app", &server, "first").await?;
    consume(&namespace, "app", "app", json!({"wait": true, "timeout": "10m"})).await?;
    let waits = |object: &DynamicObject| {
        condition(object, "Healthy").is_some_and(|healthy| healthy["status"] == "Unknown")
    };
    namespace
        .wait(KUSTOMIZATION, "app", "runs health checks", waits)
        .await?;
    let applied = namespace.get(CONFIG_MAP, "a").await?.context("applied")?;

    testbed.restart_api_server().await?;
    // Sources, artifacts, and what has been applied are watched again.
    crate::sources::offer(&namespace, "mirrored", "http://127.0.0.1:1/a", "1").await?;
    mirrored(&namespace, EXTERNAL_ARTIFACT, "mirrored").await?;
    offer(&namespace, "app", &server, "second").await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    let after = namespace.get(CONFIG_MAP, "a").await?.context("still there")?;
    assert_eq!(after.data["data"]["colour"], "red");
    assert_eq!(after.metadata.uid, applied.metadata.uid);
    assert!(controller.ended()?.is_none(), "it has not been restarted");
    Ok(())
}
