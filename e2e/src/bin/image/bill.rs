//! The bill of materials: the crates that are linked into the controller, as CycloneDX.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::build;
use crate::provenance::Source;

/// Lists the crates that the controller is made of on any of `targets`, with version, licence and checksum.
pub(crate) fn of_controller(targets: &[String], source: &Source) -> Result<Vec<u8>> {
    let mut linked = BTreeMap::new();
    for target in targets {
        for (id, package) in linked_packages(target)? {
            linked.insert(id, package);
        }
    }
    let checksums = checksums()?;
    let components: Vec<Value> = linked
        .values()
        .filter(|package| package["name"] != CONTROLLER)
        .map(|package| component(package, &checksums))
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    let bill = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {
            "timestamp": source.date,
            "component": {"type": "application", "bom-ref": purl(CONTROLLER, version), "name": CONTROLLER, "version": version, "purl": purl(CONTROLLER, version)},
        },
        "components": components,
    });
    let mut text = serde_json::to_vec_pretty(&bill)?;
    text.push(b'\n');
    Ok(text)
}

const CONTROLLER: &str = "openflux-controller";

fn purl(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{version}")
}

fn component(package: &Value, checksums: &BTreeMap<(String, String), String>) -> Value {
    let (name, version) = (text(package, "name"), text(package, "version"));
    let mut component = json!({
        "type": "library", "bom-ref": purl(name, version), "name": name, "version": version, "purl": purl(name, version),
    });
    if let Some(licence) = package["license"].as_str() {
        // Some crates write the older `A/B` for `A OR B`.
        component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
    }
    if let Some(checksum) = checksums.get(&(name.to_owned(), version.to_owned())) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

/// The packages that end up in the program: what it reaches without build scripts, macros' helpers and tests.
fn linked_packages(target: &str) -> Result<BTreeMap<String, Value>> {
    let mut cargo = e2e::cargo();
    cargo.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        target,
    ]);
    let metadata: Value = serde_json::from_str(&build::output(&mut cargo)?)?;
    let packages: BTreeMap<&str, &Value> = entries(&metadata["packages"])
        .map(|package| (text(package, "id"), package))
        .collect();
    let nodes: BTreeMap<&str, &Value> = entries(&metadata["resolve"]["nodes"])
        .map(|node| (text(node, "id"), node))
        .collect();
    let first = packages
        .iter()
        .find(|(_, package)| package["name"] == CONTROLLER)
        .map(|(id, _)| *id)
        .context("the workspace has no package openflux-controller")?;
    let (mut reached, mut open) = (BTreeSet::from([first]), vec![first]);
    while let Some(id) = open.pop() {
        let dependencies = nodes.get(id).map(|node| entries(&node["deps"]));
        for dependency in dependencies.into_iter().flatten() {
            let is_linked = entries(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null());
            let id = text(dependency, "pkg");
            if is_linked && reached.insert(id) {
                open.push(id);
            }
        }
    }
    Ok(reached
        .into_iter()
        .filter_map(|id| Some((id.to_owned(), (*packages.get(id)?).clone())))
        .collect())
}

/// The checksums of `Cargo.lock`, by name and version.
fn checksums() -> Result<BTreeMap<(String, String), String>> {
    let lock = std::fs::read_to_string(build::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let field = |block: &str, name: &str| {
        let line = block
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    Ok(lock
        .split("[[package]]")
        .filter_map(|block| {
            Some((
                (field(block, "name")?, field(block, "version")?),
                field(block, "checksum")?,
            ))
        })
        .collect())
}

fn entries(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
