//! The commands that ask a cluster, or make what controllers make in one, and how they are run.

mod apply;
mod build;
mod build_objects;
mod check_generator;
mod complete;
mod convert;
mod diff;
mod doctor;
mod get;
mod migrate;
mod plan;
mod prepare;
mod refresh;
mod rollback;
mod rollback_fleet;
mod status;
mod trace;
mod tree;
mod uninstall;
mod verify;

use std::ffi::OsString;
use std::io::Write;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

use flux_fleet::{DeployerKind, Handle};

use crate::cluster::CommandError;

pub use complete::{CompletionArgs, candidates, completion};

/// How a command ended that did what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is nothing to tell.
    Done,
    /// Something was found that asks for attention.
    Finding,
    /// It ended on the way, with this code.
    Ended(u8),
}

impl Outcome {
    /// Returns the exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Finding => 1,
            Self::Ended(code) => code,
        }
    }
}

/// A command: its name, what it is about, and what makes its arguments.
type Entry = (&'static str, &'static str, fn(Command) -> Command);

/// The commands.
const COMMANDS: [Entry; 11] = [
    (
        "build",
        "Make on this machine what the controllers make in a cluster",
        |command| build::BuildCommand::augment_subcommands(command).subcommand_required(true),
    ),
    ("convert", "Turn objects of others into ours", |command| {
        convert::ConvertCommand::augment_subcommands(command).subcommand_required(true)
    }),
    (
        "get",
        "Show Artifacts: what there is to deploy, where it comes from, and whether it is up to date",
        |command| get::GetCommand::augment_subcommands(command).subcommand_required(true),
    ),
    (
        "status",
        "Show on one screen what runs, what is deployed, by whom, and what fails",
        status::StatusArgs::augment_args,
    ),
    (
        "tree",
        "Show what a Kustomization or HelmRelease applied, with its health, down to the last object",
        tree::TreeArgs::augment_args,
    ),
    (
        "trace",
        "Show the way from objects to who applied them, and on to the source and its address",
        trace::TraceArgs::augment_args,
    ),
    (
        "diff",
        "Show what our controller would change now, and why: what Git asks for, what others have changed, what goes",
        diff::DiffArgs::augment_args,
    ),
    (
        "doctor",
        "Check what stands in the way of running beside stock Flux, and say what to do about it",
        doctor::DoctorArgs::augment_args,
    ),
    (
        "explain",
        "Say what a code of doctor means, and what to do",
        doctor::ExplainArgs::augment_args,
    ),
    (
        "migrate",
        "Move objects to our controller and back, one by one, and put labels where objects are defined",
        |command| migrate::MigrateCommand::augment_subcommands(command).subcommand_required(true),
    ),
    (
        "uninstall",
        "Take our controller away, once nothing needs it; what was deployed stays",
        uninstall::UninstallArgs::augment_args,
    ),
];

/// Adds the commands to a command line; what is below each is made only when it is named.
#[must_use]
pub fn with_cluster_commands(command: Command) -> Command {
    let commands = COMMANDS.map(|(name, about, fill)| Command::new(name).about(about).defer(fill));
    command.subcommands(commands)
}

/// Returns whether these are the arguments of one of the commands.
pub fn is_cluster_command(matches: &ArgMatches) -> bool {
    let named = matches.subcommand_name();
    named.is_some_and(|named| COMMANDS.iter().any(|(name, ..)| *name == named))
}

/// Runs the command that the arguments name.
pub fn run_cluster_command(matches: &ArgMatches, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let Some((name, matches)) = matches.subcommand() else {
        return Err(CommandError::Usage("no command is named".to_owned()));
    };
    // Requests wait for the network, and not for each other's threads.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        match name {
            "build" => match read_args(matches)? {
                build::BuildCommand::Transformation(args) => build::transformation(&args, out),
                build::BuildCommand::Ks(args) => Box::pin(build_objects::ks(&args, out)).await,
                build::BuildCommand::Hr(args) => Box::pin(build_objects::hr(&args, out)).await,
            },
            "convert" => match read_args(matches)? {
                convert::ConvertCommand::Artifactgenerator(args) => {
                    Box::pin(convert::artifact_generator(&args, out)).await
                }
            },
            "get" => match read_args(matches)? {
                get::GetCommand::Artifacts(args) => get::artifacts(&args, out).await,
            },
            "status" => status::status(&read_args(matches)?, out).await,
            "tree" => tree::tree(&read_args(matches)?, out).await,
            "trace" => trace::trace(&read_args(matches)?, out).await,
            "diff" => Box::pin(diff::diff(&read_args(matches)?, out)).await,
            "doctor" => doctor::doctor(&read_args(matches)?, out).await,
            "explain" => doctor::explain(&read_args(matches)?, out),
            "migrate" => match read_args(matches)? {
                migrate::MigrateCommand::Scan(args) => Box::pin(migrate::scan(&args, out)).await,
                migrate::MigrateCommand::Plan(args) => Box::pin(plan::plan(&args, out)).await,
                migrate::MigrateCommand::Finish(args) => Box::pin(migrate::finish(&args, out)).await,
                migrate::MigrateCommand::Prepare(args) => Box::pin(prepare::prepare(&args, out)).await,
                migrate::MigrateCommand::Apply(args) => Box::pin(apply::apply(&args, out)).await,
                migrate::MigrateCommand::Verify(args) => Box::pin(verify::verify(&args, out)).await,
                migrate::MigrateCommand::Status(args) => Box::pin(verify::migrations(&args, out)).await,
                migrate::MigrateCommand::Rollback(args) => Box::pin(rollback::rollback(&args, out)).await,
            },
            "uninstall" => Box::pin(uninstall::uninstall(&read_args(matches)?, out)).await,
            other => Err(CommandError::Usage(format!("there is no command {other}"))),
        }
    })
}

fn read_args<A: FromArgMatches>(matches: &ArgMatches) -> Result<A, CommandError> {
    A::from_arg_matches(matches).map_err(|error| CommandError::Usage(error.to_string()))
}

/// Reads `ks/NAME` or `ks NAME`.
fn handle(words: &[String], namespace: &str) -> Result<Handle, CommandError> {
    let text = words.join("/");
    Handle::parse(&text, namespace).map_err(|error| {
        let kinds = DeployerKind::ALL.map(DeployerKind::kind).join(" or ");
        CommandError::Usage(format!("{error} ({kinds})"))
    })
}

/// The words of a command line by which this program is a plugin, and what to call it in help texts.
pub fn plugin_name(program: &OsString) -> Option<&'static str> {
    let stem = std::path::Path::new(program).file_stem()?;
    match stem.to_str()? {
        "kubectl-openflux" => Some("kubectl openflux"),
        "flux-openflux" => Some("flux openflux"),
        _ => None,
    }
}
