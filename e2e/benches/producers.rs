//! What a producer of a thousand artifacts costs: `cargo xtask bench producers [--runs N] [--write]`.
//!
//! One thousand `Http` sources of one mebibyte each, which no compressor makes shorter. How soon they are all served again
//! after a restart, what fifty readers cost, and what it costs to ask their servers whether there is anything new. API server,
//! etcd, controller, the servers of the sources and the readers share the machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use e2e::benchmark::{Benchmark, tell};
use e2e::testbed::{ARTIFACT, HTTP, HttpServer, Namespace, Options, Process, Testbed, eventually, free_port};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::ResourceExt as _;
use kube::api::{DynamicObject, PostParams};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const SOURCES: usize = 1000;
const SIZE: usize = 1 << 20;
const READERS: usize = 50;
/// How often each reader reads a file.
const READS: usize = 100;
/// The pause between two looks at a source.
const INTERVAL: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_mins(10);

const BENCHMARK: Benchmark<7> = Benchmark {
    name: "producers",
    title: "A thousand artifacts, produced and served",
    introduction: "
`openflux-controller run --controllers=http` with 1,000 `Http` sources of 1 MiB each, which no compressor makes shorter. It is
killed and started anew on its volume: from then until each of the 1,000 URLs has answered 200. Then 50 readers read 100 of
them each, at once. Then it is left alone for as long as the interval of the sources, 30 s, in which each server is asked once
whether there is anything new, and says that there is not. API server, etcd, the controller, the servers of the sources and the
readers share the machine.
",
    figures: [
    ("restart until 1,000 artifacts are served again", "s", "<= 2 s"),
    ("Artifacts written by that", "", "0"),
    (
        "peak RSS from the restart on, with 50 readers",
        "MiB",
        "<= 64 MiB",
    ),
    ("served to them", "MiB/s", ""),
    ("looks at sources in 30 s", "", ""),
    ("CPU for 1,000 looks that find nothing new", "s", "<= 1 s"),
    ("Artifacts written by that", "", "0"),
],
};

fn main() -> Result<()> {
    BENCHMARK.run(measure)
}

/// The server of all sources.
#[derive(Clone, Default)]
struct Upstream {
    asked: Arc<AtomicUsize>,
}

async fn answer(State(upstream): State<Upstream>, request: Request) -> Response {
    upstream.asked.fetch_add(1, Ordering::Relaxed);
    let etag = format!("\"{}\"", request.uri().path());
    if request
        .headers()
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| *known == etag)
    {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let number: u64 = request
        .uri()
        .path()
        .trim_start_matches('/')
        .parse()
        .unwrap_or_default();
    ([(header::ETAG, etag)], noise(number)).into_response()
}

