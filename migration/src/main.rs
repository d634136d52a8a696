//! The `openflux` command line.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, FromArgMatches, Subcommand};
use flux_fleet::text::without_secrets;
use helm::{Capabilities, GO_VERSION, KUBE_CLIENT_VERSION};
use openflux::{
    CompletionArgs, HelmDependencyCommand, HelmTemplateArgs, KustomizeBuildArgs, SopsDecryptArgs, candidates,
    completion, go_flag_error, is_cluster_command, plugin_name, run_cluster_command, with_cluster_commands,
    with_go_flags,
};

const COMPLETION: &str = "completion";
/// The word by which kubectl and flux ask a plugin for completions.
const COMPLETE: &str = "__complete";
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
    /// Find, fetch and list the subcharts of a chart.
    #[command(aliases = ["dep", "dependencies"], arg_required_else_help = true)]
    Dependency {
        /// What is done.
        #[command(subcommand)]
        command: Box<HelmDependencyCommand>,
    },
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
    if words.get(1).is_some_and(|word| word == COMPLETE) {
        return complete(command, &words, &mut out);
    }
    let matches = match command.try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error, &words),
    };
    if is_cluster_command(&matches) {
        return ask_cluster(&matches, &mut out);
    }
    let result = run(&matches, &mut out);
    let flushed = out.flush().map_err(|error| error.to_string());
    match result.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Runs a command that asks a cluster; its exit codes say more than whether it failed.
fn ask_cluster(matches: &clap::ArgMatches, out: &mut dyn Write) -> ExitCode {
    let result = run_cluster_command(matches, out);
    // Whoever does not read all of it has seen enough.
    let _ = out.flush();
    match result {
        Ok(outcome) => ExitCode::from(outcome.exit_code()),
        Err(error) => {
            let said = error.to_string();
            let _ = writeln!(io::stderr(), "Error: {}", without_secrets(&said));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Answers kubectl or flux, which ask how a command line may go on.
fn complete(command: clap::Command, words: &[OsString], out: &mut dyn Write) -> ExitCode {
    let words: Vec<_> = words
        .iter()
        .skip(2)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    for line in candidates(command, &words) {
        // A closed stdout means that nobody asks any more.
        let _ = writeln!(out, "{line}");
    }
    let _ = out.flush();
    ExitCode::SUCCESS
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
    let plugin = words.first().and_then(plugin_name);
    let command = command();
    let command = match plugin {
        Some(name) => command.bin_name(name),
        None => command,
    };
    (command, words)
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
    let command = clap::Command::new("openflux")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Flux, Helm and kustomize work, from the command line")
        .subcommand_required(true)
        .arg_required_else_help(true);
    with_cluster_commands(command)
        .subcommand(
            CompletionArgs::augment_args(clap::Command::new(COMPLETION))
                .about("Print the script by which a shell completes command lines"),
        )
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
            HelmCommand::Dependency { command } => {
                openflux::helm_dependency(&command, out, err).map_err(|error| error.to_string())
            }
            HelmCommand::Version(args) => print(out, &helm_version(args.short)),
        },
        Some((COMPLETION, matches)) => {
            let args = CompletionArgs::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
            completion(&args, command(), out).map_err(|error| error.to_string())
        }
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
