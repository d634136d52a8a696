//! Stock kustomize-controller and ours under the same load: `cargo xtask bench controllers [COUNT]`.
//!
//! Each contender gets a control plane of its own, one after the other. COUNT Kustomizations (default 100) of four
//! objects each wait for readiness, with impersonation and three variables; their sources' `status.artifact` is written
//! beforehand, all with one digest. Time runs from creating the first Kustomization until the last one is ready;
//! the upgrade changes one object of the four. The floor is the same objects applied by eight connections and nothing
//! else. API server, etcd, kube-controller-manager, contender and this program share the machine.

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::routing::get;
use controller_kit::artifact::Digest;
use e2e::testbed::{HttpServer, KUSTOMIZATION, Kind, Namespace, Options, Process, Stock, Testbed, condition};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::ResourceExt as _;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

const CONCURRENCY: &str = "--concurrent=20";
const PATIENCE: Duration = Duration::from_mins(10);
const GIT_REPOSITORY: Kind = Kind {
    api_version: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    plural: "gitrepositories",
};

fn main() -> Result<()> {
    let count = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(100);
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(measure(count))
}

async fn measure(count: usize) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{count} Kustomizations of four objects, wait, {CONCURRENCY}\n"
    )?;
    writeln!(
        out,
        "| contender | install | upgrade | CPU | peak RSS | downloads |\n|---|---|---|---|---|---|"
    )?;
    let stock = contend(count, |testbed| {
        testbed.start_stock(Stock::Kustomize, &[CONCURRENCY])
    })
    .await?;
    writeln!(out, "{}", stock.row("kustomize-controller"))?;
    let ours = contend(count, |testbed| {
        testbed.start_openflux("contender", &[CONCURRENCY, "--watch-label-selector="])
    })
    .await?;
    writeln!(out, "{}", ours.row("openflux-controller"))?;
    let floor = floor(count).await?;
    writeln!(
        out,
        "| floor: the applies alone | {:.1} s | | | | |",
        floor.as_secs_f64()
    )?;
    writeln!(
        out,
        "\nstock / ours: install {:.1}, upgrade {:.1}, CPU {:.1}, peak RSS {:.1}; ours / floor: install {:.2}",
        stock.install.as_secs_f64() / ours.install.as_secs_f64(),
        stock.upgrade.as_secs_f64() / ours.upgrade.as_secs_f64(),
        stock.cpu.as_secs_f64() / ours.cpu.as_secs_f64(),
        stock.peak as f64 / ours.peak as f64,
        ours.install.as_secs_f64() / floor.as_secs_f64(),
    )?;
    Ok(())
}

/// What one contender needed.
struct Figures {
    install: Duration,
    upgrade: Duration,
    cpu: Duration,
    peak: u64,
    downloads: usize,
}

impl Figures {
    fn row(&self, name: &str) -> String {
        format!(
            "| {name} | {:.1} s | {:.1} s | {:.1} s | {} MiB | {} |",
            self.install.as_secs_f64(),
            self.upgrade.as_secs_f64(),
            self.cpu.as_secs_f64(),
            self.peak >> 20,
            self.downloads
        )
    }
}

async fn contend(count: usize, start: impl FnOnce(&Testbed) -> Result<Process>) -> Result<Figures> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = prepared(&testbed).await?;
    let releases = [Release::pack("1")?, Release::pack("2")?];
    let downloads = Arc::new(AtomicUsize::new(0));
    let server = serve(&releases, &downloads)?;
    let numbers = || stream::iter(0..count);
    numbers()
        .map(|number| create_source(&namespace, number))
        .buffer_unordered(16)
        .try_collect::<()>()
        .await?;
    numbers()
        .map(|number| offer(&namespace, number, &releases[0], &server))
        .buffer_unordered(16)
        .try_collect::<()>()
        .await?;
    let process = start(&testbed)?;
    // Both controllers have filled their caches by then; an idle controller is what a commit meets.
    tokio::time::sleep(Duration::from_secs(5)).await;

    let begin = Instant::now();
    let arrival = ready(&namespace, count, &releases[0].revision);
    let creation = numbers()
        .map(|number| create_kustomization(&namespace, number))
        .buffer_unordered(16)
        .try_collect::<()>();
    tokio::try_join!(arrival, creation)?;
    let install = begin.elapsed();

    let begin = Instant::now();
    let arrival = ready(&namespace, count, &releases[1].revision);
    let commits = numbers()
        .map(|number| offer(&namespace, number, &releases[1], &server))
        .buffer_unordered(16)
        .try_collect::<()>();
    tokio::try_join!(arrival, commits)?;
    let upgrade = begin.elapsed();
    let usage = process.usage()?;
    Ok(Figures {
        install,
        upgrade,
        cpu: usage.cpu,
        peak: usage.peak_resident,
        downloads: downloads.load(Ordering::Relaxed),
    })
}

/// A namespace with a service account that may do everything, as tenants have it.
async fn prepared(testbed: &Testbed) -> Result<Namespace> {
    let namespace = testbed.namespace("bench").await?;
    let name = namespace.name();
    namespace
        .apply(&format!(
            "
apiVersion: v1
kind: ServiceAccount
metadata: {{name: deployer}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: deployer}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{kind: ServiceAccount, name: deployer, namespace: {name}}}]
"
        ))
        .await?;
    Ok(namespace)
}

/// One artifact: its archive and what describes it.
struct Release {
    archive: Vec<u8>,
    digest: String,
    revision: String,
}

