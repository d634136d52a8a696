//! The `openflux` command line.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use openflux::{HelmTemplateArgs, KustomizeBuildArgs};

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
    /// What `kustomize` does, without kustomize.
    #[command(subcommand)]
    Kustomize(KustomizeCommand),
}

#[derive(Subcommand)]
enum KustomizeCommand {
    Build(Box<KustomizeBuildArgs>),
}

#[derive(Subcommand)]
enum HelmCommand {
    Template(Box<HelmTemplateArgs>),
}

fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let matches = openflux::with_go_flags(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = run(&cli.command, &mut out);
    let flushed = out.flush().map_err(|error| error.to_string());
    match result.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr changes nothing about the outcome.
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command, out: &mut dyn Write) -> Result<(), String> {
    let err = &mut io::stderr();
    match command {
        Command::Helm(HelmCommand::Template(args)) => {
            openflux::helm_template(args, out, err).map_err(|error| error.to_string())
        }
        Command::Kustomize(KustomizeCommand::Build(args)) => {
            openflux::kustomize_build(args, out, err).map_err(|error| error.to_string())
        }
    }
}
