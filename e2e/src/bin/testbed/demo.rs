//! The main job, for people to watch: a commit in a stock GitRepository rolls out through an Artifact.

use std::time::Instant;

use anyhow::{Context as _, Result};
use e2e::testbed::{
    ARTIFACT, DEPLOYMENT, GIT_REPOSITORY, KUSTOMIZATION, Namespace, Options, Testbed, controller,
};
use e2e::tools::{self, Tool};
use serde_json::json;

use crate::clock::Clock;
use crate::{interrupted, say};

pub(crate) async fn run(keep: bool) -> Result<()> {
    tokio::select! {
        result = show(keep) => result,
        // Returning drops the testbed, which ends everything.
        result = interrupted() => result,
    }
}

async fn show(keep: bool) -> Result<()> {
    let clock = Clock::start();
    controller()?;
    clock.say("starting etcd, kube-apiserver and kube-controller-manager, installing the CRDs");
    let testbed = Testbed::start(Options::default()).await?;
    clock.say("starting the stock source-controller, a git server, and openflux-controller");
    testbed.source_controller().await?;
    testbed.openflux_controller().await?;
    let repo = testbed.git().await?.create("app").await?;
    let first = kustomization("1.0.0");
    let first_commit = [
        ("deploy/kustomization.yaml", first.as_str()),
        ("deploy/deployment.yaml", DEPLOYMENT_YAML),
        ("deploy/service.yaml", SERVICE_YAML),
    ];
    let commit = repo.commit("Version 1.0.0", &first_commit).await?;
    clock.say(&format!("git push {} main   # {}", repo.url(), short(&commit)));

    let namespace = testbed.namespace("demo").await?;
    namespace.apply(&objects(repo.url(), namespace.name())).await?;
    clock.say("kubectl apply: GitRepository app, Kustomization app (sharding.fluxcd.io/key: openflux)");
    let artifact = artifact_of(&namespace, &commit).await?;
    clock.say(&format!("Artifact {artifact} has {}", short(&commit)));
    version_is(&namespace, "1.0.0").await?;
    clock.say("Deployment podinfo runs 1.0.0");
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    clock.say("Kustomization app is ready");

    let pushed = Instant::now();
    let commit = repo
        .commit(
            "Version 1.1.0",
            &[("deploy/kustomization.yaml", &kustomization("1.1.0"))],
        )
        .await?;
    clock.say(&format!("git push, version 1.1.0   # {}", short(&commit)));
    request_reconciliation(&namespace).await?;
    clock.say(
        "kubectl annotate gitrepository app reconcile.fluxcd.io/requestedAt=...   # what flux reconcile does",
    );
    artifact_of(&namespace, &commit).await?;
    clock.say(&format!("Artifact {artifact} has {}", short(&commit)));
    version_is(&namespace, "1.1.0").await?;
    clock.say(&format!(
        "Deployment podinfo runs 1.1.0, {:.1} s after the push",
        pushed.elapsed().as_secs_f64()
    ));
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    if tools::built(Tool::Flux).is_some() {
        say("");
        let overview = ["get", "all", "--namespace", namespace.name()];
        say(&testbed.run(Tool::Flux, &overview).await?);
    }

    if keep {
        say(&format!(
            "still up until Ctrl-C:\n\n  export KUBECONFIG={}\n  {} get artifacts -A\n  {} tree kustomization app -n {}\n",
            testbed.kubeconfig().display(),
            command(Tool::Kubectl),
            command(Tool::Flux),
            namespace.name()
        ));
        std::future::pending::<()>().await;
    }
    clock.say("stopping everything");
    Ok(())
}

/// How to call a tool: the one of the testbed, if it was built, else the one on the PATH.
fn command(tool: Tool) -> String {
    tools::built(tool).map_or_else(|| tool.name().to_owned(), |path| path.display().to_string())
}

/// Asks the stock source-controller to look at the repository now, as `flux reconcile source git` does.
async fn request_reconciliation(namespace: &Namespace) -> Result<()> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let request =
        json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": now.as_nanos().to_string()}}});
    namespace.patch(GIT_REPOSITORY, "app", request).await?;
    Ok(())
}

fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}

/// Waits until an Artifact of the namespace has the commit; returns its name.
async fn artifact_of(namespace: &Namespace, commit: &str) -> Result<String> {
    let start = Instant::now();
    loop {
        let artifacts = namespace.list(ARTIFACT).await?;
        let found = artifacts.iter().find(|artifact| {
            artifact.data["spec"]["revision"]
                .as_str()
                .is_some_and(|revision| revision.ends_with(commit))
        });
        if let Some(artifact) = found {
            return artifact.metadata.name.clone().context("an object has a name");
        }
        anyhow::ensure!(
            start.elapsed() < e2e::testbed::PATIENCE,
            "no Artifact of commit {commit} appears"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

async fn version_is(namespace: &Namespace, version: &str) -> Result<()> {
    let image = format!("ghcr.io/stefanprodan/podinfo:{version}");
    let pointer = "/spec/template/spec/containers/0/image";
    let runs = |deployment: &kube::api::DynamicObject| {
        deployment
            .data
            .pointer(pointer)
            .and_then(serde_json::Value::as_str)
            == Some(&image)
    };
    namespace
        .wait(DEPLOYMENT, "podinfo", &format!("runs {image}"), runs)
        .await?;
    Ok(())
}

/// The part of the application that a new version changes.
fn kustomization(version: &str) -> String {
    format!(
        "resources: [deployment.yaml, service.yaml]
images:
- name: ghcr.io/stefanprodan/podinfo
  newTag: {version}
"
    )
}

/// Nothing pulls the image: there is no node, and no replica is asked for.
const DEPLOYMENT_YAML: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: podinfo}
spec:
  replicas: 0
  selector: {matchLabels: {app: podinfo}}
  template:
    metadata: {labels: {app: podinfo}}
    spec:
      containers:
      - {name: podinfo, image: ghcr.io/stefanprodan/podinfo}
";

const SERVICE_YAML: &str = "
apiVersion: v1
kind: Service
metadata: {name: podinfo}
spec:
  selector: {app: podinfo}
  ports: [{name: http, port: 9898}]
";

fn objects(url: &str, namespace: &str) -> String {
    format!(
        "
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: app}}
spec: {{interval: 1h, url: '{url}', ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: app
  labels: {{sharding.fluxcd.io/key: openflux}}
spec:
  interval: 1h
  path: deploy
  prune: true
  wait: true
  targetNamespace: {namespace}
  sourceRef: {{kind: GitRepository, name: app}}
"
    )
}
