//! The readiness of objects, recorded from the libraries of kustomize-controller.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{Recorder, build_oracle};
use crate::workspace::run;

pub(super) const READINESS: Recorder = Recorder {
    name: "readiness",
    about: "controllers/kit/cases/readiness from fluxcd/cli-utils (kstatus) and Flux's reader of Jobs",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    run(Command::new(build_oracle(root, "kstatus-oracle")?)
        .arg("record")
        .arg(root.join("controllers/kit/cases/readiness")))
}
