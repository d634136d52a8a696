//! What commands print for programs: one document each, as its committed schema has it, without colours.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{CONFIG_MAP, HELM_RELEASE, KUSTOMIZATION, SECRET};
use serde_json::{Value, json};

use crate::beside::Fleet;

/// The committed schemas, by the kinds that they are of.
struct Schemas {
    all: boon::Schemas,
    by_kind: BTreeMap<String, boon::SchemaIndex>,
}

impl Schemas {
    fn read() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migration/fleet/schemas");
        let (mut all, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.enable_format_assertions();
        let mut places = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let schema: Value = serde_json::from_str(&std::fs::read_to_string(entry?.path())?)?;
            let text = |pointer: &str| schema.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
            let (at, kind) = (text("/$id"), text("/properties/kind/const"));
            let (at, kind) = (
                at.context("a schema without $id")?,
                kind.context("a schema of no kind")?,
            );
            compiler
                .add_resource(&at, schema)
                .map_err(|error| anyhow::anyhow!("{at}: {error}"))?;
            places.push((kind, at));
        }
        let mut by_kind = BTreeMap::new();
        for (kind, at) in places {
            let index = compiler.compile(&at, &mut all);
            by_kind.insert(kind, index.map_err(|error| anyhow::anyhow!("{at}: {error}"))?);
        }
        Ok(Self { all, by_kind })
    }

    /// Makes sure that a text is one document of this kind.
    fn check(&self, kind: &str, text: &str) -> Result<Value> {
        let document: Value = serde_json::from_str(text).with_context(|| text.to_owned())?;
        ensure!(document["kind"] == kind, "{document:#}");
        let index = self
            .by_kind
            .get(kind)
            .with_context(|| format!("{kind} has no schema"))?;
        let valid = self.all.validate(&document, *index);
        ensure!(
            valid.is_ok(),
            "{}\n{document:#}",
            valid.err().map(|error| error.to_string()).unwrap_or_default()
        );
        Ok(document)
    }
}

