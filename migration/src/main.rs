//! The `openflux` command line.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, FromArgMatches, Subcommand};
use helm::{Capabilities, GO_VERSION, KUBE_CLIENT_VERSION};
use openflux::{HelmTemplateArgs, KustomizeBuildArgs, SopsDecryptArgs, go_flag_error, with_go_flags};

const HELM: &str = "helm";
const KUSTOMIZE: &str = "kustomize";
const SOPS: &str = "sops";

/// The version of kustomize whose results these are.
const KUSTOMIZE_VERSION: &str = "v5.8.1";

#[derive(Subcommand)]
enum KustomizeCommand {
    Build(Box<KustomizeBuildArgs>),
    /// Print the version of kustomize whose results these are.
    Version(KustomizeVersionArgs),
}

#[derive(Subcommand)]
enum HelmCommand {
    Template(Box<HelmTemplateArgs>),
    /// Print the version of Helm whose results these are.
    Version(HelmVersionArgs),
}

#[derive(Subcommand)]
enum SopsCommand {
    Decrypt(Box<SopsDecryptArgs>),
}

#[derive(Args)]
struct KustomizeVersionArgs {
    /// Accepted as by kustomize.
    #[arg(long, hide = true)]
    short: bool,
}

#[derive(Args)]
struct HelmVersionArgs {
    /// Print the number alone.
    #[arg(long)]
    short: bool,
}

fn main() -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let (command, words) = called_as(std::env::args_os().collect());
    let matches = match command.try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error, &words),
    };
    let result = run(&matches, &mut out);
    let flushed = out.flush().map_err(|error| error.to_string());
    match result.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// The command line by the name that the program was called by: as `helm` or `kustomize`, by a link or a copy, it stands for
/// that tool.
fn called_as(mut words: Vec<OsString>) -> (clap::Command, Vec<OsString>) {
    let name = words.first().map(Path::new).and_then(Path::file_stem);
    let tool = [HELM, KUSTOMIZE]
        .into_iter()
        .find(|tool| name == Some(OsStr::new(tool)));
    if let Some(tool) = tool {
        words.insert(1, tool.into());
    }
    (command(), words)
}

/// Ends as the tools do whose flags these are: one line, and exit code 1.
fn refuse(error: &clap::Error, words: &[OsString]) -> ExitCode {
    let words: Vec<String> = words
        .iter()
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
        .subcommand(tool::<SopsCommand>(
            SOPS,
            "What kustomize-controller does with files of SOPS",
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
            HelmCommand::Version(args) => print(out, &helm_version(args.short)),
        },
        Some((SOPS, matches)) => match read(matches) {
            SopsCommand::Decrypt(args) => {
                openflux::sops_decrypt(&args, out, err).map_err(|error| error.to_string())
            }
        },
        Some((_, matches)) => match read(matches) {
            KustomizeCommand::Build(args) => {
                openflux::kustomize_build(&args, out, err).map_err(|error| error.to_string())
            }
            KustomizeCommand::Version(_) => print(out, KUSTOMIZE_VERSION),
        },
        None => command().print_help().map_err(|error| error.to_string()),
    }
}

fn print(out: &mut dyn Write, line: &str) -> Result<(), String> {
    writeln!(out, "{line}").map_err(|error| error.to_string())
}

/// The version in the form of `helm version`, which scripts read.
fn helm_version(short: bool) -> String {
    let version = Capabilities::default().helm_version;
    if short {
        return version;
    }
    format!(
        "version.BuildInfo{{Version:{version:?}, GitCommit:\"\", GitTreeState:\"\", GoVersion:{GO_VERSION:?}, \
         KubeClientVersion:{KUBE_CLIENT_VERSION:?}}}"
    )
}

fn read<C: FromArgMatches>(matches: &clap::ArgMatches) -> C {
    C::from_arg_matches(matches).unwrap_or_else(|error| error.exit())
}
