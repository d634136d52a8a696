//! How fast the adapters mirror: `cargo xtask bench sources`.
//!
//! One thousand sources from cold, and the time from sending a source's status to its Artifact being visible in a
//! watch. The sources are ExternalArtifacts, whose status this program writes itself. API server, etcd, adapters and
//! this program share the machine.

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use artifact_crd::Artifact;
use controller_kit::artifact::HostAllowList;
use controller_kit::events::recorder;
use controller_kit::{Metrics, Rest};
use e2e::testbed::{EXTERNAL_ARTIFACT, Namespace, Options, Testbed};
use flux_sources::AdapterOptions;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{DynamicObject, PostParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt as _};
use serde_json::json;
use tokio_util::sync::CancellationToken;

const SOURCES: usize = 1000;
const ROUNDS: usize = 500;

fn main() -> Result<()> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(measure())
}

async fn measure() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("bench").await?;
    let artifacts: Api<Artifact> = Api::namespaced(testbed.client().await?, namespace.name());
    futures::stream::iter(0..SOURCES)
        .map(|number| create(&namespace, number))
        .buffer_unordered(32)
        .try_collect::<()>()
        .await?;

    let client = testbed.client().await?;
    let (events, sink) = recorder(Rest::new(client.clone()), "openflux", "bench", "")?;
    tokio::spawn(sink.run());
    let options = AdapterOptions {
        hosts: HostAllowList::parse(["127.0.0.1"])?,
        namespace: None,
        concurrency: 16,
    };
    let shutdown = CancellationToken::new();
    let start = Instant::now();
    let adapters = tokio::spawn(flux_sources::run(
        client,
        options,
        Metrics::new()?,
        events,
        shutdown.clone(),
    ));
    let (all_there, all_settled) =
        tokio::time::timeout(Duration::from_mins(2), arrival(&artifacts)).await??;
    let (cold, settled) = (all_there.duration_since(start), all_settled.duration_since(start));

    let mut latencies = latencies(&namespace, &artifacts).await?;
    latencies.sort();
    shutdown.cancel();
    adapters.await?;
    let at = |percent: usize| latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)];
    writeln!(
        std::io::stdout(),
        "| {SOURCES} sources from cold, all Artifacts visible | {cold:.2?} |\n\
         | the same, with their conditions | {settled:.2?} |\n\
         | source status sent to Artifact visible, p50 | {:.1?} |\n\
         | p90 | {:.1?} |\n\
         | p99 | {:.1?} |",
        at(50),
        at(90),
        at(99)
    )?;
    Ok(())
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
