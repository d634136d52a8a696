//! What helm-controller makes of parts of a HelmRelease: values, chart versions, HelmCharts and digests.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use super::{Recorder, build_oracle};
use crate::workspace::run;

pub(super) const HELM_RELEASE: Recorder = Recorder {
    name: "helm-release",
    about: "compat/helm/flux and controllers/helm/cases from helm-controller's own functions",
    run: record,
};

/// Where the cases of each kind are; the results lie beside them.
const KINDS: [(&str, &str); 4] = [
    ("values-from", "compat/helm/flux"),
    ("chart-version", "compat/helm/flux"),
    ("helm-chart", "controllers/helm/cases"),
    ("spec-digests", "controllers/helm/cases"),
];

fn record(root: &Path) -> Result<()> {
    let oracle = build_oracle(root, "helm-release-oracle")?;
    for (kind, folder) in KINDS {
        let folder = root.join(folder);
        let cases = folder.join(format!("{kind}.json"));
        let results = folder.join(format!("{kind}.results.json"));
        // The old results stay where asking fails.
        let written = folder.join(format!("{kind}.results.new"));
        let input = File::open(&cases).with_context(|| format!("cannot open {}", cases.display()))?;
        let output = File::create(&written).with_context(|| format!("cannot write {}", written.display()))?;
        run(Command::new(&oracle)
            .arg(kind)
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output)))?;
        fs::rename(&written, &results)?;
    }
    Ok(())
}
