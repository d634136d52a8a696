//! `openflux doctor` on a control plane of its own: what it finds, and that what it says to do helps.

use std::collections::BTreeMap;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{
    DEPLOYMENT, KUSTOMIZATION, Kind, Namespace, Options, Testbed, controller, eventually, program,
};
use serde_json::{Value, json};

const POD: Kind = Kind {
    api_version: "v1",
    kind: "Pod",
    plural: "pods",
};

/// A Deployment as Flux installs it.
pub(crate) fn stock(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "flux",
            "app.kubernetes.io/component": name, "app.kubernetes.io/version": "v2.9.5"}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [
                {"name": "manager", "image": format!("ghcr.io/fluxcd/{name}:v1.9.5"), "args": ["--watch-all-namespaces=true"]}]}},
        },
    })
}

/// Says in place of a kubelet that all pods run, until the Deployments are ready.
pub(crate) async fn run_pods(flux: &Namespace, deployments: usize) -> Result<()> {
    eventually("the Deployments to be ready", async || {
        for pod in flux.list(POD).await? {
            let name = pod.metadata.name.unwrap_or_default();
            let ready =
                json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
            let status = json!({"status": {"phase": "Running", "conditions": ready}});
            // One that has ended meanwhile is not waited for.
            let _ = flux.patch_status(POD, &name, status).await;
        }
        let is_ready = |object: &kube::api::DynamicObject| {
            let status = &object.data["status"];
            status["readyReplicas"] == 1
                && status["updatedReplicas"] == 1
                && status["replicas"] == 1
                && status["observedGeneration"].as_i64() == object.metadata.generation
        };
        let all = flux.list(DEPLOYMENT).await?;
        Ok((all.iter().filter(|object| is_ready(object)).count() == deployments).then_some(()))
    })
    .await
}

async fn openflux(testbed: &Testbed, command: &str) -> Result<Output> {
    Ok(tokio::process::Command::new(program("openflux")?)
        .args(command.split(' '))
        .env("KUBECONFIG", testbed.kubeconfig())
        .env("HOME", testbed.dir())
        .output()
        .await?)
}

/// The worst level of each check, by code.
async fn diagnosis(testbed: &Testbed, command: &str) -> Result<BTreeMap<String, String>> {
    let output = openflux(testbed, command).await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let document: Value = serde_json::from_slice(&output.stdout).with_context(|| errors.into_owned())?;
    ensure!(document["kind"] == "Diagnosis", "{document:#}");
    let checks = document["checks"].as_array().context("checks")?;
    let levels = checks.iter().map(|check| {
        let findings = check["findings"].as_array().into_iter().flatten();
        let mut levels: Vec<_> = findings.filter_map(|finding| finding["level"].as_str()).collect();
        levels.sort_unstable();
        let worst = levels.first().copied().unwrap_or("passed");
        (
            check["code"].as_str().unwrap_or_default().to_owned(),
            worst.to_owned(),
        )
    });
    Ok(levels.collect())
}

#[tokio::test]
async fn what_stands_in_the_way_is_found_and_goes_away_with_the_fix() -> Result<()> {
    let testbed = Testbed::start(Options::default()).await?;
    let flux = testbed.home().await?;
    // Nothing is there yet but the definitions.
    let before = diagnosis(&testbed, "doctor --pre -o json").await?;
    ensure!(
        before["D111"] == "failure" && before["D112"] == "passed",
        "{before:?}"
    );
    ensure!(!before.contains_key("D142"), "{before:?}");

    let names = [
        "source-controller",
        "kustomize-controller",
        "helm-controller",
        "notification-controller",
    ];
    for name in names {
        flux.apply(&stock(name).to_string()).await?;
    }
    let output = std::process::Command::new(controller()?)
        .args(["install", "--export"])
        .output()?;
    flux.apply(&String::from_utf8(output.stdout)?).await?;
    flux.apply(
        &json!({
            "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind,
            "metadata": {"name": "moved", "labels": {"sharding.fluxcd.io/key": "openflux"}},
            "spec": {"interval": "1h", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "none"}},
        })
        .to_string(),
    )
    .await?;
    run_pods(&flux, 5).await?;

    let output = openflux(&testbed, "doctor").await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.code() == Some(1), "{text}");
    for part in [
        "✗ D121 flux-system/kustomize-controller selects objects that are labelled sharding.fluxcd.io/key=openflux",
        "1 labelled Kustomizations are left alone",
        "✗ D121 flux-system/helm-controller",
        "✗ D171 two controllers select 1 object",
        "fix: add to its arguments --watch-label-selector=!sharding.fluxcd.io/key",
    ] {
        ensure!(text.contains(part), "{part} is not in\n{text}");
    }

    // What the fix says, by whoever brings the Deployments.
    for name in ["kustomize-controller", "helm-controller"] {
        let mut fixed = stock(name);
        let arguments = json!([
            "--watch-all-namespaces=true",
            "--watch-label-selector=!sharding.fluxcd.io/key"
        ]);
        fixed["spec"]["template"]["spec"]["containers"][0]["args"] = arguments;
        flux.apply(&fixed.to_string()).await?;
    }
    run_pods(&flux, 5).await?;
    let after = diagnosis(&testbed, "doctor -o json").await?;
    let odd: Vec<_> = after.iter().filter(|(_, level)| *level != "passed").collect();
    // The label was set by the test itself, and not by the controller of a repository.
    ensure!(odd.is_empty(), "{odd:?}");
    let output = openflux(&testbed, "status -o json").await?;
    let status: Value = serde_json::from_slice(&output.stdout)?;
    ensure!(
        status["kustomizations"]["owners"] == json!({"openflux": 1}),
        "{status:#}"
    );

    flux.apply(
        &json!({
            "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind, "metadata": {"name": "stays"},
            "spec": {"interval": "1h", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "none"}},
        })
        .to_string(),
    )
    .await?;
    let output = openflux(&testbed, "migrate scan -o json").await?;
    let scan: Value = serde_json::from_slice(&output.stdout)?;
    let classes: Vec<_> = scan["objects"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|object| {
            format!(
                "{} {} {}",
                object["object"], object["class"], object["notes"][0]["code"]
            )
        })
        .collect();
    let expected = [
        r#""ks/flux-system/moved" "moved" "M206""#,
        r#""ks/flux-system/stays" "notNow" "M104""#,
    ];
    ensure!(classes == expected, "{scan:#}");
    ensure!(output.status.success(), "{output:?}");

    let explained = openflux(&testbed, "explain d121").await?;
    let explained = String::from_utf8_lossy(&explained.stdout).into_owned();
    ensure!(explained.starts_with("D121 stock-selects-ours\n"), "{explained}");
    let unknown = openflux(&testbed, "explain D000").await?;
    ensure!(unknown.status.code() == Some(2), "{unknown:?}");
    Ok(())
}
