//! Go templates, recorded from Go's text/template.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use super::Recorder;
use crate::workspace::run;

pub(super) const GOTMPL: Recorder = Recorder {
    name: "gotmpl",
    about: "compat/gotmpl/cases from Go's text/template",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    let oracle = build_oracle(root)?;
    let cases = root.join("compat/gotmpl/cases");
    for topic in super::folders(&cases)? {
        let input = File::open(topic.join("cases.jsonl"))?;
        let output = File::create(topic.join("expected.jsonl"))?;
        run(Command::new(&oracle)
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output)))?;
    }
    Ok(())
}

/// Builds the oracle into the target folder and returns the program.
pub(crate) fn build_oracle(root: &Path) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let program = target.join("gotmpl-oracle");
    let mut build = Command::new("go");
    build
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(root.join("e2e/tools/gotmpl-oracle"));
    run(&mut build)?;
    Ok(program)
}
