//! How fast the adapters mirror: `cargo xtask bench sources [--runs N] [--write]`.
//!
//! One thousand sources from cold, counted from starting the controller, and the time from sending a source's status to
//! its Artifact being visible in a watch. The sources are ExternalArtifacts, whose status this program writes itself.
//! API server, etcd, controller and this program share the machine.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use artifact_crd::Artifact;
use e2e::benchmark::Benchmark;
use e2e::testbed::{EXTERNAL_ARTIFACT, Namespace, Options, Testbed};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{DynamicObject, PostParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};
use serde_json::json;

const SOURCES: usize = 1000;
const ROUNDS: usize = 500;
const PATIENCE: Duration = Duration::from_mins(3);

const BENCHMARK: Benchmark<7> = Benchmark {
    name: "sources",
    title: "Sources mirrored into Artifacts",
    introduction: "
`openflux-controller run --controllers=sources` against a control plane with 1,000 ExternalArtifacts whose status has an
artifact. From cold: from starting the program until a watch shows all Artifacts. Then one status is written after the
other, 500 times, and each is timed from sending it until the watch shows its Artifact with the new revision. API
server, etcd, kube-controller-manager, the controller and the load share the machine.
",
    figures: [
    ("1,000 sources from cold, all Artifacts visible", "s", "<= 5 s"),
    ("the same, with their conditions", "s", ""),
    ("source status sent to Artifact visible, p50", "ms", "<= 10 ms"),
    ("p90", "ms", ""),
    ("p99", "ms", "<= 50 ms"),
    ("CPU of the controller, all of it", "s", ""),
    ("peak RSS", "MiB", ""),
],
};

fn main() -> Result<()> {
    BENCHMARK.run(measure)
}

async fn measure() -> Result<[f64; 7]> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("bench").await?;
    let artifacts: Api<Artifact> = Api::namespaced(testbed.client().await?, namespace.name());
    futures::stream::iter(0..SOURCES)
        .map(|number| create(&namespace, number))
        .buffer_unordered(32)
        .try_collect::<()>()
        .await?;
    let start = Instant::now();
    let process = testbed.start_openflux("adapters", &["--controllers=sources"])?;
    let arrived = tokio::time::timeout(PATIENCE, arrival(&artifacts));
    let (there, settled) = arrived.await.context("the Artifacts did not appear in time")??;
    let mut latencies = tokio::time::timeout(PATIENCE, latencies(&namespace, &artifacts))
        .await
        .context("the Artifacts did not follow in time")??;
    latencies.sort();
    let usage = process.usage()?;
    let percentile = |percent: usize| {
        let at = (latencies.len() * percent / 100).min(latencies.len() - 1);
        latencies[at].as_secs_f64() * 1000.0
    };
    Ok([
        there.duration_since(start).as_secs_f64(),
        settled.duration_since(start).as_secs_f64(),
        percentile(50),
        percentile(90),
        percentile(99),
        usage.cpu.as_secs_f64(),
        usage.peak_resident as f64 / f64::from(1 << 20),
    ])
}

fn name(number: usize) -> String {
    format!("source-{number:04}")
}

async fn create(namespace: &Namespace, number: usize) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "ExternalArtifact",
        "metadata": {"name": name(number)}, "spec": {},
    }))?;
    namespace
        .api(EXTERNAL_ARTIFACT)
        .create(&PostParams::default(), &object)
        .await?;
    offer(namespace, number, "first").await
}

async fn offer(namespace: &Namespace, number: usize, revision: &str) -> Result<()> {
    let artifact = json!({
        "url": format!("http://127.0.0.1:1/{number}/{revision}"), "path": "p", "revision": revision,
        "digest": format!("sha256:{}", "a".repeat(64)), "lastUpdateTime": "2026-01-01T00:00:00Z",
    });
    namespace
        .patch_status(
            EXTERNAL_ARTIFACT,
            &name(number),
            json!({"status": {"artifact": artifact}}),
        )
        .await?;
    Ok(())
}

/// Watches the Artifacts come: returns when all are there, and when all have conditions.
async fn arrival(artifacts: &Api<Artifact>) -> Result<(Instant, Instant)> {
    let mut changes = std::pin::pin!(watcher::watcher(artifacts.clone(), watcher::Config::default()));
    let (mut there, mut settled, mut all_there) = (HashSet::new(), HashSet::new(), None);
    while let Some(event) = changes.next().await {
        let (watcher::Event::Apply(artifact) | watcher::Event::InitApply(artifact)) = event? else {
            continue;
        };
        there.insert(artifact.name_any());
        if !artifact.status.conditions.is_empty() {
            settled.insert(artifact.name_any());
        }
        if there.len() == SOURCES && all_there.is_none() {
            all_there = Some(Instant::now());
        }
        if let (Some(all_there), true) = (all_there, settled.len() == SOURCES) {
            return Ok((all_there, Instant::now()));
        }
    }
    bail!("the watch ended")
}

/// Writes one status after the other, and times each until the watch shows its Artifact.
async fn latencies(namespace: &Namespace, artifacts: &Api<Artifact>) -> Result<Vec<Duration>> {
    let mut changes = std::pin::pin!(watcher::watcher(artifacts.clone(), watcher::Config::default()));
    let mut sent: HashMap<String, Instant> = HashMap::new();
    let mut latencies = Vec::with_capacity(ROUNDS);
    while let Some(event) = changes.next().await {
        if matches!(event?, watcher::Event::InitDone) {
            break;
        }
    }
    for round in 0..ROUNDS {
        let revision = format!("round-{round}");
        sent.insert(revision.clone(), Instant::now());
        let write = offer(namespace, round % SOURCES, &revision);
        let mut write = std::pin::pin!(write);
        let (mut written, mut seen) = (false, false);
        while !(written && seen) {
            tokio::select! {
                result = &mut write, if !written => {
                    result?;
                    written = true;
                }
                event = changes.next() => {
                    if let Some(watcher::Event::Apply(artifact)) = event.transpose()?
                        && let Some(start) = sent.remove(&artifact.spec.revision)
                    {
                        ensure!(artifact.name_any().ends_with(&name(round % SOURCES)), "another Artifact changed");
                        latencies.push(start.elapsed());
                        seen = true;
                    }
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(latencies)
}
