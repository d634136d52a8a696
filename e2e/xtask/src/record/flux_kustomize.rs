//! Kustomizations as kustomize-controller's own library generates and builds them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::{Recorder, build_oracle, folders};
use crate::workspace::run;

pub(super) const FLUX_KUSTOMIZE: Recorder = Recorder {
    name: "flux-kustomize",
    about: "compat/kustomize/flux-cases and controllers/kustomize/cases from Flux's own kustomize library",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    let mut topics = Vec::new();
    for cases in ["compat/kustomize/flux-cases", "controllers/kustomize/cases"] {
        topics.extend(folders(&root.join(cases))?);
    }
    let cases = topics
        .iter()
        .map(|topic| folders(topic))
        .collect::<Result<Vec<Vec<PathBuf>>>>()?;
    run(Command::new(build_oracle(root, "flux-kustomize-oracle")?).args(cases.concat()))
}
