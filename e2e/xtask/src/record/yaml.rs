//! Readings and printings of YAML, recorded from the Go libraries.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::Recorder;
use crate::workspace::run;

pub(super) const YAML: Recorder = Recorder {
    name: "yaml",
    about: "compat/yaml/cases from yaml.v2, yaml.v3, kyaml, sigs.k8s.io/yaml and encoding/json",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    run(Command::new("go")
        .args(["run", "."])
        .arg(root.join("compat/yaml/cases"))
        .current_dir(root.join("e2e/tools/yaml-oracle")))
}
