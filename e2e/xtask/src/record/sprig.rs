//! Template functions, recorded from Helm's own function map, and regular expressions, recorded from Go.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Recorder;
use crate::workspace::run;

pub(super) const SPRIG: Recorder = Recorder {
    name: "sprig",
    about: "compat/sprig/cases and certificates from Helm's function map, compat/goregexp/cases from Go's regexp",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    run(Command::new("go")
        .args(["run", ".", "record"])
        .arg(root.join("compat/sprig/cases"))
        .arg(root.join("compat/sprig/certificates"))
        .arg(root.join("compat/goregexp/cases"))
        .env("TZ", "UTC")
        .current_dir(root.join("e2e/tools/sprig-oracle")))
}