#[tokio::test]
async fn each_command_prints_one_document_that_its_schema_has() -> Result<()> {
    let fleet = Fleet::start("migrate-documents").await?;
    let schemas = Schemas::read()?;
    let namespace = fleet.namespace.name();
    let (app, web) = (fleet.handle("ks", "app"), fleet.handle("hr", "web"));
    let checkout = fleet.beside.testbed.dir().join(format!("{namespace}-documents"));
    let path = checkout.display().to_string();
    let cloned = tokio::process::Command::new("git")
        .args(["clone", "--quiet", fleet.repo.url(), &path])
        .status()
        .await?;
    ensure!(cloned.success(), "git clone: {cloned}");
    let print = async |kind: &str, codes: &[i32], words: &[&str]| -> Result<Value> {
        let output = fleet.beside.openflux(&[words, &["-o", "json"]].concat()).await?;
        let text = String::from_utf8(output.stdout)?;
        let code = output.status.code();
        ensure!(
            code.is_some_and(|code| codes.contains(&code)),
            "openflux {}: {}\n{text}{}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(!text.contains('\u{1b}'), "{text}");
        schemas.check(kind, &text)
    };
    // Others have objects of their own in this cluster, so that these may find something.
    let finds = &[0, 1][..];
    for (kind, words) in [
        (
            "Scan",
            &["migrate", "scan", "-f", &path, "--path", "root", "--cluster-too"][..],
        ),
        ("Scan", &["migrate", "scan"]),
        ("MigrationPlan", &["migrate", "plan", "-n", namespace]),
        ("Preparation", &["migrate", "prepare"]),
        ("Diagnosis", &["doctor"]),
        ("Status", &["status"]),
        ("Tree", &["tree", "ks/root", "-n", namespace]),
        ("TraceList", &["trace", "deployment/app", "-n", namespace]),
        ("Diff", &["diff", "ks/app", "-n", namespace]),
        (
            "Edits",
            &["migrate", "finish", &app, &web, "--git", &path, "--path", "root"],
        ),
    ] {
        print(kind, finds, words).await?;
    }
    let moved = print(
        "Move",
        &[0],
        &["migrate", "apply", &app, &web, "--yes", "--soak", "1s"],
    )
    .await?;
    let migration = moved["migration"].as_str().context("it has a name")?;
    print("Verification", &[0], &["migrate", "verify", migration]).await?;
    print("MigrationStatus", &[0], &["migrate", "status", migration]).await?;
    print("Status", finds, &["status"]).await?;
    let kept = ["migrate", "apply", &app, "--yes", "--dry-run"];
    print("Move", &[0], &kept).await?;
    print("Rollback", &[0], &["migrate", "rollback", migration, "--yes"]).await?;
    // What there is not is no document.
    for words in [
        &["migrate", "scan", "-o", "name"][..],
        &["migrate", "verify", "none", "-o", "json"],
    ] {
        let output = fleet.beside.openflux(words).await?;
        ensure!(
            output.status.code() == Some(2) && output.stdout.is_empty(),
            "{output:?}"
        );
    }
    Ok(())
}

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

/// What no output may have: the secrets, plain and in base64.
const CANARIES: [&str; 2] = ["canary", "Y2FuYXJ5"];

fn is_clean(text: &str) -> bool {
    !CANARIES.iter().any(|canary| text.contains(canary))
}

#[tokio::test]
async fn no_secret_leaves_the_cluster_in_whatever_is_printed_or_kept() -> Result<()> {
    let fleet = Fleet::start("migrate-secrets").await?;
    let namespace = &fleet.namespace;
    fleet
        .add(&[
            ("sealed/secret.yaml", SEALED),
            ("sealed-chart/Chart.yaml", CHART),
            ("sealed-chart/templates/secret.yaml", TEMPLATE),
        ])
        .await?;
    for (name, key, value) in [
        ("variables", "token", "canary-of-variables"),
        ("values", "values.yaml", "password: canary-of-values"),
    ] {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: value}});
        namespace.apply(&secret.to_string()).await?;
    }
    let source = json!({"kind": "GitRepository", "name": "app"});
    for object in [
        json!({"apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind, "metadata": {"name": "sealed"},
            "spec": {"interval": "1h", "prune": true, "path": "sealed", "targetNamespace": namespace.name(), "sourceRef": source,
                "postBuild": {"substituteFrom": [{"kind": "Secret", "name": "variables"}]}}}),
        json!({"apiVersion": HELM_RELEASE.api_version, "kind": HELM_RELEASE.kind, "metadata": {"name": "sealed"},
            "spec": {"interval": "1h", "chart": {"spec": {"chart": "sealed-chart", "sourceRef": source}},
                "driftDetection": {"mode": "enabled"}, "valuesFrom": [{"kind": "Secret", "name": "values"}]}}),
    ] {
        namespace.apply(&object.to_string()).await?;
    }
    fleet.settled(KUSTOMIZATION, "sealed").await?;
    fleet.settled(HELM_RELEASE, "sealed").await?;
    let (ks, hr) = (fleet.handle("ks", "sealed"), fleet.handle("hr", "sealed"));
    let folder = fleet
        .beside
        .testbed
        .dir()
        .join(format!("{}-secrets", namespace.name()));
    std::fs::create_dir_all(&folder)?;
    let (plan, journal) = (folder.join("plan.json"), folder.join("m.journal"));
    let (plan_path, journal_path) = (plan.display().to_string(), journal.display().to_string());
    let run = async |words: &[&str]| -> Result<()> {
        let output = fleet.beside.openflux(words).await?;
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        ensure!(is_clean(&text), "openflux {}:\n{text}", words.join(" "));
        Ok(())
    };
    let look = async || -> Result<()> {
        for format in ["table", "json", "yaml"] {
            for words in [
                &["diff", "ks/sealed"][..],
                &["diff", "hr/sealed"],
                &["tree", "ks/sealed"],
                &["trace", "secret/sealed"],
                &["migrate", "plan", "ks/sealed", "hr/sealed"],
            ] {
                run(&[words, &["-n", namespace.name(), "-o", format]].concat()).await?;
            }
            for words in [
                &["migrate", "scan"][..],
                &["status"],
                &["doctor"],
                &["migrate", "verify"],
            ] {
                run(&[words, &["-o", format]].concat()).await?;
            }
        }
        run(&["migrate", "plan", "-n", namespace.name(), "-o", &plan_path]).await
    };
    look().await?;
    // With drift, whose values are secrets too.
    let change = json!({"stringData": {"password": "canary-by-hand", "more": "canary-by-hand"}});
    for name in ["sealed", "sealed-release"] {
        namespace.patch(SECRET, name, change.clone()).await?;
    }
    look().await?;
    run(&["migrate", "apply", &ks, &hr, "--yes", "--soak", "0"]).await?;
    let back = json!({"data": {"password": null, "more": null}});
    for name in ["sealed", "sealed-release"] {
        namespace.patch(SECRET, name, back.clone()).await?;
    }
    fleet.reconcile("sealed", "mended").await?;
    run(&[
        "migrate",
        "apply",
        &ks,
        "--yes",
        "--soak",
        "1s",
        "--journal",
        &journal_path,
        "-o",
        "json",
    ])
    .await?;
    run(&["migrate", "status"]).await?;
    run(&["migrate", "rollback", &ks, &hr, "--yes", "-o", "json"]).await?;
    for file in [plan, journal] {
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        ensure!(!text.is_empty() && is_clean(&text), "{}", file.display());
    }
    for map in fleet.beside.testbed.home().await?.list(CONFIG_MAP).await? {
        ensure!(is_clean(&json!(map.data).to_string()), "{:?}", map.metadata.name);
    }
    Ok(())
}
