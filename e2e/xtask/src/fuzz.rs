//! `cargo xtask fuzz <engine>`: compare an engine with the real tool on random input.

use anyhow::{Result, bail};

use crate::record::build_gotmpl_oracle;
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The engine: `gotmpl`.
    engine: String,
    /// Decides the cases: the same seed makes the same ones.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many cases.
    #[arg(long, default_value_t = 20_000)]
    count: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.engine != "gotmpl" {
        bail!("there is no engine {:?}, only: gotmpl", arguments.engine);
    }
    let oracle = build_gotmpl_oracle(&workspace::root())?;
    let mut differential = workspace::cargo([
        "run",
        "--release",
        "-p",
        "gotmpl",
        "--example",
        "differential",
        "--",
    ]);
    differential
        .arg(oracle)
        .args([arguments.seed.to_string(), arguments.count.to_string()]);
    workspace::run(&mut differential)
}
