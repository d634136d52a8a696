//! Development tasks of the repository: `cargo xtask <task>`.

mod again;
mod bench;
mod dist;
mod fuzz;
mod generate;
mod parity;
mod record;
mod test;
mod testbed;
mod tools;
mod workspace;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development tasks of the repository.")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check formatting and lints and run all tests.
    Test,
    /// Show the main job on a control plane of its own, with elapsed times (`--keep` leaves it up); with
    /// `--custom-source` a source, a transformation and a deployer of others.
    #[command(disable_help_flag = true)]
    Demo(testbed::Arguments),
    /// Start (`up`), stop (`down`) or describe (`status`) a control plane to play with.
    #[command(disable_help_flag = true)]
    Testbed(testbed::Arguments),
    /// Build the stock tools into the cache and print their paths.
    Tools(tools::Arguments),
    /// Record expected output from the real tools into the case directories.
    Record(record::Arguments),
    /// Compare our engines with the real tools on directories of yours.
    Parity(parity::Arguments),
    /// Compare an engine with the real tool on random input.
    Fuzz(fuzz::Arguments),
    /// Play scenarios under stock's helm-controller and under ours, and compare what both leave.
    #[command(disable_help_flag = true)]
    DiffHelm(testbed::Arguments),
    /// Play scenarios under stock's kustomize-controller and under ours, and compare what both leave.
    #[command(disable_help_flag = true)]
    DiffKustomize(testbed::Arguments),
    /// Run the tests of a stock controller on ours, and compare with what stock passes.
    #[command(disable_help_flag = true)]
    StockSuite(testbed::Arguments),
    /// Write what is committed but generated.
    Generate(generate::Arguments),
    /// Build the `openflux` program as it is shipped, and print its path.
    Dist,
    /// Make the container image of `openflux-controller`, as an OCI archive, without Docker.
    #[command(disable_help_flag = true)]
    Image(testbed::Arguments),
    /// Measure, side by side with the stock tools.
    Bench(bench::Arguments),
    /// What a benchmark starts to measure a program.
    #[command(hide = true)]
    Measure {
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Test => test::run_all(),
        Task::Demo(arguments) => testbed::demo(&arguments),
        Task::Testbed(arguments) => testbed::forward(&[], &arguments),
        Task::Tools(arguments) => tools::run(arguments),
        Task::Record(arguments) => record::run(arguments),
        Task::Parity(arguments) => parity::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::DiffHelm(arguments) => testbed::diff_helm(&arguments),
        Task::DiffKustomize(arguments) => testbed::diff_kustomize(&arguments),
        Task::StockSuite(arguments) => testbed::stock_suite(&arguments),
        Task::Generate(arguments) => generate::run(&arguments),
        Task::Dist => dist::run(),
        Task::Image(arguments) => testbed::image(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Measure { command } => bench::measure::run(&command),
    };
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // The last words of a failing run; a closed stderr changes nothing about the outcome.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
    ExitCode::FAILURE
}
