//! `openflux migrate plan`: objects that stock reconciles, proven by our controller; and that proving them writes nothing.

use std::collections::BTreeMap;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{
    Audit, CONFIG_MAP, DEPLOYMENT, GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION, Kind, NOT_OURS, Namespace,
    Options, SECRET, Testbed, controller, free_port, program,
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::app::{Owner, config_map, deploy, deployment};
use crate::doctor::{run_pods, stock};

/// A cluster as Flux and our manifests leave it, with controllers that run outside of it.
struct Fleet {
    testbed: Testbed,
    apps: Namespace,
    address: String,
    _ours: e2e::testbed::Process,
}

impl Fleet {
    async fn start(files: &[(&str, &str)]) -> Result<Self> {
        let options = Options {
            audit: Audit::Writes,
            ..Options::default()
        };
        let testbed = Testbed::start(options).await?;
        let flux = testbed.home().await?;
        for name in ["kustomize-controller", "helm-controller"] {
            let mut excluding = stock(name);
            excluding["spec"]["template"]["spec"]["containers"][0]["args"] = json!([NOT_OURS]);
            flux.apply(&excluding.to_string()).await?;
        }
        let manifests = std::process::Command::new(controller()?)
            .args(["install", "--export"])
            .output()?;
        flux.apply(&String::from_utf8(manifests.stdout)?).await?;
        run_pods(&flux, 3).await?;
        testbed.source_controller().await?;
        testbed.stock_kustomize_controller().await?;
        testbed.stock_helm_controller().await?;
        let port = free_port()?;
        let shadow = format!("--shadow-addr=127.0.0.1:{port}");
        let ours = testbed.start_openflux("openflux-controller", &[&shadow])?;
        let apps = testbed.namespace("apps").await?;
        let repo = testbed.git().await?.create(apps.name()).await?;
        repo.commit("first", files).await?;
        let source = json!({
            "apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind, "metadata": {"name": "app"},
            "spec": {"interval": "1h", "url": repo.url(), "ref": {"branch": "main"}},
        });
        apps.apply(&source.to_string()).await?;
        Ok(Self {
            testbed,
            apps,
            address: format!("http://127.0.0.1:{port}"),
            _ours: ours,
        })
    }

    /// Has stock deploy a folder.
    async fn deploy(&self, name: &str, spec: Value) -> Result<()> {
        let source = json!({"path": name, "sourceRef": {"kind": "GitRepository", "name": "app"}});
        deploy(&self.apps, Owner::Stock, name, &[source, spec]).await?;
        self.apps.wait_ready(KUSTOMIZATION, name).await?;
        Ok(())
    }

    /// Has stock release a chart of the repository.
    async fn release(&self, name: &str, spec: &Value) -> Result<()> {
        let chart = json!({"spec": {"chart": format!("charts/{name}"), "interval": "1h",
            "sourceRef": {"kind": "GitRepository", "name": "app"}}});
        let mut fields = json!({"interval": "1h", "chart": chart});
        for (key, value) in spec.as_object().into_iter().flatten() {
            fields[key] = value.clone();
        }
        let object = json!({
            "apiVersion": HELM_RELEASE.api_version, "kind": HELM_RELEASE.kind, "metadata": {"name": name},
            "spec": fields,
        });
        self.apps.apply(&object.to_string()).await?;
        self.apps.wait_ready(HELM_RELEASE, name).await?;
        Ok(())
    }

    /// Changes an object under the name of a field manager.
    async fn change(&self, kind: Kind, name: &str, manager: &str, change: &Value) -> Result<()> {
        let params = PatchParams {
            field_manager: Some(manager.to_owned()),
            ..PatchParams::default()
        };
        self.apps
            .api(kind)
            .patch(name, &params, &Patch::Merge(change))
            .await?;
        Ok(())
    }

    /// Runs a command that asks our controller.
    async fn openflux(&self, arguments: &[&str]) -> Result<Output> {
        let asking = ["--shadow-url", &self.address];
        self.run(&[arguments, &asking].concat()).await
    }

    async fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(tokio::process::Command::new(program("openflux")?)
            .args(arguments)
            .env("KUBECONFIG", self.testbed.kubeconfig())
            .env("HOME", self.testbed.dir())
            .output()
            .await?)
    }

    /// The plan, once our controller answers.
    async fn plan(&self) -> Result<Value> {
        e2e::testbed::eventually("our controller to prove", async || {
            let output = self.openflux(&["migrate", "plan", "-A", "-o", "json"]).await?;
            if output.status.code() == Some(2) {
                return Ok(None);
            }
            let plan: Value = serde_json::from_slice(&output.stdout)?;
            let text = plan.to_string();
            // Its caches follow.
            let is_early = ["has only just begun", "knows no such object", "M105"]
                .iter()
                .any(|early| text.contains(early));
            Ok((!is_early).then_some(plan))
        })
        .await
    }

    /// The versions of everything that a plan looks at.
    async fn versions(&self) -> Result<BTreeMap<String, Option<String>>> {
        let mut versions = BTreeMap::new();
        for kind in [CONFIG_MAP, DEPLOYMENT, SECRET, KUSTOMIZATION, HELM_RELEASE] {
            for object in self.apps.list(kind).await? {
                let name = object.metadata.name.unwrap_or_default();
                versions.insert(format!("{} {name}", kind.kind), object.metadata.resource_version);
            }
        }
        Ok(versions)
    }
}

