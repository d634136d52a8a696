//! `cargo xtask record <what>`: write the real tools' output into case directories.
//!
//! To add one: a file beside this one with a `pub(super) const` of type [`Recorder`], and one line in [`RECORDERS`].
//! Case directories are committed, so the tests that read them need no tool.

mod archive;
mod cel;
mod envsubst;
mod flux_kustomize;
mod gotmpl;
mod helm;
mod helm_release;
pub(crate) mod kustomize;
mod kustomize_command;
mod normalize;
mod post_render;
mod readiness;
mod sops;
mod sprig;
mod three_way;
mod yaml;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// One kind of case directory and the real tool that fills it.
pub(crate) struct Recorder {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Gets the root of the repository.
    pub(crate) run: fn(&Path) -> Result<()>,
}

const RECORDERS: &[Recorder] = &[
    archive::ARCHIVE,
    archive::SOURCEIGNORE,
    archive::GARBAGE,
    cel::CEL,
    envsubst::ENVSUBST,
    flux_kustomize::FLUX_KUSTOMIZE,
    gotmpl::GOTMPL,
    helm::HELM,
    helm_release::HELM_RELEASE,
    kustomize::KUSTOMIZE,
    kustomize_command::KUSTOMIZE_COMMAND,
    normalize::NORMALIZE,
    post_render::POST_RENDER,
    readiness::READINESS,
    sops::SOPS,
    sprig::SPRIG,
    three_way::THREE_WAY,
    three_way::DRIFT,
    yaml::YAML,
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to record; without it, what there is to record is listed.
    what: Vec<String>,
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let known = workspace::listing(RECORDERS.iter().map(|recorder| (recorder.name, recorder.about)));
    if arguments.what.is_empty() {
        bail!("say what to record:{known}");
    }
    for what in arguments.what {
        let Some(recorder) = RECORDERS.iter().find(|recorder| recorder.name == what) else {
            bail!("there is no recorder {what:?}, only:{known}");
        };
        (recorder.run)(&workspace::root())?;
    }
    Ok(())
}

/// The folders in a folder, in the order of their names.
fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(parent).with_context(|| format!("cannot list {}", parent.display()))?;
    let mut folders = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}

/// Builds the Go program of `e2e/tools/<name>` into the target folder and returns its path.
pub(crate) fn build_oracle(root: &Path, name: &str) -> Result<PathBuf> {
    let program = workspace::target_folder().join(name);
    let mut build = Command::new("go");
    build
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(root.join("e2e/tools").join(name));
    workspace::run(&mut build)?;
    Ok(program)
}
