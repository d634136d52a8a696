//! What `cargo xtask stock-suite` runs: the tests that come with a stock controller, on ours.
//!
//! The tests are those of the controller's Go module, as they are. Around them is what `e2e/suites` has: what they take for
//! the reconciler starts our program on their API server, with the flags that the fields they set come to. Stock runs beside,
//! from the same copy of its module, so that what counts is what passes with stock on this machine.

mod outcome;
mod prepare;
mod run;
mod say;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use e2e::testbed::controller;

use outcome::{Outcomes, table};
use prepare::{Side, Suite};
use run::Runner;
use say::say;

/// The tests that come with a stock controller, on ours.
#[derive(Parser)]
#[command(name = "cargo xtask stock-suite")]
struct Arguments {
    /// The controller.
    #[arg(value_enum)]
    controller: Controller,
    /// Only tests whose names match this, as `go test -run` takes it.
    #[arg(long, default_value = "")]
    run: String,
    /// Runs our program alone; what stock passes is not known then.
    #[arg(long)]
    only_ours: bool,
    /// The program of OpenBao, for tests that need a Vault; by default `bao` on the PATH.
    #[arg(long)]
    openbao: Option<PathBuf>,
    /// Writes the table to `e2e/suites`, which is about all tests on both.
    #[arg(long, conflicts_with_all = ["run", "only_ours"])]
    write: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Controller {
    /// The controller of Kustomizations.
    Kustomize,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells whether ours passes all that stock passes.
fn run(arguments: &Arguments) -> Result<bool> {
    let Controller::Kustomize = arguments.controller;
    let suite = Suite::prepare()?;
    let program = controller()?;
    let openbao = arguments.openbao.clone().or_else(openbao);
    let runner = Runner::new(&suite, &arguments.run, openbao.as_deref(), &program)?;
    let mut stock = Outcomes::default();
    if !arguments.only_ours {
        suite.build(Side::Stock)?;
        stock = runner.run(Side::Stock)?;
    }
    suite.build(Side::Ours)?;
    let ours = runner.run(Side::Ours)?;
    let (text, missing) = table(&stock, &ours, openbao.is_some());
    say(&text);
    if arguments.write {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("suites/kustomize.md");
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    say(&format!("Logs: {}", suite.folder().display()));
    let passed = if arguments.only_ours {
        ours.all_passed()
    } else {
        missing == 0
    };
    Ok(passed)
}

/// Looks for the program of OpenBao on the PATH.
fn openbao() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("bao"));
    found.find(|file| file.is_file())
}
