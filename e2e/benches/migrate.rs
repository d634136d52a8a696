//! What looking at a fleet before it moves costs: `cargo xtask bench migrate [--count N] [--runs N] [--write]`.
//!
//! A thousand Kustomizations of four objects, which are stock's by their label: how long `openflux migrate scan` and `plan` take, how much
//! memory the tool takes, and how much longer the runs of others take while our controller proves. API server, etcd, the controllers
//! and the tool share the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::benchmark::{Benchmark, tell};
use e2e::testbed::{
    DEPLOYMENT, GIT_REPOSITORY, KUSTOMIZATION, Kind, NOT_OURS, Namespace, Options, Process, Testbed,
    controller, is_ready, program,
};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::ResourceExt as _;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// How many Kustomizations run meanwhile, again and again, and how many of them at once.
const OTHERS: usize = 100;
const AT_ONCE: usize = 4;
/// For how long they run without a plan, to compare with.
const BASELINE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_mins(15);
const KEY: &str = "sharding.fluxcd.io/key";
const POD: Kind = Kind {
    api_version: "v1",
    kind: "Pod",
    plural: "pods",
};

const BENCHMARK: Benchmark<7> = Benchmark {
    name: "migrate",
    title: "Scanning and planning Kustomizations",
    introduction: "
Kustomizations of four objects each (two ConfigMaps, a Service, a Deployment without replicas), which are stock's by their label
and have settled. `openflux migrate scan -o json` and `openflux migrate plan -A -o json` look at all of them; the controller proves
each for the plan. A hundred other Kustomizations are ours; four of them at a time are asked for a run, and asked again when that has
ended: for 20 s before, and for as long as the plan is made. API server, etcd, source-controller, the controller and the tool share
the machine.
",
    figures: [
        ("`migrate scan`", "s", "<= 2 s"),
        ("peak RSS of `migrate scan`", "MiB", "<= 64 MiB"),
        ("`migrate plan`", "s", "<= 60 s"),
        ("peak RSS of `migrate plan`", "MiB", "<= 64 MiB"),
        ("a run of another Kustomization, without a plan", "ms", ""),
        ("a run of another Kustomization, while it is planned", "ms", ""),
        ("by how much runs are slower", "%", "<= 10 %"),
    ],
};

fn main() -> Result<()> {
    BENCHMARK.run_with_count("1000", async |count| {
        program("openflux")?;
        measure(count).await
    })
}

async fn measure(count: usize) -> Result<[f64; 7]> {
    let testbed = Testbed::start(Options::default()).await?;
    let namespace = testbed.namespace("load").await?;
    testbed.source_controller().await?;
    testbed.openflux_controller().await?;
    install(&testbed).await?;
    source(&testbed, &namespace).await?;
    let planned: Vec<_> = (0..count).map(|number| format!("app-{number:04}")).collect();
    let others: Vec<_> = (0..OTHERS).map(|number| format!("other-{number:03}")).collect();
    deploy(&namespace, planned.iter().chain(&others)).await?;
    settled(&namespace, count + OTHERS).await?;
    tell("they are stock's from now on")?;
    // What is deployed stays as it is: whose it is, is the label alone.
    let release = json!({"metadata": {"labels": {KEY: null}}});
    futures::stream::iter(&planned)
        .map(async |name| {
            namespace
                .patch(KUSTOMIZATION, name, release.clone())
                .await
                .map(|_| ())
        })
        .buffer_unordered(32)
        .try_collect::<()>()
        .await?;

    let (scan, scan_memory, found) = tool(&testbed, "scan", &["migrate", "scan", "-o", "json"]).await?;
    let movable = found["objects"].as_array().into_iter().flatten();
    let movable = movable.filter(|object| object["class"] == "canMove").count();
    ensure!(
        movable == count,
        "{movable} of {count} can move: {:#}",
        found["objects"][0]
    );

    tell("how long runs take without a plan")?;
    let stop = Arc::new(AtomicBool::new(false));
    let baseline = async {
        tokio::time::sleep(BASELINE).await;
        stop.store(true, Ordering::Relaxed);
        Ok::<_, anyhow::Error>(())
    };
    let (alone, waited) = tokio::join!(runs(&namespace, &others, &stop, "alone"), baseline);
    waited?;
    tell("and while it is planned")?;
    stop.store(false, Ordering::Relaxed);
    let planning = async {
        let planned = tool(&testbed, "plan", &["migrate", "plan", "-A", "-o", "json"]).await;
        stop.store(true, Ordering::Relaxed);
        planned
    };
    let (meanwhile, made) = tokio::join!(runs(&namespace, &others, &stop, "meanwhile"), planning);
    let (plan, plan_memory, made) = made?;
    let proven = made["objects"].as_array().into_iter().flatten();
    let proven = proven.filter(|object| object["verdict"] == "canMove").count();
    ensure!(
        proven == count,
        "{proven} of {count} are proven: {:#}",
        made["objects"][0]
    );
    let (alone, meanwhile) = (alone?, meanwhile?);
    Ok([
        scan,
        scan_memory,
        plan,
        plan_memory,
        alone * 1e3,
        meanwhile * 1e3,
        (meanwhile / alone - 1.0) * 100.0,
    ])
}

