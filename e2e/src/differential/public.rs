//! Scenarios of charts that somebody else has written.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use super::deployer::Deployer;
use super::scenario::{Difference, Named, PublicChart, Scenario, Step, Until};
use crate::tools::{self, Tool};

/// Packs the chart in a folder as its authors do, without what it ignores.
fn package(folder: &Path, further: &[&str]) -> Result<Vec<u8>> {
    let [helm] = tools::ensure([Tool::Helm])?;
    let packed = tempfile::tempdir()?;
    let output = Command::new(helm)
        .arg("package")
        .arg(folder)
        .arg("--destination")
        .arg(packed.path())
        .args(further)
        .env("HOME", packed.path())
        .output()?;
    let problem = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {problem}", folder.display());
    for entry in std::fs::read_dir(packed.path())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tgz") {
            return Ok(std::fs::read(path)?);
        }
    }
    bail!("{} was packed into nothing", folder.display())
}

/// Hooks may have random names, which are in their manifests as well.
fn random_name(field: &str) -> Difference {
    Difference {
        at: format!("/*/records/*/release/hooks/*/{field}"),
        sometimes: true,
        why: "names of hooks may be random".to_owned(),
    }
}

/// The life of a release of the chart in a folder: installed, upgraded to another version, handed over and back, its drift
/// looked for, spoiled and corrected, uninstalled. What its pods become is of no concern.
///
/// # Errors
/// The folder has no chart, or one that cannot be packed.
pub fn scenario(folder: &Path, values: Option<&serde_json::Value>) -> Result<Scenario> {
    let head = folder.join("Chart.yaml");
    let text = std::fs::read_to_string(&head).with_context(|| head.display().to_string())?;
    let metadata: serde_json::Value = serde_saphyr::from_str(&text)?;
    let (Some(name), Some(version)) = (metadata["name"].as_str(), metadata["version"].as_str()) else {
        bail!("{} names no chart", head.display());
    };
    let next = format!("{}-next.1", version.split(['-', '+']).next().unwrap_or_default());
    let chart = |version: &str, further: &[&str]| {
        anyhow::Ok(PublicChart {
            name: name.to_owned(),
            version: version.to_owned(),
            archive: package(folder, further)?,
        })
    };
    let public = vec![chart(version, &[])?, chart(&next, &["--version", &next])?];
    let of = |version: &str| {
        json!({"spec": {"chart": name, "version": version,
            "sourceRef": {"kind": "HelmRepository", "name": "charts"}}})
    };
    let first = json!({"chart": of(version), "timeout": "2m", "values": values, "releaseName": name,
        "install": {"disableWait": true, "disableHooks": true},
        "upgrade": {"disableWait": true, "disableHooks": true},
        "uninstall": {"disableWait": true, "disableHooks": true}});
    let ready = |step: Step| Step {
        until: vec![Until::Ready],
        ..step
    };
    let no_drift = Until::Condition(
        "Drifted".to_owned(),
        "False".to_owned(),
        "NoDriftDetected".to_owned(),
    );
    let steps = vec![
        ready(Step {
            make: Some(first),
            ..Step::default()
        }),
        ready(Step {
            spec: Some(json!({"chart": of(&next)})),
            hand_over: true,
            ..Step::default()
        }),
        Step {
            spec: Some(json!({"driftDetection": {"mode": "enabled"}})),
            reconcile: Some(Vec::new()),
            until: vec![no_drift.clone()],
            ..Step::default()
        },
        Step {
            spoil: true,
            reconcile: Some(Vec::new()),
            until: vec![no_drift],
            ..Step::default()
        },
        Step {
            delete: Some(Named {
                kind: "HelmRelease".to_owned(),
                name: "app".to_owned(),
                namespace: None,
            }),
            until: vec![Until::Gone],
            ..Step::default()
        },
    ];
    Ok(Scenario {
        deployer: Deployer::Helm,
        name: name.to_owned(),
        charts: BTreeMap::new(),
        public,
        registry: BTreeMap::new(),
        namespaces: Vec::new(),
        is_cluster_wide: false,
        is_in_tests: false,
        on_demand: false,
        hand_over: false,
        differs: ["name", "manifest"].map(random_name).to_vec(),
        steps,
    })
}
