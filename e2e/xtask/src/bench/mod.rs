//! `cargo xtask bench <what>`: measurements, side by side with the stock tools.
//!
//! To add one: a file beside this one with a `pub(super) const` of type [`Benchmark`], and one line in [`BENCHMARKS`].
//! A benchmark that needs our own code runs it as a program (`workspace::cargo`), so that xtask itself stays lean.

mod controllers;
mod helm;
mod side_by_side;
mod sources;

use anyhow::{Result, bail};

use crate::workspace;

/// One measurement.
pub(crate) struct Benchmark {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Gets the rest of the command line.
    pub(crate) run: fn(&[String]) -> Result<()>,
}

const BENCHMARKS: &[Benchmark] = &[controllers::CONTROLLERS, helm::HELM, sources::SOURCES];

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
