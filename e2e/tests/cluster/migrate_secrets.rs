//! No secret leaves the cluster by the tool: not in what any command prints in any format, not in a plan, not in a journal.
//!
//! What stock writes into a status is printed as it stands there: the password in the URL of a source that cannot be fetched, for one.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::testbed::{CONFIG_MAP, HELM_RELEASE, KUSTOMIZATION, SECRET, is_ready};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::beside::Fleet;

const CHART: &str = "{apiVersion: v2, name: sealed, version: 1.0.0}\n";
const TEMPLATE: &str = "
apiVersion: v1
kind: Secret
metadata: {name: sealed-release}
stringData: {password: '{{ .Values.password }}'}
";
const SEALED: &str = "
apiVersion: v1
kind: Secret
metadata: {name: sealed}
stringData: {password: canary-of-git, token: '${token}'}
";

/// What no output may have: the secrets, plain and in base64; the key that decrypts, and what it decrypts.
const CANARIES: [&str; 6] = [
    "canary",
    "Y2FuYXJ5",
    "AGE-SECRET-KEY",
    "QUdFLVNFQ1JFVC1LRV",
    "hunter2",
    "aHVudGVyMg",
];

fn is_clean(text: &str) -> bool {
    !CANARIES.iter().any(|canary| text.contains(canary))
}

/// A file of the cases of the engines.
fn case(path: &str) -> Result<String> {
    let compat = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat");
    std::fs::read_to_string(compat.join(path)).with_context(|| path.to_owned())
}

const FORMATS: [&str; 8] = [
    "table", "wide", "json", "yaml", "name", "markdown", "text", "unified",
];

/// What was asked of the tool; all of it has to be clean.
struct Asked<'a> {
    fleet: &'a Fleet,
}

impl Asked<'_> {
    /// Runs a command, and gives how it has ended.
    async fn run(&self, words: &[&str]) -> Result<i32> {
        let output = self.fleet.beside.openflux(words).await?;
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        ensure!(is_clean(&text), "openflux {}:\n{text}", words.join(" "));
        let code = output.status.code().context("it was killed")?;
        Ok(code)
    }

    /// Runs a command that has something to say.
    async fn says(&self, words: &[&str]) -> Result<()> {
        let code = self.run(words).await?;
        ensure!(matches!(code, 0 | 1 | 3), "openflux {}: {code}", words.join(" "));
        Ok(())
    }

    /// Looks at everything, in all formats that there are.
    async fn look(&self) -> Result<()> {
        let namespace = self.fleet.namespace.name();
        for format in FORMATS {
            for words in [
                &["diff", "ks/sealed"][..],
                &["diff", "hr/sealed"],
                &["diff", "ks/encrypted"],
                &["tree", "ks/sealed"],
                &["trace", "secret/sealed"],
                &["migrate", "plan", "ks/sealed", "hr/sealed", "ks/encrypted"],
            ] {
                let words = [words, &["-n", namespace, "-o", format]].concat();
                if format == "json" {
                    self.says(&words).await?;
                } else {
                    self.run(&words).await?;
                }
            }
            for words in [
                &["migrate", "scan"][..],
                &["migrate", "verify"],
                &["migrate", "status"],
                &["migrate", "prepare"],
                &["status"],
                &["doctor"],
                &["get", "artifacts", "-A"],
            ] {
                self.run(&[words, &["-o", format]].concat()).await?;
            }
        }
        Ok(())
    }
}

