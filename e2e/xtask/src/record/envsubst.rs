//! Post-build substitution, recorded from Flux's own envsubst.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Recorder, folders};
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
