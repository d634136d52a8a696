//! The `openflux` command line.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use openflux::HelmTemplateArgs;

/// Flux, Helm and kustomize work, from the command line.
#[derive(Parser)]
#[command(name = "openflux", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// What `helm` does, without Helm.
    #[command(subcommand)]
    Helm(HelmCommand),
}

#[derive(Subcommand)]
enum HelmCommand {
    Template(Box<HelmTemplateArgs>),
}

fn main() -> ExitCode {
    let Command::Helm(HelmCommand::Template(args)) = Cli::parse().command;
    let mut out = BufWriter::new(io::stdout().lock());
    let result = openflux::helm_template(&args, &mut out, &mut io::stderr());
    let result = result.and_then(|()| Ok(out.flush()?));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = out.flush();
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}
