//! Client-side apply: three documents and the patch that Helm's own client makes of them.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::{Recorder, build_oracle};
use crate::workspace::run;

pub(super) const THREE_WAY: Recorder = Recorder {
    name: "three-way",
    about: "compat/helm/cases/three-way from Helm's own client",
    run: record,
};

/// The chosen cases are answered in their file; the random ones are as many as a test run takes.
fn record(root: &Path) -> Result<()> {
    let oracle = build_oracle(root, "apply-oracle")?;
    let cases = root.join("compat/helm/cases/three-way");
    run(Command::new(&oracle)
        .arg("merge-file")
        .arg(cases.join("chosen.jsonl")))?;
    run(Command::new(&oracle)
        .args(["merge", "1", "150"])
        .stdout(Stdio::from(File::create(cases.join("random.jsonl"))?)))
}
