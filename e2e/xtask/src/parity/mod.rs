//! `cargo xtask parity <engine> DIR...`: compare an engine with the real tool on any directory.
//!
//! To add one: a file beside this one with a `pub(super) const` of type [`Comparison`], and one line in [`COMPARISONS`].

pub(crate) mod helm;
pub(crate) mod kustomize;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::workspace;

/// One engine and the real tool that it must agree with.
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Gets the directories; an error when any of them differs.
    pub(crate) run: fn(&[PathBuf]) -> Result<()>,
}

const COMPARISONS: &[Comparison] = &[helm::HELM, kustomize::KUSTOMIZE];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The engine.
    engine: String,
    /// Directories of input.
    #[arg(required = true)]
    directories: Vec<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Some(comparison) = COMPARISONS
        .iter()
        .find(|comparison| comparison.name == arguments.engine)
    else {
        let known = workspace::listing(
            COMPARISONS
                .iter()
                .map(|comparison| (comparison.name, comparison.about)),
        );
        bail!("there is no engine {:?}, only:{known}", arguments.engine);
    };
    (comparison.run)(&arguments.directories)
}
