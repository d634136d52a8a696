//! `openflux migrate`, as a user runs it, beside real stock controllers: there, back, killed in the middle, and without us.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{
    CONFIG_MAP, DEPLOYMENT, GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION, Process, Stock, condition, is_ready,
};
use e2e::tools::Tool;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::config_map;
use crate::beside::{Beside, EXCLUDED, Fleet, KEY, stock};
use crate::tool_at_work::kill;

/// The field manager of the tool.
const MANAGER: &str = "openflux-migrate";

#[tokio::test]
async fn objects_move_and_return_and_nothing_is_written_to_what_they_applied() -> Result<()> {
    let fleet = Fleet::start("migrate").await?;
    let (app, web) = (fleet.handle("ks", "app"), fleet.handle("hr", "web"));
    let before = fleet.traces().await?;
    let would = fleet
        .beside
        .ends(0, &["migrate", "apply", &app, &web, "--dry-run"])
        .await?;
    ensure!(would.contains("Nothing was written"), "{would}");
    ensure!(fleet.label(KUSTOMIZATION, "app").await?.is_none());

    let told = fleet
        .beside
        .ends(0, &["migrate", "apply", &app, &web, "--yes", "--soak", "2s"])
        .await?;
    // Two objects and a ReplicaSet; a ConfigMap and the record of the release.
    for part in [
        format!("✔ {app}  idle "),
        "proven 2/2".to_owned(),
        "unmoved 3/3  soak 2s".to_owned(),
        format!("✔ {web}  idle "),
        "unmoved 2/2  soak 2s".to_owned(),
        "Done. With openflux: 2. With stock: 0. None is without an owner.".to_owned(),
        format!("kubectl label ks,hr -A -l {KEY}=openflux {KEY}-"),
    ] {
        ensure!(told.contains(&part), "{part} is not in\n{told}");
    }
    ensure!(fleet.traces().await? == before, "moving wrote to an object");
    let moved = fleet.app().await?;
    let annotations = moved.metadata.annotations.clone().unwrap_or_default();
    ensure!(
        annotations.contains_key("openfluxcd.ocm.software/moved-at"),
        "{annotations:?}"
    );
    let mut managers = moved.metadata.managed_fields.iter().flatten();
    ensure!(
        managers
            .any(|entry| entry.manager.as_deref() == Some(MANAGER)
                && entry.operation.as_deref() == Some("Apply")),
        "{:?}",
        moved.metadata.managed_fields
    );

    // The parent applies it again and again, and the label stays.
    for number in 0..3 {
        fleet.reconcile("root", &format!("stays-{number}")).await?;
        ensure!(fleet.label(KUSTOMIZATION, "app").await?.as_deref() == Some("openflux"));
    }
    let migration = fleet.migration().await?;
    let verified = fleet.beside.ends(0, &["migrate", "verify", &migration]).await?;
    ensure!(verified.contains("All is well."), "{verified}");
    ensure!(verified.contains("4 objects compared"), "{verified}");
    let status = fleet.beside.ends(0, &["migrate", "status", &migration]).await?;
    ensure!(status.contains(&format!("{app}  moved")), "{status}");

    let told = fleet.rolls_back(&migration).await?;
    ensure!(told.contains("With openflux: 0. With stock: 2."), "{told}");
    ensure!(fleet.traces().await? == before, "moving back wrote to an object");
    let back = fleet.app().await?;
    let annotations = back.metadata.annotations.unwrap_or_default();
    ensure!(
        !annotations.keys().any(|key| key.contains("moved-")),
        "{annotations:?}"
    );
    ensure!(fleet.label(HELM_RELEASE, "web").await?.is_none());
    let again = fleet.rolls_back(&app).await?;
    ensure!(again.contains("there is nothing to do"), "{again}");
    // That it is back is found when the migration is looked at.
    let verified = fleet.beside.ends(1, &["migrate", "verify", &migration]).await?;
    ensure!(verified.contains("has lost its label"), "{verified}");

    // Without this tool.
    fleet.move_app().await?;
    let line = format!("label ks,hr -A -l {KEY}=openflux {KEY}-");
    let words: Vec<_> = line.split(' ').collect();
    fleet.beside.testbed.run(Tool::Kubectl, &words).await?;
    fleet.reconcile("app", "by-hand").await?;
    ensure!(
        fleet.traces().await? == before,
        "the way back by kubectl wrote to an object"
    );

    // What kubectl sets, the parent takes back.
    let object = format!("ks/app {KEY}=openflux -n {}", fleet.namespace.name());
    let line = format!("label {object}");
    let words: Vec<_> = line.split(' ').collect();
    fleet.beside.testbed.run(Tool::Kubectl, &words).await?;
    fleet.reconcile("root", "takes-back").await?;
    ensure!(
        fleet.label(KUSTOMIZATION, "app").await?.is_none(),
        "the label is there still"
    );
    ensure!(fleet.traces().await? == before, "that wrote to an object");
    Ok(())
}

