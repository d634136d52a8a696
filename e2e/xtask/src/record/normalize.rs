//! Objects of built-in kinds as Flux's own library normalises them.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Recorder, build_oracle};
use crate::workspace::run;

pub(super) const NORMALIZE: Recorder = Recorder {
    name: "normalize",
    about: "controllers/kit/cases/normalize from Flux's server-side apply library",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    run(Command::new(build_oracle(root, "normalize-oracle")?)
        .arg("record")
        .arg(root.join("controllers/kit/cases/normalize")))
}