impl Release {
    fn pack(version: &str) -> Result<Self> {
        let documents = objects("${name}", "${image}", "${host}", version);
        let yaml = documents
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join("\n---\n");
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut header = tar::Header::new_gnu();
        header.set_size(yaml.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, "app.yaml", yaml.as_bytes())?;
        let archive = tar.into_inner()?.finish()?;
        let digest = Digest::sha256(&archive).to_string();
        Ok(Self {
            archive,
            digest,
            revision: format!("main@sha1:{version}"),
        })
    }
}

/// The four objects; `version` changes one of them.
fn objects(name: &str, image: &str, host: &str, version: &str) -> [Value; 4] {
    let labels = json!({"app": name});
    let backend = json!({"service": {"name": name, "port": {"number": 80}}});
    [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "annotations": {"version": version}},
            "spec": {"selector": labels, "ports": [{"port": 80, "protocol": "TCP"}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
            "replicas": 0, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"containers": [{"name": "app", "image": image}]}}}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
            "spec": {"rules": [{"host": host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}),
    ]
}

fn serve(releases: &[Release; 2], downloads: &Arc<AtomicUsize>) -> Result<HttpServer> {
    let mut router = Router::new();
    for release in releases {
        let (archive, downloads) = (release.archive.clone(), Arc::clone(downloads));
        let answer = move || {
            downloads.fetch_add(1, Ordering::Relaxed);
            async move { archive }
        };
        router = router.route(&path(release), get(answer));
    }
    HttpServer::start(router)
}

fn path(release: &Release) -> String {
    format!("/{}.tar.gz", release.revision.replace([':', '@'], "-"))
}

fn name(number: usize) -> String {
    format!("app-{number:04}")
}

async fn create_source(namespace: &Namespace, number: usize) -> Result<()> {
    let object = json!({
        "apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind, "metadata": {"name": name(number)},
        "spec": {"url": "https://example.org/app", "interval": "1h"},
    });
    create(namespace, GIT_REPOSITORY, object).await
}

/// Writes what source-controller writes when it has a new artifact.
async fn offer(namespace: &Namespace, number: usize, release: &Release, server: &HttpServer) -> Result<()> {
    let artifact = json!({
        "url": server.url(&path(release)), "path": "x", "revision": release.revision, "digest": release.digest,
        "lastUpdateTime": "2026-01-01T00:00:00Z", "size": release.archive.len(),
    });
    let ready = json!([{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact",
        "observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let status = json!({"status": {"observedGeneration": 1, "artifact": artifact, "conditions": ready}});
    namespace
        .patch_status(GIT_REPOSITORY, &name(number), status)
        .await?;
    Ok(())
}

async fn create_kustomization(namespace: &Namespace, number: usize) -> Result<()> {
    let name = name(number);
    let variables =
        json!({"name": name, "image": "registry.example.org/app:1", "host": format!("{name}.example.org")});
    let object = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind, "metadata": {"name": name},
        "spec": {
            "interval": "1h", "prune": true, "wait": true, "timeout": "5m", "path": "./",
            "targetNamespace": namespace.name(), "serviceAccountName": "deployer",
            "sourceRef": {"kind": GIT_REPOSITORY.kind, "name": name}, "postBuild": {"substitute": variables},
        },
    });
    create(namespace, KUSTOMIZATION, object).await
}

async fn create(namespace: &Namespace, kind: Kind, object: Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object)?;
    namespace
        .api(kind)
        .create(&PostParams::default(), &object)
        .await?;
    Ok(())
}

/// Waits until `count` Kustomizations are ready with `revision`.
async fn ready(namespace: &Namespace, count: usize, revision: &str) -> Result<()> {
    let all = async {
        let mut done = HashSet::new();
        let mut changes = std::pin::pin!(watcher::watcher(
            namespace.api(KUSTOMIZATION),
            watcher::Config::default()
        ));
        while done.len() < count {
            let Some(event) = changes.next().await else {
                bail!("the watch ended")
            };
            let (watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event? else {
                continue;
            };
            let is_ready =
                condition(&object, "Ready").and_then(|ready| ready.get("status")) == Some(&json!("True"));
            if is_ready && object.data.pointer("/status/lastAppliedRevision") == Some(&json!(revision)) {
                done.insert(object.name_any());
            }
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .context("the Kustomizations did not become ready in time")?
}

/// The server-side applies of an installation, by eight connections and nothing else.
async fn floor(count: usize) -> Result<Duration> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = prepared(&testbed).await?;
    let kinds = [
        e2e::testbed::SERVICE_ACCOUNT,
        e2e::testbed::SERVICE,
        e2e::testbed::DEPLOYMENT,
        Kind {
            api_version: "networking.k8s.io/v1",
            kind: "Ingress",
            plural: "ingresses",
        },
    ];
    let params = PatchParams::apply("kustomize-controller").force();
    let begin = Instant::now();
    stream::iter(0..count)
        .map(|number| {
            let (namespace, params) = (&namespace, &params);
            async move {
                let name = name(number);
                let host = format!("{name}.example.org");
                for (kind, object) in
                    kinds
                        .into_iter()
                        .zip(objects(&name, "registry.example.org/app:1", &host, "1"))
                {
                    namespace
                        .api(kind)
                        .patch(&name, params, &Patch::Apply(&object))
                        .await?;
                }
                anyhow::Ok(())
            }
        })
        .buffer_unordered(8)
        .try_collect::<()>()
        .await?;
    Ok(begin.elapsed())
}