#[tokio::test]
async fn a_surprise_gives_the_object_back() -> Result<()> {
    let fleet = Fleet::start("migrate-surprise").await?;
    let (app, web) = (fleet.handle("ks", "app"), fleet.handle("hr", "web"));
    let words = [
        "migrate",
        "apply",
        &app,
        &web,
        "--yes",
        "--soak",
        "60s",
        "--max-parallel",
        "1",
        "-o",
        "json",
    ];
    let running = tokio::spawn({
        let mut command = fleet.beside.command(&words)?;
        async move { command.output().await }
    });
    let moved = |object: &DynamicObject| {
        let labels = object.metadata.labels.as_ref();
        labels.is_some_and(|labels| labels.contains_key(KEY)) && is_ready(object)
    };
    fleet
        .namespace
        .wait(KUSTOMIZATION, "app", "has moved", moved)
        .await?;
    let change = json!({"data": {"colour": "red"}});
    fleet.namespace.patch(CONFIG_MAP, "settings", change).await?;
    let output = running.await??;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    ensure!(output.status.code() == Some(3), "{report:#}");
    let told = report["objects"].as_array().into_iter().flatten();
    let told: Vec<_> = told.filter(|told| told["object"] == app).collect();
    ensure!(told.len() == 1 && told[0]["step"] == "returned", "{report:#}");
    let change = &told[0]["changes"][0];
    ensure!(
        change[0] == format!("ConfigMap/{}/settings", fleet.namespace.name()),
        "{report:#}"
    );
    ensure!(
        report["shares"] == json!({"openflux": 0, "stock": 2, "none": 0}),
        "{report:#}"
    );
    ensure!(fleet.label(KUSTOMIZATION, "app").await?.is_none());

    // Nothing that cannot be reached or does not exist is touched.
    let none = fleet.handle("ks", "none");
    fleet
        .beside
        .ends(2, &["migrate", "apply", &none, "--yes"])
        .await?;
    fleet.beside.ends(2, &["migrate", "apply", &app]).await?;
    fleet.beside.ends(2, &["migrate", "apply"]).await?;
    fleet.beside.ends(2, &["migrate", "rollback"]).await?;
    Ok(())
}

/// Ctrl-C for a second time ends the tool at once, and the object stays where it is.
async fn interrupted(fleet: &Fleet) -> Result<()> {
    let app = fleet.handle("ks", "app");
    let words = ["migrate", "apply", &app, "--yes", "--soak", "60s"];
    let process = fleet
        .beside
        .command(&words)?
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let moved = |object: &DynamicObject| {
        let labels = object.metadata.labels.as_ref();
        labels.is_some_and(|labels| labels.contains_key(KEY))
    };
    fleet
        .namespace
        .wait(KUSTOMIZATION, "app", "has moved", moved)
        .await?;
    let id = process.id().context("it has ended")?.to_string();
    let interrupt = async || {
        tokio::process::Command::new("kill")
            .args(["-INT", &id])
            .status()
            .await
    };
    interrupt().await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    interrupt().await?;
    let output = process.wait_with_output().await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(130), "{}: {text}", output.status);
    ensure!(
        text.contains("Interrupted. With openflux: 1. With stock: 0."),
        "{text}"
    );
    let told = fleet
        .beside
        .ends(0, &["migrate", "apply", "--resume", "--yes", "--soak", "0"])
        .await?;
    ensure!(told.contains("unmoved 3/3"), "{told}");
    fleet.rolls_back(&app).await?;
    Ok(())
}

