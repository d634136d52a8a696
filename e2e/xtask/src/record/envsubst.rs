//! Post-build substitution, recorded from Flux's own envsubst.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Recorder;
use crate::workspace::run;

pub(super) const ENVSUBST: Recorder = Recorder {
    name: "envsubst",
    about: "compat/envsubst/cases from fluxcd/pkg/envsubst",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    let mut cases = Vec::new();
    for topic in folders(&root.join("compat/envsubst/cases"))? {
        cases.extend(folders(&topic)?);
    }
    let oracle = root.join("e2e/tools/envsubst-oracle");
    run(Command::new("go")
        .args(["run", "."])
        .args(cases)
        .current_dir(oracle))
}

fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(parent).with_context(|| format!("cannot list {}", parent.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
