//! What source-controller's libraries archive, ignore and collect.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::{Recorder, build_oracle};
use crate::workspace::run;

pub(super) const ARCHIVE: Recorder = Recorder {
    name: "archive",
    about: "compat/archive/cases from fluxcd/pkg/artifact",
    run: |root| record(root, &["tars", "1", "600"], "compat/archive/cases/tars.jsonl"),
};

pub(super) const SOURCEIGNORE: Recorder = Recorder {
    name: "sourceignore",
    about: "compat/sourceignore/cases from fluxcd/pkg/sourceignore",
    run: |root| {
        record(
            root,
            &["ignores", "1", "600"],
            "compat/sourceignore/cases/verdicts.jsonl",
        )
    },
};

pub(super) const GARBAGE: Recorder = Recorder {
    name: "garbage",
    about: "controllers/store/cases/garbage.jsonl from fluxcd/pkg/artifact",
    run: |root| record(root, &["garbage"], "controllers/store/cases/garbage.jsonl"),
};

fn record(root: &Path, arguments: &[&str], cases: &str) -> Result<()> {
    let cases = root.join(cases);
    run(Command::new(build_oracle(root, "artifact-oracle")?)
        .args(arguments)
        .stdout(Stdio::from(File::create(cases)?)))
}