/// How many lines the journal of the move of one object has.
const LINES: usize = 9;

#[tokio::test]
async fn a_tool_that_is_killed_is_gone_on_with_by_anybody() -> Result<()> {
    let fleet = Fleet::start("migrate-killed").await?;
    let app = fleet.handle("ks", "app");
    let before = fleet.traces().await?;
    interrupted(&fleet).await?;
    for lines in 1..=LINES {
        let journal: PathBuf = fleet.beside.testbed.dir().join(format!("killed-{lines}.journal"));
        let path = journal.display().to_string();
        let words = [
            "migrate",
            "apply",
            &app,
            "--yes",
            "--soak",
            "0",
            "--journal",
            &path,
        ];
        let mut process = fleet.beside.command(&words)?.stdout(Stdio::null()).spawn()?;
        loop {
            let written = std::fs::read_to_string(&journal).unwrap_or_default();
            if written.lines().count() >= lines || process.try_wait()?.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        kill(&mut process).await?;
        let migration = fleet.migration().await?;
        // From elsewhere every other time, where there is no file.
        let elsewhere = fleet
            .beside
            .testbed
            .dir()
            .join(format!("elsewhere-{lines}.journal"));
        let elsewhere = elsewhere.display().to_string();
        let from = if lines % 2 == 0 { &elsewhere } else { &path };
        let words = [
            "migrate",
            "apply",
            &migration,
            "--resume",
            "--yes",
            "--soak",
            "0",
            "--journal",
            from,
        ];
        let told = fleet.beside.ends(0, &words).await?;
        ensure!(
            told.contains("With openflux: 1. With stock: 0."),
            "after {lines} lines:\n{told}"
        );
        ensure!(fleet.label(KUSTOMIZATION, "app").await?.as_deref() == Some("openflux"));
        ensure!(
            fleet.traces().await? == before,
            "after {lines} lines an object was written"
        );
        fleet.rolls_back(&migration).await?;
        ensure!(
            fleet.traces().await? == before,
            "on the way back from {lines} lines an object was written"
        );
    }
    Ok(())
}

#[tokio::test]
async fn the_way_back_needs_neither_our_controller_nor_git() -> Result<()> {
    let fleet = Fleet::start("migrate-dead").await?;
    let app = fleet.handle("ks", "app");
    let before = fleet.traces().await?;
    let flux = fleet.beside.testbed.home().await?;
    fleet.move_app().await?;

    // Our controller is gone.
    let scale = |replicas: u32| json!({"spec": {"replicas": replicas}});
    flux.patch(DEPLOYMENT, "openflux-controller", scale(0)).await?;
    let verified = fleet.beside.ends(1, &["migrate", "verify"]).await?;
    ensure!(
        verified.contains(&format!("✗ {app}  nobody has it")),
        "{verified}"
    );
    let told = fleet.rolls_back(&app).await?;
    ensure!(told.contains("With openflux: 0. With stock: 1."), "{told}");
    ensure!(fleet.traces().await? == before, "the way back wrote to an object");
    let verified = fleet.beside.ends(0, &["migrate", "verify"]).await?;
    ensure!(verified.contains("0 objects looked at"), "{verified}");
    flux.patch(DEPLOYMENT, "openflux-controller", scale(1)).await?;
    fleet.beside.await_deployments(4).await?;

    // The label is in Git.
    fleet.push(Some("openflux")).await?;
    fleet.settled(KUSTOMIZATION, "app").await?;
    let told = fleet
        .beside
        .ends(3, &["migrate", "rollback", &app, "--yes"])
        .await?;
    ensure!(
        told.contains("its label is brought by kustomize-controller"),
        "{told}"
    );
    let told = fleet
        .beside
        .ends(0, &["migrate", "rollback", &app, "--now", "--yes"])
        .await?;
    ensure!(told.contains("With stock: 1."), "{told}");
    let root = fleet
        .namespace
        .get(KUSTOMIZATION, "root")
        .await?
        .context("root")?;
    ensure!(root.data["spec"]["suspend"] == true, "{:#}", root.data);
    fleet.push_suspended().await?;
    let told = fleet
        .beside
        .ends(0, &["migrate", "rollback", "--resume-parent", &app])
        .await?;
    ensure!(told.contains("root is resumed"), "{told}");
    fleet.settled(KUSTOMIZATION, "root").await?;
    ensure!(
        fleet.label(KUSTOMIZATION, "app").await?.is_none(),
        "the label is back"
    );
    ensure!(
        fleet.traces().await? == before,
        "the way back from Git wrote to an object"
    );
    Ok(())
}

/// The patch is put where a checkout has the Deployments, and nothing else changes there.
async fn prepare_checkout(beside: &Beside) -> Result<()> {
    let folder = beside.testbed.dir().join("bootstrap");
    let at = |name: &str| folder.join("clusters/prod/flux-system").join(name);
    std::fs::create_dir_all(at(""))?;
    let components: Vec<_> = ["source-controller", "kustomize-controller", "helm-controller"]
        .map(|name| stock(name, false).to_string())
        .into();
    let sync = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
        "metadata": {"name": "flux-system", "namespace": "flux-system"},
        "spec": {"interval": "1h", "path": "./clusters/prod", "prune": true,
            "sourceRef": {"kind": "GitRepository", "name": "flux-system"}},
    });
    let resources = "# by bootstrap\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- gotk-components.yaml\n- gotk-sync.yaml\n";
    std::fs::write(at("gotk-components.yaml"), components.join("\n---\n"))?;
    std::fs::write(at("gotk-sync.yaml"), sync.to_string())?;
    std::fs::write(at("kustomization.yaml"), resources)?;
    let path = folder.display().to_string();
    let words = ["migrate", "prepare", "--git", &path, "--path", "clusters/prod"];
    let told = beside.ends(1, &words).await?;
    for part in [
        "+- target: {kind: Deployment, name: (kustomize-controller|helm-controller)}",
        "Built 1 root before and after: the arguments of these Deployments differ, nothing else. Nothing written",
    ] {
        ensure!(told.contains(part), "{part} is not in\n{told}");
    }
    ensure!(
        std::fs::read_to_string(at("kustomization.yaml"))? == resources,
        "it was written"
    );
    beside.ends(1, &[&words[..], &["--write"]].concat()).await?;
    let written = std::fs::read_to_string(at("kustomization.yaml"))?;
    ensure!(
        written.starts_with(resources) && written.contains(EXCLUDED),
        "{written}"
    );
    // What Flux makes of it leaves labelled objects alone.
    let built = at("").display().to_string();
    let built = beside.testbed.run(Tool::Kubectl, &["kustomize", &built]).await?;
    ensure!(built.matches(EXCLUDED).count() == 2, "{built}");
    let told = beside.ends(1, &words).await?;
    ensure!(told.contains("The checkout has the change already"), "{told}");
    Ok(())
}

