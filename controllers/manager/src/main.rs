//! The binary that runs the Open Flux controllers: a thin command line over the libraries.

mod bases;
mod flags;
mod gates;
mod http;
mod inert;
mod install;
mod oom;
mod producers;
mod run;
mod running;
mod shadow;
mod transform;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use controller_process::own::OwnArguments;

/// Open Flux controllers: mirror Flux sources into Artifacts, and deploy Artifacts.
#[derive(Parser)]
#[command(name = "openflux-controller", version, args_override_self = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the controllers against the cluster of KUBECONFIG, or the one they run in.
    Run(Box<flags::RunFlags>),
    /// Print the manifests that install the controllers beside Flux.
    Install(Box<install::InstallFlags>),
}

fn main() -> ExitCode {
    let (shared, own) = OwnArguments::split(std::env::args_os(), &flags::DEPLOYERS);
    let result = match Arguments::parse_from(shared).command {
        Command::Run(flags) => run::run(*flags, &own),
        Command::Install(flags) => install::install(&flags),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            // Standard error may be closed; the exit code says the same.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
