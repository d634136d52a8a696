//! Shards: each process reconciles its share, and one that is lost takes nothing from the others.

use anyhow::{Context as _, Result};
use e2e::testbed::{Answer, Archive, ArtifactServer, CONFIG_MAP, KUSTOMIZATION, Namespace, Process, Testbed};
use futures::future::try_join_all;
use serde_json::json;

use crate::app::{Owner, config_map};
use crate::artifacts::{consume_as, offer};

const SHARDS: [&str; 3] = ["openflux-1", "openflux-2", "openflux-3"];
/// Objects of one shard.
const SHARE: usize = 12;

fn start(testbed: &Testbed, shard: &str) -> Result<Process> {
    let selector = format!("--watch-label-selector=sharding.fluxcd.io/key={shard}");
    testbed.start_openflux(shard, &["--controllers=kustomize,helm", &selector])
}

/// Deploys the share of a shard; of the first or of the second time.
async fn deploy(namespace: &Namespace, shard: &'static str, time: usize) -> Result<()> {
    let one = |at: usize| async move {
        let spec = json!({"namePrefix": format!("{shard}-{at}-"), "timeout": format!("{}m", time + 1)});
        consume_as(Owner::Shard(shard), namespace, &name(shard, at), "app", spec).await
    };
    try_join_all((0..SHARE).map(one)).await?;
    Ok(())
}

fn name(shard: &str, at: usize) -> String {
    format!("{shard}-{at}")
}

async fn settled(namespace: &Namespace, shard: &'static str) -> Result<()> {
    let one = |at: usize| async move {
        namespace.wait_ready(KUSTOMIZATION, &name(shard, at)).await?;
        let applied = namespace.get(CONFIG_MAP, &format!("{shard}-{at}-a")).await?;
        applied.with_context(|| format!("{shard}-{at}")).map(|_| ())
    };
    try_join_all((0..SHARE).map(one)).await?;
    Ok(())
}

#[tokio::test]
async fn a_shard_that_is_lost_takes_nothing_from_the_others() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let namespace = testbed.namespace("shards").await?;
    let archive = Archive::of(&[("a.yaml", &config_map("a", "blue"))]).pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    offer(&namespace, "app", &server, "app").await?;
    let [mut lost, _second, _third] = [
        start(testbed, SHARDS[0])?,
        start(testbed, SHARDS[1])?,
        start(testbed, SHARDS[2])?,
    ];
    let namespace = &namespace;
    try_join_all(SHARDS.map(|shard| deploy(namespace, shard, 0))).await?;
    try_join_all(SHARDS.map(|shard| settled(namespace, shard))).await?;

    lost.kill()?;
    // A change of all: those of the others settle, and those of the lost one wait for somebody.
    try_join_all(SHARDS.map(|shard| deploy(namespace, shard, 1))).await?;
    try_join_all(SHARDS[1..].iter().map(|shard| settled(namespace, shard))).await?;
    for at in 0..SHARE {
        let waiting = namespace
            .get(KUSTOMIZATION, &name(SHARDS[0], at))
            .await?
            .context("still there")?;
        let observed = waiting.data["status"]["observedGeneration"].as_i64();
        assert_ne!(observed, waiting.metadata.generation, "{at}");
    }
    let _again = start(testbed, SHARDS[0])?;
    settled(namespace, SHARDS[0]).await
}
