//! Builds, recorded from the real kustomize libraries.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Recorder;
use crate::workspace::run;

pub(super) const KUSTOMIZE: Recorder = Recorder {
    name: "kustomize",
    about: "compat/kustomize/cases from the kustomize libraries, with the defaults of the command",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    run(Command::new("go")
        .args(["run", ".", "record"])
        .arg(root.join("compat/kustomize/cases"))
        .current_dir(root.join("e2e/tools/kustomize-oracle")))
}
