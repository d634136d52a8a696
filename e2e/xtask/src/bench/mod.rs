//! `cargo xtask bench <what>`: measurements, side by side with the stock tools.
//!
//! To add one: a file beside this one with a `pub(super) const` of type [`Benchmark`], and one line in [`BENCHMARKS`].
//! A benchmark that needs our own code runs it as a program (`workspace::cargo`), so that xtask itself stays lean.

mod controllers;
mod helm;
mod helm_controller;
mod kustomize;
pub(crate) mod measure;
mod migrate;
mod producers;
mod side_by_side;
mod sops;
mod sources;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::workspace;

/// One measurement.
pub(crate) struct Benchmark {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Gets the rest of the command line.
    pub(crate) run: fn(&[String]) -> Result<()>,
}

const BENCHMARKS: &[Benchmark] = &[
    controllers::CONTROLLERS,
    helm::HELM,
    helm_controller::HELM_CONTROLLER,
    kustomize::KUSTOMIZE,
    migrate::MIGRATE,
    producers::PRODUCERS,
    sops::SOPS,
    sources::SOURCES,
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to measure.
    what: String,
    /// Options of the benchmark.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Some(benchmark) = BENCHMARKS
        .iter()
        .find(|benchmark| benchmark.name == arguments.what)
    else {
        let known = workspace::listing(
            BENCHMARKS
                .iter()
                .map(|benchmark| (benchmark.name, benchmark.about)),
        );
        bail!("there is no benchmark {:?}, only:{known}", arguments.what);
    };
    (benchmark.run)(&arguments.options)
}

/// The arguments of a benchmark that measures what lies below directories: these, and whether to keep the figures.
fn directories(options: &[String]) -> Result<(Vec<PathBuf>, bool)> {
    let (flags, directories): (Vec<_>, Vec<_>) = options.iter().partition(|option| *option == "--write");
    if directories.is_empty() {
        bail!("name the directories to measure");
    }
    Ok((
        directories.into_iter().map(PathBuf::from).collect(),
        !flags.is_empty(),
    ))
}

/// Puts figures into a file of the repository, after the line that says where they begin.
fn keep(file: &str, figures: &str) -> Result<()> {
    let path = workspace::root().join(file);
    let old = std::fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
    let head = old
        .split_inclusive("<!-- figures -->\n")
        .next()
        .unwrap_or_default();
    std::fs::write(&path, format!("{head}\n{figures}")).with_context(|| format!("cannot write {file}"))
}
