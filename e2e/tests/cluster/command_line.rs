//! The commands of `openflux` that ask a cluster, as a user runs them.

use std::process::Output;

use anyhow::{Context as _, Result};
use e2e::testbed::{GIT_REPOSITORY, KUSTOMIZATION, eventually, program};
use serde_json::{Value, json};

use crate::app::{App, Owner, config_map, deployment};

impl App {
    /// Runs `openflux` in the namespace.
    async fn openflux(&self, command: &str) -> Result<Output> {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.extend(["--namespace", self.name()]);
        Ok(tokio::process::Command::new(program("openflux")?)
            .args(words)
            .env("KUBECONFIG", self.testbed.kubeconfig())
            .env("HOME", self.testbed.dir())
            .env_remove("LC_ALL")
            .output()
            .await?)
    }

    /// The same, where it has to succeed.
    async fn shown(&self, command: &str) -> Result<String> {
        let output = self.openflux(command).await?;
        let errors = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "openflux {command}: {errors}");
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn lines_with<'a>(text: &'a str, part: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(part)).collect()
}

#[tokio::test]
async fn artifacts_trees_and_traces_are_shown() -> Result<()> {
    let files = [
        ("deploy/a.yaml", config_map("a", "blue")),
        ("deploy/b.yaml", config_map("b", "blue")),
        ("deploy/web.yaml", deployment("web", 1)),
    ];
    let files = files.each_ref().map(|(path, content)| (*path, content.as_str()));
    let app = App::owned_by(Owner::Ours, "command-line", &files).await?;
    app.deploy_ready("app", json!({})).await?;
    let namespace = app.name();

    let artifacts = app.shown("get artifacts").await?;
    let artifact = format!("gitrepository-{namespace}-app");
    let line = lines_with(&artifacts, &artifact);
    let line = line.first().with_context(|| artifacts.clone())?;
    for part in ["main@sha1:", "True", "GitRepository/app"] {
        assert!(line.contains(part), "{part} is not in {artifacts}");
    }
    let names = app.shown("get artifacts -o name").await?;
    assert_eq!(names, format!("artifact.openfluxcd.ocm.software/{artifact}\n"));
    let document: Value = serde_json::from_str(&app.shown("get artifacts -o json").await?)?;
    assert_eq!(document["kind"], "ArtifactList");
    assert_eq!(document["items"][0]["metadata"]["name"], artifact);

    // No pod ever runs on this control plane.
    let tree = app.shown("tree ks/app").await?;
    let branches = [
        format!("2 ConfigMaps {namespace}/a, {namespace}/b"),
        format!("Deployment {namespace}/web"),
    ];
    for branch in &branches {
        assert_eq!(lines_with(&tree, branch).len(), 1, "{branch} is not in {tree}");
    }
    assert!(
        tree.starts_with(&format!("✔ Kustomization {namespace}/app  main@sha1:")),
        "{tree}"
    );
    let document: Value = serde_json::from_str(&app.shown("tree ks app --all -o json").await?)?;
    assert_eq!(document["kind"], "Tree");
    assert_eq!(
        document["root"]["children"].as_array().map(Vec::len),
        Some(3),
        "{document:#}"
    );

    let replica_set = eventually("the Deployment's ReplicaSet", async || {
        let kind = e2e::testbed::Kind {
            kind: "ReplicaSet",
            plural: "replicasets",
            ..e2e::testbed::DEPLOYMENT
        };
        let mut all = app.list(kind).await?;
        Ok(all.pop().and_then(|object| object.metadata.name))
    })
    .await?;
    let trace = app.shown(&format!("trace rs/{replica_set}")).await?;
    let way = [
        format!("ReplicaSet {namespace}/{replica_set}"),
        format!("└ ► Deployment {namespace}/web"),
        format!("  └ ✔ Kustomization {namespace}/app"),
        format!("    └ ✔ Artifact {namespace}/{artifact}"),
        format!("      └ ✔ GitRepository {namespace}/app"),
        format!("        └ · {} branch main", app.url()),
    ];
    for (line, expected) in trace.lines().zip(&way) {
        assert!(line.contains(expected), "{expected} is not in {line}\n{trace}");
    }
    assert_eq!(trace.lines().count(), way.len(), "{trace}");
    Ok(())
}

#[tokio::test]
async fn what_fails_shows_first_and_what_is_not_there_is_said() -> Result<()> {
    let app = App::start("command-line-odd", &[("deploy/a.yaml", &config_map("a", "blue"))]).await?;
    app.deploy_ready("app", json!({})).await?;
    let broken = json!({"spec": {"url": "http://127.0.0.1:1/nothing.git"}});
    app.patch(GIT_REPOSITORY, "app", broken).await?;
    let fails = |object: &kube::api::DynamicObject| {
        e2e::testbed::condition(object, "Ready").is_some_and(|ready| ready["status"] == "False")
    };
    app.wait(GIT_REPOSITORY, "app", "fails", fails).await?;

    // Our controller runs as a process here, and is no Deployment: nobody is known to reconcile.
    let output = app.openflux("status").await?;
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{status}");
    let failing = format!("GitRepository/{}/app", app.name());
    assert!(status.contains(&failing), "{status}");
    assert!(
        status.contains(&format!("ks/{}/app  nobody", app.name())),
        "{status}"
    );
    let document = app.openflux("status -o json").await?;
    let document: Value = serde_json::from_slice(&document.stdout)?;
    assert_eq!(document["kustomizations"]["total"], 1, "{document:#}");

    let trace = app.shown("trace configmap a").await?;
    let first = format!("Look first at GitRepository {}/app", app.name());
    assert!(trace.contains(&first), "{trace}");

    for (command, reason) in [
        ("tree ks/none", "there is no ks/"),
        ("trace nonsense/x", "the cluster has no kind \"nonsense\""),
        ("trace configmap/none", "there is no ConfigMap none"),
        ("status -o name", "status has no -o name"),
        ("get artifacts none", "there is no Artifact none"),
    ] {
        let output = app.openflux(command).await?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{command}: {error}");
        assert!(error.contains(reason), "{command}: {error}");
    }
    app.existing(KUSTOMIZATION, "app").await?;
    Ok(())
}