/// The object of a plan, by its name.
fn planned<'a>(plan: &'a Value, name: &str) -> Result<&'a Value> {
    let mut objects = plan["objects"].as_array().into_iter().flatten();
    let end = format!("/{name}");
    objects
        .find(|object| {
            object["object"]
                .as_str()
                .is_some_and(|object| object.ends_with(&end))
        })
        .with_context(|| format!("{name} is not in {plan:#}"))
}

#[track_caller]
fn check(plan: &Value, name: &str, verdict: &str, finding: &Value) -> Result<()> {
    let object = planned(plan, name)?;
    ensure!(object["verdict"] == verdict, "{object:#}");
    let found = &object["findings"][0];
    for (key, value) in finding.as_object().into_iter().flatten() {
        let is_same = match (found[key].as_str(), value.as_str()) {
            (Some(found), Some(part)) => found.contains(part),
            _ => found[key] == *value,
        };
        ensure!(is_same, "{key} is not {value} in {object:#}");
    }
    Ok(())
}

#[tokio::test]
async fn what_stock_applied_is_proven_and_every_difference_has_its_cause() -> Result<()> {
    let (same, secret) = (
        deployment("same", 0),
        "
apiVersion: v1
kind: Secret
metadata: {name: same}
stringData: {password: canary-of-the-plan}
",
    );
    let coloured = |name: &str| config_map(name, "blue");
    let files = [
        ("same/web.yaml", same),
        ("same/settings.yaml", coloured("same")),
        ("same/secret.yaml", secret.to_owned()),
        ("drift/a.yaml", deployment("drift", 0)),
        ("extra/a.yaml", coloured("extra")),
        ("gone/a.yaml", coloured("gone")),
        ("fault/a.yaml", coloured("fault")),
        ("vars/a.yaml", config_map("vars", "${colour}")),
        ("idle/a.yaml", coloured("idle")),
    ];
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let fleet = Fleet::start(&files).await?;
    fleet
        .apps
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: values}, data: {colour: red}}")
        .await?;
    for name in ["same", "drift", "extra", "gone", "fault"] {
        fleet.deploy(name, json!({"wait": true})).await?;
    }
    let reads = json!({"substituteFrom": [{"kind": "ConfigMap", "name": "values"}]});
    fleet.deploy("vars", json!({"postBuild": reads})).await?;
    fleet.deploy("idle", json!({})).await?;
    let patch = json!({"spec": {"suspend": true}});
    fleet.apps.patch(KUSTOMIZATION, "idle", patch).await?;

    let edit = json!({"spec": {"progressDeadlineSeconds": 77}});
    fleet.change(DEPLOYMENT, "drift", "kubectl-edit", &edit).await?;
    let more = json!({"data": {"more": "by hand"}});
    fleet.change(CONFIG_MAP, "extra", "kubectl-edit", &more).await?;
    fleet.apps.delete(CONFIG_MAP, "gone").await?;
    // Under the name of stock itself, so that nobody else can have done it.
    let other = json!({"data": {"colour": "green"}});
    fleet
        .change(CONFIG_MAP, "fault", "kustomize-controller", &other)
        .await?;
    let newer = json!({"data": {"colour": "violet"}});
    fleet.change(CONFIG_MAP, "values", "somebody", &newer).await?;

    fleet.plan().await?;
    let (before, written) = (
        fleet.versions().await?,
        fleet.testbed.writes(&fleet.apps).await?.len(),
    );
    let plan = fleet.plan().await?;
    ensure!(fleet.versions().await? == before, "something was written");
    let writes = fleet.testbed.writes(&fleet.apps).await?;
    let real: Vec<_> = writes[written..].iter().filter(|write| !write.dry_run).collect();
    ensure!(real.is_empty(), "{real:?}");

    let moves = planned(&plan, "same")?;
    ensure!(moves["verdict"] == "canMove" && moves["wave"] == 1, "{moves:#}");
    let counts = &moves["proof"]["counts"];
    ensure!(counts["compared"] == 3 && counts["identical"] == 3, "{moves:#}");
    ensure!(
        moves["findings"].is_null() && moves["proof"]["by"] == "controller",
        "{moves:#}"
    );
    let history = &fleet.apps.wait_ready(KUSTOMIZATION, "same").await?.data["status"]["history"];
    ensure!(moves["proof"]["rendered"] == history[0]["digest"], "{moves:#}");

    let drifted = json!({"code": "M201", "object": "Deployment/", "path": "spec.progressDeadlineSeconds",
        "why": "changed by kubectl-edit"});
    check(&plan, "drift", "notNow", &drifted)?;
    let extra =
        json!({"code": "M201", "object": "ConfigMap/", "path": "data.more", "why": "owned by kubectl-edit"});
    check(&plan, "extra", "notNow", &extra)?;
    check(
        &plan,
        "gone",
        "notNow",
        &json!({"code": "M201", "object": "ConfigMap/", "why": "deleted"}),
    )?;
    check(
        &plan,
        "fault",
        "blocked",
        &json!({"code": "M108", "path": "data.colour"}),
    )?;
    check(
        &plan,
        "vars",
        "notNow",
        &json!({"code": "M104", "why": "ConfigMap values was changed"}),
    )?;
    check(&plan, "idle", "skipped", &json!({"code": "M103"}))?;
    ensure!(!plan.to_string().contains("canary-of-the-plan"), "{plan:#}");

    // What would change is told by field, and nothing by nothing.
    let diff = async |name: &str| fleet.openflux(&["diff", name, "-n", fleet.apps.name()]).await;
    let output = diff("ks/same").await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.code() == Some(0) && text.starts_with("No differences: 3 objects"),
        "{output:?}"
    );
    let output = diff("ks/drift").await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.code() == Some(1) && text.starts_with("drift"),
        "{output:?}"
    );
    ensure!(
        text.contains("spec.progressDeadlineSeconds") && text.contains("kubectl-edit"),
        "{text}"
    );
    // What stock has not read yet is input, and nobody's fault.
    let output = diff("ks/vars").await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.code() == Some(1) && text.starts_with("input"),
        "{output:?}"
    );
    ensure!(diff("ks/none").await?.status.code() == Some(2), "there is none");

    // The same, made of files.
    let checkout = fleet.testbed.dir().join("checkout");
    std::fs::create_dir_all(checkout.join("vars"))?;
    std::fs::write(checkout.join("vars/a.yaml"), config_map("vars", "${colour}"))?;
    let folder = checkout.display().to_string();
    let build = ["build", "ks", "vars", "-n", fleet.apps.name(), "--path", &folder];
    let output = fleet.run(&build).await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.code() == Some(0) && text.contains("colour: violet"),
        "{output:?}"
    );
    ensure!(text.contains("kustomize.toolkit.fluxcd.io/name: vars"), "{text}");

    // By a controller on this machine, which reads what the other one reads.
    let controller = controller()?.display().to_string();
    let host = fleet.testbed.source_controller().await?.address();
    let mut command = tokio::process::Command::new(program("openflux")?);
    let words = [
        "migrate",
        "plan",
        "ks/same",
        "-n",
        fleet.apps.name(),
        "-o",
        "json",
        "--local",
    ];
    let output = command
        .args(words)
        .args(["--local-controller", &controller, "--artifact-host", &host])
        .env("KUBECONFIG", fleet.testbed.kubeconfig())
        .env("HOME", fleet.testbed.dir())
        .output()
        .await?;
    let local: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))?;
    let by = &planned(&local, "same")?["proof"];
    ensure!(
        by["by"] == "local" && by["counts"] == *counts && by["inputs"] == moves["proof"]["inputs"],
        "{local:#}"
    );

    // With what stock reads now it is no difference any more.
    let refreshed = [
        "migrate",
        "plan",
        "ks/vars",
        "-n",
        fleet.apps.name(),
        "-o",
        "json",
        "--refresh",
    ];
    // Our controller hears of stock's run a moment later.
    e2e::testbed::eventually("a plan after a run of stock", async || {
        let output = fleet.openflux(&refreshed).await?;
        let plan: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))?;
        Ok((planned(&plan, "vars")?["verdict"] == "canMove").then_some(()))
    })
    .await?;

    // In a file, and on the screen.
    let file = fleet.testbed.dir().join("plan.json");
    let path = file.display().to_string();
    let named = ["migrate", "plan", "ks/same", "-n", fleet.apps.name(), "-o", &path];
    let output = fleet.openflux(&named).await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(0), "{output:?}");
    for part in [
        "identical",
        "Plan: move 1 of 1 in 1 wave. 0 objects would be created, changed or deleted: 3 compared, 3 identical.",
        "Next: openflux migrate apply",
        "kubectl label ks,hr -A -l sharding.fluxcd.io/key=openflux sharding.fluxcd.io/key-",
    ] {
        ensure!(text.contains(part), "{part} is not in\n{text}");
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    ensure!(
        kept["kind"] == "MigrationPlan" && kept["cluster"]["uid"].is_string(),
        "{kept:#}"
    );
    let output = fleet
        .openflux(&["migrate", "plan", "ks/none", "-o", "json"])
        .await?;
    ensure!(output.status.code() == Some(2), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn releases_are_proven_by_what_is_stored_and_by_what_would_be_rendered() -> Result<()> {
    let chart = |name: &str| format!("{{apiVersion: v2, name: {name}, version: 1.0.0}}\n");
    let settings = "
apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}-settings'}
data: {colour: '{{ .Values.colour }}', revision: '{{ .Release.Revision }}', install: '{{ .Release.IsInstall }}'}
";
    let password = "
apiVersion: v1
kind: Secret
metadata: {name: '{{ .Release.Name }}-password'}
stringData: {password: '{{ randAlphaNum 16 }}'}
";
    let hook = "
apiVersion: v1
kind: ConfigMap
metadata: {name: '{{ .Release.Name }}-hook', annotations: {helm.sh/hook: 'pre-install,pre-upgrade'}}
";
    let (mut files, values) = (Vec::new(), "colour: blue\n".to_owned());
    for name in ["plain", "random", "values"] {
        files.push((format!("charts/{name}/Chart.yaml"), chart(name)));
        files.push((format!("charts/{name}/values.yaml"), values.clone()));
        files.push((
            format!("charts/{name}/templates/settings.yaml"),
            settings.to_owned(),
        ));
    }
    files.push(("charts/plain/templates/hook.yaml".to_owned(), hook.to_owned()));
    files.push((
        "charts/random/templates/password.yaml".to_owned(),
        password.to_owned(),
    ));
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let fleet = Fleet::start(&files).await?;
    fleet
        .apps
        .apply(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: more}, data: {values.yaml: 'colour: red'}}",
        )
        .await?;
    fleet
        .release("plain", &json!({"values": {"colour": "green"}}))
        .await?;
    fleet.release("random", &json!({})).await?;
    let reads = json!({"valuesFrom": [{"kind": "ConfigMap", "name": "more"}]});
    fleet.release("values", &reads).await?;
    let newer = json!({"data": {"values.yaml": "colour: violet"}});
    fleet.change(CONFIG_MAP, "more", "somebody", &newer).await?;

    fleet.plan().await?;
    let (before, written) = (
        fleet.versions().await?,
        fleet.testbed.writes(&fleet.apps).await?.len(),
    );
    let plan = fleet.plan().await?;
    ensure!(fleet.versions().await? == before, "something was written");
    let writes = fleet.testbed.writes(&fleet.apps).await?;
    let real: Vec<_> = writes[written..].iter().filter(|write| !write.dry_run).collect();
    ensure!(real.is_empty(), "{real:?}");

    let plain = planned(&plan, "plain")?;
    ensure!(plain["verdict"] == "canMove", "{plain:#}");
    let release = &plain["proof"]["release"];
    ensure!(
        release["nextUpgrade"] == "identical" && release["digestMatches"] == true,
        "{plain:#}"
    );
    let random = planned(&plan, "random")?;
    ensure!(random["verdict"] == "canMove", "{random:#}");
    check(
        &plan,
        "random",
        "canMove",
        &json!({"code": "M202", "why": "templates/password.yaml"}),
    )?;
    check(&plan, "values", "blocked", &json!({"code": "M114"}))?;

    let folder = fleet.testbed.dir().join("chart");
    std::fs::create_dir_all(folder.join("templates"))?;
    std::fs::write(folder.join("Chart.yaml"), chart("values"))?;
    std::fs::write(folder.join("templates/settings.yaml"), settings)?;
    let folder = folder.display().to_string();
    let build = [
        "build",
        "hr",
        "values",
        "-n",
        fleet.apps.name(),
        "--path",
        &folder,
    ];
    let output = fleet.run(&build).await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.code() == Some(0) && text.contains("violet"),
        "{output:?}"
    );
    ensure!(text.contains("helm.toolkit.fluxcd.io/name: values"), "{text}");
    Ok(())
}
