//! The `openflux` command line.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::{FromArgMatches, Subcommand};
use openflux::{HelmTemplateArgs, KustomizeBuildArgs, go_flag_error, with_go_flags};

const HELM: &str = "helm";
const KUSTOMIZE: &str = "kustomize";

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
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    let result = run(&matches, &mut out);
    let flushed = out.flush().map_err(|error| error.to_string());
    match result.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Ends as the tools do whose flags these are: one line, and exit code 1.
fn refuse(error: &clap::Error) -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match go_flag_error(error, &words) {
        Some(text) => fail(&text),
        None => error.exit(),
    }
}

fn fail(error: &str) -> ExitCode {
    // A closed stderr changes nothing about the outcome.
    let _ = writeln!(io::stderr(), "Error: {error}");
    ExitCode::FAILURE
}

/// The command line. What is below a tool is made only when that tool is named: the flags of the others would take a good
/// part of the time and memory of a small build.
fn command() -> clap::Command {
    clap::Command::new("openflux")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Flux, Helm and kustomize work, from the command line")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(tool::<HelmCommand>(HELM, "What `helm` does, without Helm"))
        .subcommand(tool::<KustomizeCommand>(
            KUSTOMIZE,
            "What `kustomize` does, without kustomize",
        ))
}

fn tool<C: Subcommand>(name: &'static str, about: &'static str) -> clap::Command {
    clap::Command::new(name)
        .about(about)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .defer(|command| with_go_flags(C::augment_subcommands(command)))
}

fn run(matches: &clap::ArgMatches, out: &mut dyn Write) -> Result<(), String> {
    let err = &mut io::stderr();
    match matches.subcommand() {
        Some((HELM, matches)) => match read(matches) {
            HelmCommand::Template(args) => {
                openflux::helm_template(&args, out, err).map_err(|error| error.to_string())
            }
        },
        Some((_, matches)) => match read(matches) {
            KustomizeCommand::Build(args) => {
                openflux::kustomize_build(&args, out, err).map_err(|error| error.to_string())
            }
        },
        None => command().print_help().map_err(|error| error.to_string()),
    }
}

fn read<C: FromArgMatches>(matches: &clap::ArgMatches) -> C {
    C::from_arg_matches(matches).unwrap_or_else(|error| error.exit())
}
