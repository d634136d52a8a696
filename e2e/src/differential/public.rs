//! Scenarios of charts that somebody else has written.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::charts::read;
use super::scenario::{Named, PublicChart, Scenario, Step, Until};

/// The life of a release of the chart in a folder: installed, upgraded to another version, its drift corrected, handed
/// over, uninstalled. What its pods become is of no concern.
///
/// # Errors
/// The folder has no chart.
pub fn scenario(folder: &Path, values: Option<&serde_json::Value>) -> Result<Scenario> {
    let head = folder.join("Chart.yaml");
    let text = std::fs::read_to_string(&head).with_context(|| head.display().to_string())?;
    let metadata: serde_json::Value = serde_saphyr::from_str(&text)?;
    let (Some(name), Some(version)) = (metadata["name"].as_str(), metadata["version"].as_str()) else {
        anyhow::bail!("{} names no chart", head.display());
    };
    let files = read(folder)?;
    let next = format!("{}-next.1", version.split(['-', '+']).next().unwrap_or_default());
    let mut later = files.clone();
    for (path, content) in &mut later {
        if path == "Chart.yaml" {
            let lines = text.lines().map(|line| {
                if line.starts_with("version:") {
                    format!("version: {next:?}")
                } else {
                    line.to_owned()
                }
            });
            *content = lines.collect::<Vec<_>>().join("\n").into_bytes();
        }
    }
    let chart = |version: &str, files| PublicChart {
        name: name.to_owned(),
        version: version.to_owned(),
        files,
    };
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
    let steps = vec![
        ready(Step {
            release: Some(first),
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
            until: vec![Until::Condition(
                "Drifted".to_owned(),
                "False".to_owned(),
                "NoDriftDetected".to_owned(),
            )],
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
        name: name.to_owned(),
        charts: BTreeMap::new(),
        public: vec![chart(version, files), chart(&next, later)],
        registry: BTreeMap::new(),
        namespaces: Vec::new(),
        is_cluster_wide: false,
        is_in_tests: false,
        hand_over: false,
        differs: Vec::new(),
        steps,
    })
}