/// Bytes that nothing makes shorter, others for each number.
fn noise(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(SIZE);
    while bytes.len() < SIZE {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

async fn measure() -> Result<[f64; 7]> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("bench").await?;
    let upstream = Upstream::default();
    let server = HttpServer::start(Router::new().fallback(answer).with_state(upstream.clone()))?;
    let arguments = [
        "--controllers=http".to_owned(),
        format!("--storage-path={}", testbed.dir().join("volume").display()),
        format!("--storage-addr=127.0.0.1:{}", free_port()?),
        "--http-source-hosts=127.0.0.1".to_owned(),
    ];
    let start = |name: &str| -> Result<Process> {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        testbed.start_openflux(name, &arguments)
    };
    let first = start("producer")?;
    futures::stream::iter(0..SOURCES)
        .map(|number| create(&namespace, number, server.url(&format!("/{number}"))))
        .buffer_unordered(32)
        .try_collect::<()>()
        .await?;
    let produced = async {
        loop {
            let artifacts = artifacts(&namespace).await?;
            if artifacts.len() == SOURCES {
                // Their conditions follow.
                tokio::time::sleep(Duration::from_secs(5)).await;
                return Ok::<_, anyhow::Error>(());
            }
            tell(&format!("{} of {SOURCES} are produced", artifacts.len()))?;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, produced)
        .await
        .context("the artifacts were not produced in time")??;

    let before = artifacts(&namespace).await?;
    let urls: Vec<_> = before.values().map(|(url, _)| url.clone()).collect();
    drop(first);
    let begun = Instant::now();
    let process = start("producer-again")?;
    eventually("all artifacts to be served again", async || {
        let answers = futures::stream::iter(urls.clone())
            .map(async |url| read(&url, "HEAD").await.is_ok())
            .buffer_unordered(64);
        let all = answers.all(async |is_there| is_there).await;
        Ok(all.then_some(()))
    })
    .await?;
    let served_again = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = artifacts(&namespace).await?;
    let rewritten = changed(&before, &after);

    let begun = Instant::now();
    let readers = (0..READERS).map(|reader| {
        let urls = urls.clone();
        async move {
            let mut bytes = 0;
            for number in 0..READS {
                let url = urls
                    .get((reader * 20 + number * 7) % urls.len())
                    .context("a URL")?;
                bytes += read(url, "GET").await?;
            }
            Ok::<_, anyhow::Error>(bytes)
        }
    });
    let bytes: usize = futures::future::try_join_all(readers).await?.into_iter().sum();
    let rate = bytes as f64 / f64::from(1 << 20) / begun.elapsed().as_secs_f64();
    ensure!(bytes >= READERS * READS * SIZE, "{bytes} bytes were read");
    let peak = process.usage()?.peak_resident as f64 / f64::from(1 << 20);

    // By then each source was looked at once, and has its place in the interval.
    tokio::time::sleep(INTERVAL).await;
    let (before, cpu, asked) = (
        artifacts(&namespace).await?,
        process.usage()?.cpu,
        upstream.asked.load(Ordering::Relaxed),
    );
    tokio::time::sleep(INTERVAL).await;
    let cpu = process.usage()?.cpu.saturating_sub(cpu);
    let looks = upstream.asked.load(Ordering::Relaxed) - asked;
    ensure!(looks > 0, "no server was asked");
    let written = changed(&before, &artifacts(&namespace).await?);
    Ok([
        served_again.as_secs_f64(),
        rewritten as f64,
        peak,
        rate,
        looks as f64,
        cpu.as_secs_f64() * SOURCES as f64 / looks as f64,
        written as f64,
    ])
}

async fn create(namespace: &Namespace, number: usize, url: String) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": HTTP.api_version, "kind": HTTP.kind,
        "metadata": {"name": format!("source-{number:04}")},
        "spec": {"url": url, "interval": "30s", "content": {"type": "File"}},
    }))?;
    namespace
        .api(HTTP)
        .create(&PostParams::default(), &object)
        .await?;
    Ok(())
}

/// The URL of each Artifact, and its resource version.
async fn artifacts(namespace: &Namespace) -> Result<BTreeMap<String, (String, String)>> {
    let all = namespace.list(ARTIFACT).await?.into_iter();
    let one = |artifact: DynamicObject| {
        let url = artifact.data["spec"]["url"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (
            artifact.name_any(),
            (url, artifact.resource_version().unwrap_or_default()),
        )
    };
    Ok(all.map(one).collect())
}

fn changed(before: &BTreeMap<String, (String, String)>, after: &BTreeMap<String, (String, String)>) -> usize {
    after
        .iter()
        .filter(|(name, artifact)| before.get(*name) != Some(artifact))
        .count()
}

/// Asks for a URL, and gives how many bytes came.
async fn read(url: &str, method: &str) -> Result<usize> {
    let rest = url.strip_prefix("http://").context("a URL")?;
    let (address, path) = rest.split_once('/').context("a URL")?;
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{method} /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut piece, mut total) = (vec![0; 64 << 10], 0);
    loop {
        let length = stream.read(&mut piece).await?;
        if total == 0 {
            let head = piece.get(..length).unwrap_or_default();
            ensure!(
                head.starts_with(b"HTTP/1.1 200 "),
                "{}",
                String::from_utf8_lossy(head)
            );
        }
        if length == 0 {
            return Ok(total);
        }
        total += length;
    }
}
