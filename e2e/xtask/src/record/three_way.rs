//! Client-side apply and drift: three documents, and the patch that Helm's own client and helm-controller's own
//! libraries make of them.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::{Recorder, build_oracle};
use crate::workspace::run;

pub(super) const THREE_WAY: Recorder = Recorder {
    name: "three-way",
    about: "compat/helm/cases/three-way from Helm's own client",
    run: |root| record(root, "merge", "compat/helm/cases/three-way"),
};

pub(super) const DRIFT: Recorder = Recorder {
    name: "drift",
    about: "compat/helm/cases/drift from helm-controller's own libraries",
    run: |root| record(root, "drift", "compat/helm/cases/drift"),
};

/// The chosen cases are answered in their file; the random ones are as many as a test run takes.
fn record(root: &Path, what: &str, cases: &str) -> Result<()> {
    let oracle = build_oracle(root, "apply-oracle")?;
    let cases = root.join(cases);
    run(Command::new(&oracle)
        .arg(format!("{what}-file"))
        .arg(cases.join("chosen.jsonl")))?;
    run(Command::new(&oracle)
        .args([what, "1", "150"])
        .stdout(Stdio::from(File::create(cases.join("random.jsonl"))?)))
}