/// Has everything deployed that has a secret in it.
async fn deploy(fleet: &Fleet) -> Result<()> {
    let namespace = &fleet.namespace;
    let encrypted = case("kustomize-sops/cases/in/secret.yaml")?;
    fleet
        .add(&[
            ("sealed/secret.yaml", SEALED),
            ("sealed-chart/Chart.yaml", CHART),
            ("sealed-chart/templates/secret.yaml", TEMPLATE),
            ("encrypted/secret.yaml", &encrypted),
        ])
        .await?;
    let key = STANDARD.encode(case("sops/cases/keys/a.agekey")?);
    for (name, data) in [
        (
            "variables",
            json!({"token": STANDARD.encode("canary-of-variables")}),
        ),
        (
            "values",
            json!({"values.yaml": STANDARD.encode("password: canary-of-values")}),
        ),
        ("keys", json!({"age.agekey": key})),
    ] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data});
        namespace.apply(&secret.to_string()).await?;
    }
    let source = json!({"kind": "GitRepository", "name": "app"});
    let kustomization = |name: &str, more: Value| {
        let mut object = json!({
            "apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind, "metadata": {"name": name},
            "spec": {"interval": "1h", "prune": true, "path": name, "targetNamespace": namespace.name(),
                "sourceRef": source},
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            object["spec"][key] = value.clone();
        }
        object
    };
    let variables = json!({"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "variables"}]}});
    let keys = json!({"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}});
    for object in [
        kustomization("sealed", variables),
        kustomization("encrypted", keys),
        json!({"apiVersion": HELM_RELEASE.api_version, "kind": HELM_RELEASE.kind, "metadata": {"name": "sealed"},
            "spec": {"interval": "1h", "chart": {"spec": {"chart": "sealed-chart", "sourceRef": source}},
                "driftDetection": {"mode": "enabled"}, "valuesFrom": [{"kind": "Secret", "name": "values"}]}}),
    ] {
        namespace.apply(&object.to_string()).await?;
    }
    fleet.settled(KUSTOMIZATION, "sealed").await?;
    fleet.settled(KUSTOMIZATION, "encrypted").await?;
    fleet.settled(HELM_RELEASE, "sealed").await
}

#[tokio::test]
async fn no_secret_leaves_the_cluster_in_whatever_is_printed_or_kept() -> Result<()> {
    let fleet = Fleet::start("migrate-secrets").await?;
    let namespace = &fleet.namespace;
    deploy(&fleet).await?;
    let asked = Asked { fleet: &fleet };
    let objects = [
        fleet.handle("ks", "sealed"),
        fleet.handle("hr", "sealed"),
        fleet.handle("ks", "encrypted"),
    ];
    let objects = objects.each_ref().map(String::as_str);
    let (journal, plan) = (
        fleet.journal("secrets"),
        fleet.journal("secrets").with_extension("json"),
    );
    let (journal_path, plan_path) = (journal.display().to_string(), plan.display().to_string());
    asked.look().await?;
    let words = ["migrate", "plan", "-n", namespace.name(), "-o", &plan_path];
    asked.says(&words).await?;

    // With drift, whose values are secrets too.
    let drifted = json!({"data": {"password": STANDARD.encode("canary-by-hand"), "more": STANDARD.encode("canary-by-hand")}});
    for name in ["sealed", "sealed-release", "app"] {
        namespace.patch(SECRET, name, drifted.clone()).await?;
    }
    asked.look().await?;
    // What has drifted does not move, and is not waited for here.
    let words = [
        &["migrate", "apply"][..],
        &objects,
        &["--yes", "--soak", "0", "--idle-timeout", "5s"],
    ];
    asked.run(&words.concat()).await?;
    for name in ["sealed", "sealed-release", "app"] {
        namespace.delete(SECRET, name).await?;
    }
    for (kind, name) in [
        (KUSTOMIZATION, "sealed"),
        (KUSTOMIZATION, "encrypted"),
        (HELM_RELEASE, "sealed"),
    ] {
        fleet.request(kind, name, "mended").await?;
        let is_mended = |object: &DynamicObject| {
            object.data["status"]["lastHandledReconcileAt"] == "mended" && is_ready(object)
        };
        namespace.wait(kind, name, "is mended", is_mended).await?;
    }

    let keeping = ["--yes", "--soak", "1s", "--journal", &journal_path, "-o", "json"];
    let words = [&["migrate", "apply"][..], &objects, &keeping].concat();
    let code = asked.run(&words).await?;
    ensure!(code == 0, "they do not move: {code}");
    asked.look().await?;
    for file in [&plan, &journal] {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        ensure!(!text.is_empty() && is_clean(&text), "{}", file.display());
    }
    for map in fleet.beside.testbed.home().await?.list(CONFIG_MAP).await? {
        ensure!(is_clean(&map.data.to_string()), "{:?}", map.metadata.name);
    }
    let words = [&["migrate", "rollback"][..], &objects, &["--yes", "-o", "json"]].concat();
    asked.says(&words).await
}