/// Installs what says who has which objects, and says in place of a kubelet that the pods of that run.
async fn install(testbed: &Testbed) -> Result<()> {
    let flux = testbed.home().await?;
    for name in ["kustomize-controller", "helm-controller"] {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "flux",
                "app.kubernetes.io/component": name, "app.kubernetes.io/version": "v2.9.5"}},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "manager", "image": format!("ghcr.io/fluxcd/{name}:v1.9.5"),
                    "args": [NOT_OURS]}]}}},
        });
        flux.apply(&deployment.to_string()).await?;
    }
    let manifests = std::process::Command::new(controller()?)
        .args(["install", "--export"])
        .output()?;
    flux.apply(&String::from_utf8(manifests.stdout)?).await?;
    let ready = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let status = json!({"status": {"phase": "Running", "conditions": ready}});
    e2e::testbed::eventually("the Deployments to be ready", async || {
        for pod in flux.list(POD).await? {
            let patch = Patch::Merge(&status);
            let name = pod.name_any();
            flux.api(POD)
                .patch_status(&name, &PatchParams::default(), &patch)
                .await?;
        }
        let all = flux.list(DEPLOYMENT).await?;
        let ready = all
            .iter()
            .filter(|object| object.data["status"]["readyReplicas"] == 1);
        Ok((ready.count() == 3).then_some(()))
    })
    .await
}

/// The repository that all are made of.
async fn source(testbed: &Testbed, namespace: &Namespace) -> Result<()> {
    let repo = testbed.git().await?.create("load").await?;
    let objects = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: blue, size: small}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: page}, data: {page: hello}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
";
    repo.commit("first", &[("app/objects.yaml", objects)]).await?;
    let source = json!({
        "apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind, "metadata": {"name": "app"},
        "spec": {"interval": "1h", "url": repo.url(), "ref": {"branch": "main"}},
    });
    namespace.apply(&source.to_string()).await?;
    namespace.wait_ready(GIT_REPOSITORY, "app").await?;
    Ok(())
}

/// Has our controller deploy them, as stock would.
async fn deploy(namespace: &Namespace, names: impl Iterator<Item = &String>) -> Result<()> {
    let create = async |name: &String| -> Result<()> {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
            "metadata": {"name": name, "labels": {KEY: "openflux"}},
            "spec": {"interval": "1h", "path": "app", "prune": true, "namePrefix": format!("{name}-"),
                "targetNamespace": namespace.name(), "sourceRef": {"kind": "GitRepository", "name": "app"}},
        }))?;
        let api = namespace.api(KUSTOMIZATION);
        api.create(&PostParams::default(), &object).await?;
        Ok(())
    };
    futures::stream::iter(names)
        .map(create)
        .buffer_unordered(32)
        .try_collect()
        .await
}

async fn settled(namespace: &Namespace, count: usize) -> Result<()> {
    let begun = Instant::now();
    loop {
        let all = namespace.list(KUSTOMIZATION).await?;
        let ready = all.iter().filter(|object| is_ready(object)).count();
        if ready == count {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "{ready} of {count} are ready");
        tell(&format!("{ready} of {count} are ready"))?;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
}

/// Runs the tool: how long it takes in seconds, its memory in MiB, and what it prints.
async fn tool(testbed: &Testbed, name: &str, words: &[&str]) -> Result<(f64, f64, Value)> {
    let output = testbed.dir().join(format!("{name}.json"));
    let environment = [
        ("KUBECONFIG", testbed.kubeconfig().display().to_string()),
        ("OPENFLUX_SHADOW_URL", testbed.shadow_url()),
        ("OUTPUT", output.display().to_string()),
        ("TOOL", program("openflux")?.display().to_string()),
    ];
    let begun = Instant::now();
    let script = ["-c", "exec \"$TOOL\" \"$@\" > \"$OUTPUT\"", "sh"];
    let arguments = script.iter().chain(words).map(ToString::to_string);
    let mut process = Process::spawn(
        &format!("openflux-{name}"),
        testbed.logs(),
        std::path::Path::new("/bin/sh"),
        arguments,
        &environment,
    )?;
    let mut peak = 0;
    while process.ended()?.is_none() {
        // It may end in between.
        peak = peak.max(process.usage().map_or(0, |usage| usage.peak_resident));
        ensure!(begun.elapsed() < PATIENCE, "{} does not end", words.join(" "));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let text = std::fs::read_to_string(&output)?;
    let document = serde_json::from_str(&text).with_context(|| process.output())?;
    Ok((seconds, peak as f64 / f64::from(1 << 20), document))
}

/// Asks others for runs until `stop`; gives how long one takes in the mean, in seconds.
async fn runs(namespace: &Namespace, names: &[String], stop: &AtomicBool, mark: &str) -> Result<f64> {
    let one = async |at: usize, worker: usize| -> Result<f64> {
        let name = &names[(at * AT_ONCE + worker) % names.len()];
        let token = format!("{mark}-{at}-{worker}");
        let begun = Instant::now();
        let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
        namespace.patch(KUSTOMIZATION, name, patch).await?;
        let api = namespace.api(KUSTOMIZATION);
        let of_object = ListParams::default().fields(&format!("metadata.name={name}"));
        loop {
            let found = api.list(&of_object).await?;
            let object = found.items.first().context("it is gone")?;
            if object.data["status"]["lastHandledReconcileAt"] == token {
                return Ok(begun.elapsed().as_secs_f64());
            }
            ensure!(begun.elapsed() < PATIENCE, "{name} has no run");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let worker = async |worker: usize| -> Result<Vec<f64>> {
        let mut times = Vec::new();
        for at in 0.. {
            if stop.load(Ordering::Relaxed) && !times.is_empty() {
                break;
            }
            times.push(one(at, worker).await?);
        }
        Ok(times)
    };
    let all = futures::future::try_join_all((0..AT_ONCE).map(worker)).await?;
    let all: Vec<f64> = all.into_iter().flatten().collect();
    Ok(all.iter().sum::<f64>() / all.len() as f64)
}
