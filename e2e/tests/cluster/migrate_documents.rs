//! What commands print for programs: one document each, as its committed schema has it, without colours.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

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
    let checkout = fleet.clone_to("documents").await?;
    let path = checkout.display().to_string();
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