/// A cluster of its own: stock's Deployments change here, and its controllers with them.
#[tokio::test]
async fn stock_is_prepared_and_takes_everything_back_at_once() -> Result<()> {
    let beside = Beside::start(false).await?;
    let testbed = &beside.testbed;
    let told = beside.ends(1, &["migrate", "prepare"]).await?;
    for part in [
        "✗ flux-system/kustomize-controller selects objects that are labelled",
        "kubectl -n flux-system patch deployment helm-controller --type=json -p '[{\"op\": \"add\"",
    ] {
        ensure!(told.contains(part), "{part} is not in\n{told}");
    }
    prepare_checkout(&beside).await?;
    // As it says.
    for line in told
        .lines()
        .filter(|line| line.trim_start().starts_with("kubectl "))
    {
        let (command, patch) = line.trim().split_once(" -p ").context("-p")?;
        let patch = patch.trim_matches('\'');
        let words: Vec<_> = command.split(' ').skip(1).chain(["-p", patch]).collect();
        testbed.run(Tool::Kubectl, &words).await?;
    }
    let told = beside.ends(0, &["migrate", "prepare", "--wait"]).await?;
    ensure!(told.contains("Nothing is left to prepare"), "{told}");

    let mut stock_controller: Process = testbed.start_stock(Stock::Kustomize, &[EXCLUDED])?;
    testbed.openflux_controller().await?;
    let namespace = testbed.namespace("fleet").await?;
    let repo = testbed.git().await?.create(namespace.name()).await?;
    repo.commit("first", &[("a.yaml", config_map("a", "blue").as_str())])
        .await?;
    let url = repo.url();
    let source = json!({
        "apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind, "metadata": {"name": "app"},
        "spec": {"interval": "1h", "url": url, "ref": {"branch": "main"}},
    });
    let object = json!({
        "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind, "metadata": {"name": "app"},
        "spec": {"interval": "1h", "retryInterval": "2s", "prune": true, "targetNamespace": namespace.name(),
            "sourceRef": {"kind": "GitRepository", "name": "app"}},
    });
    namespace.apply(&source.to_string()).await?;
    namespace.apply(&object.to_string()).await?;
    namespace.wait_ready(KUSTOMIZATION, "app").await?;
    let app = format!("ks/{}/app", namespace.name());
    beside
        .ends(0, &["migrate", "apply", &app, "--yes", "--soak", "0"])
        .await?;
    let before = namespace.get(CONFIG_MAP, "a").await?.context("a")?.metadata;

    // A roll-out that does not end is no success, and is gone on with.
    let flux = testbed.home().await?;
    let pause = |paused: bool| json!({"spec": {"paused": paused}});
    flux.patch(DEPLOYMENT, "helm-controller", pause(true)).await?;
    let words = ["migrate", "rollback", "--fleet", "--yes"];
    let told = beside
        .ends(3, &[&words[..], &["--timeout", "4s"]].concat())
        .await?;
    for part in [
        "flux-system/kustomize-controller: selects everything again",
        "the roll-out of Deployment helm-controller has not ended",
        "Stopped: not all was done. openflux migrate rollback --fleet goes on.",
    ] {
        ensure!(told.contains(part), "{part} is not in\n{told}");
    }
    flux.patch(DEPLOYMENT, "helm-controller", pause(false)).await?;
    let told = beside.ends(0, &words).await?;
    ensure!(
        told.contains("flux-system/helm-controller: selects everything again")
            || told.contains("nothing to do"),
        "{told}"
    );
    // The pods that the roll-out has started.
    stock_controller.kill()?;
    let _stock_controller = testbed.start_stock(Stock::Kustomize, &[])?;
    let stands_back = |object: &DynamicObject| condition(object, "OwnershipConflict").is_some();
    let patch = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "back"}}});
    namespace.patch(KUSTOMIZATION, "app", patch).await?;
    namespace
        .wait(KUSTOMIZATION, "app", "is stock's", stands_back)
        .await?;
    let handled = |object: &DynamicObject| {
        object.data["status"]["lastHandledReconcileAt"] == "back" && is_ready(object)
    };
    namespace
        .wait(KUSTOMIZATION, "app", "was reconciled by stock", handled)
        .await?;
    let after = namespace.get(CONFIG_MAP, "a").await?.context("a")?.metadata;
    ensure!(before == after, "the way back wrote to an object");
    Ok(())
}
