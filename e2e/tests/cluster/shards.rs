//! Shards: each process reconciles its share, and one that is lost takes nothing from the others.
//!
//! `OPENFLUX_TRIALS=1000` has so many objects, and says how long everything took.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Instant;

use anyhow::Result;
use e2e::testbed::{
    Answer, Archive, ArtifactServer, CONFIG_MAP, KUSTOMIZATION, Namespace, Process, Testbed, eventually,
    is_ready,
};
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::ResourceExt;
use serde_json::json;

use crate::app::{Owner, config_map};
use crate::artifacts::{consume_as, offer};

const SHARDS: [&str; 3] = ["openflux-1", "openflux-2", "openflux-3"];
/// Objects of one shard, unless somebody wants more.
const SHARE: usize = 12;

/// The shards, and how many objects each has.
struct Shards {
    testbed: &'static Testbed,
    namespace: Namespace,
    share: usize,
    is_measured: bool,
}

impl Shards {
    async fn new() -> Result<Self> {
        let wanted = std::env::var("OPENFLUX_TRIALS").ok();
        let wanted = wanted.and_then(|count| count.parse::<usize>().ok());
        let testbed = Testbed::shared().await?;
        Ok(Self {
            testbed,
            namespace: testbed.namespace("shards").await?,
            share: wanted.map_or(SHARE, |all| all.div_ceil(SHARDS.len())),
            is_measured: wanted.is_some(),
        })
    }

    fn start(&self, shard: &str) -> Result<Process> {
        let selector = format!("--watch-label-selector=sharding.fluxcd.io/key={shard}");
        self.testbed
            .start_openflux(shard, &["--controllers=kustomize,helm", &selector])
    }

    /// Deploys the share of a shard; of the first or of the second time.
    async fn deploy(&self, shard: &'static str, time: usize) -> Result<()> {
        let one = |at: usize| async move {
            let name = format!("{shard}-{at}");
            let spec = json!({"namePrefix": format!("{name}-"), "timeout": format!("{}m", time + 1)});
            consume_as(Owner::Shard(shard), &self.namespace, &name, "app", spec).await
        };
        let deployed = stream::iter((0..self.share).map(one)).buffer_unordered(8);
        deployed.try_collect().await
    }

    /// Waits until all of a shard is ready, and was applied.
    async fn settled(&self, shard: &str) -> Result<()> {
        let is_of = |name: &str| name.strip_prefix(shard).is_some_and(|rest| rest.starts_with('-'));
        eventually(&format!("all of {shard} to be ready"), async || {
            let all = self.namespace.list(KUSTOMIZATION).await?;
            let ready = all.iter().filter(|one| {
                let observed = one.data["status"]["observedGeneration"].as_i64();
                is_of(&one.name_any()) && is_ready(one) && observed == one.metadata.generation
            });
            Ok((ready.count() == self.share).then_some(()))
        })
        .await?;
        let applied = self.namespace.list(CONFIG_MAP).await?;
        let applied: BTreeSet<_> = applied
            .iter()
            .map(ResourceExt::name_any)
            .filter(|name| is_of(name))
            .collect();
        let expected: BTreeSet<_> = (0..self.share).map(|at| format!("{shard}-{at}-a")).collect();
        assert_eq!(applied, expected);
        Ok(())
    }

    fn say(&self, what: &str, since: Instant) {
        if self.is_measured {
            let all = self.share * SHARDS.len();
            // Nothing depends on who reads it.
            let _ = writeln!(
                std::io::stderr(),
                "{all} objects in {} shards: {what} in {:.1?}",
                SHARDS.len(),
                since.elapsed()
            );
        }
    }
}

#[tokio::test]
async fn a_shard_that_is_lost_takes_nothing_from_the_others() -> Result<()> {
    let shards = &Shards::new().await?;
    let archive = Archive::of(&[("a.yaml", &config_map("a", "blue"))]).pack()?;
    let server = ArtifactServer::start([("app", Answer::Bytes(archive))])?;
    offer(&shards.namespace, "app", &server, "app").await?;
    let [mut lost, second, third] = [
        shards.start(SHARDS[0])?,
        shards.start(SHARDS[1])?,
        shards.start(SHARDS[2])?,
    ];
    let begin = Instant::now();
    try_join_all(SHARDS.map(|shard| shards.deploy(shard, 0))).await?;
    try_join_all(SHARDS.map(|shard| shards.settled(shard))).await?;
    shards.say("all deployed and ready", begin);

    lost.kill()?;
    // A change of all: those of the others settle, and those of the lost one wait for somebody.
    let begin = Instant::now();
    try_join_all(SHARDS.map(|shard| shards.deploy(shard, 1))).await?;
    try_join_all(SHARDS[1..].iter().map(|shard| shards.settled(shard))).await?;
    shards.say("all changed, and those of the two others ready again", begin);
    let all = shards.namespace.list(KUSTOMIZATION).await?;
    for waiting in all.iter().filter(|one| one.name_any().starts_with(SHARDS[0])) {
        let observed = waiting.data["status"]["observedGeneration"].as_i64();
        assert_ne!(observed, waiting.metadata.generation, "{}", waiting.name_any());
    }
    let begin = Instant::now();
    let again = shards.start(SHARDS[0])?;
    shards.settled(SHARDS[0]).await?;
    shards.say("a new process for the lost one, and all of it ready", begin);
    for process in [again, second, third] {
        let usage = process.usage()?;
        let used = format!(
            "{} has used {:.1?} of CPU and {} MiB at most, and was looked at",
            process.name(),
            usage.cpu,
            usage.peak_resident >> 20
        );
        shards.say(&used, begin);
    }
    Ok(())
}
