//! What `openflux migrate apply` is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use flux_fleet::moving::Header;

use crate::cluster::{CommandError, ConnectArgs, OutputArgs, ShadowArgs, duration};
use crate::moving::setting::PatienceArgs;
use crate::moving::state::{Options, Via};

/// Which objects move, and how.
#[derive(Args, Debug)]
pub(crate) struct ApplyArgs {
    /// The objects, as ks/NAME or hr/NAMESPACE/NAME, or the file of a plan; with --resume the name of a migration, the plan, or
    /// nothing for the newest.
    #[arg(value_name = "OBJECT|PLAN")]
    pub(super) targets: Vec<String>,
    /// Objects with these labels.
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "resume")]
    pub(super) selector: Option<String>,
    /// All objects that can move.
    #[arg(long, conflicts_with_all = ["selector", "resume"])]
    pub(super) all: bool,
    /// Only the objects of this namespace; for names without one, the namespace they are in.
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    pub(super) namespace: Option<String>,
    /// Go on with a migration that was stopped, paused or killed.
    #[arg(long)]
    pub(super) resume: bool,
    /// Leave this object where it is. Repeatable.
    #[arg(long, value_name = "OBJECT")]
    pub(super) skip: Vec<String>,
    /// How the label comes to the objects; cluster if nothing is said, and as it has begun with --resume.
    #[arg(long, value_enum, value_name = "WAY")]
    pub(super) via: Option<ViaArg>,
    #[command(flatten)]
    pub(super) commit: CommitArgs,
    /// A command that a shell runs before each wave and after it; if it fails, no other wave is begun. OPENFLUX_EVENT is before or
    /// after, OPENFLUX_RESULT moved or stopped; there are OPENFLUX_MIGRATION, OPENFLUX_WAVE and OPENFLUX_OBJECTS too.
    #[arg(long, value_name = "COMMAND")]
    pub(super) hook: Option<String>,
    /// Move this wave alone.
    #[arg(long, value_name = "NUMBER", conflicts_with = "until")]
    pub(super) wave: Option<usize>,
    /// Move no wave after this one.
    #[arg(long, value_name = "NUMBER")]
    pub(super) until: Option<usize>,
    /// Stop after one wave; --resume goes on.
    #[arg(long)]
    pub(super) pause_after_wave: bool,
    /// For how long each object is watched after it has moved.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub(super) soak: Duration,
    #[command(flatten)]
    pub(super) patience: PatienceArgs,
    /// Move objects that are suspended too; they stay suspended.
    #[arg(long)]
    pub(super) include_suspended: bool,
    /// Move what applies Flux itself too.
    #[arg(long)]
    pub(super) include_roots: bool,
    /// Go on when others than Flux have changed an object meanwhile.
    #[arg(long)]
    pub(super) tolerate_foreign: bool,
    /// Leave an object with openflux when something has changed.
    #[arg(long)]
    pub(super) keep_failed: bool,
    /// Where the journal is kept on this machine; by default beside the plan, or else where you are.
    #[arg(long, value_name = "FILE")]
    pub(super) journal: Option<PathBuf>,
    /// Say what would be done.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Ask nothing.
    #[arg(short, long)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) shadow: ShadowArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

/// How the label comes to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ViaArg {
    /// It is set in the cluster, and can be taken back in a second.
    Cluster,
    /// It is committed, and arrives with the run of the parent: when that is, nobody can make sure that stock is idle.
    Git,
}

/// How labels get into Git.
#[derive(Args, Debug)]
pub(super) struct CommitArgs {
    /// With --via=git: the checkout into which the labels of those objects of each wave are put that are proven; you commit and push,
    /// the labels alone. Without it somebody else does, once they are named.
    #[arg(long, value_name = "DIR")]
    pub(super) git: Option<PathBuf>,
    /// The folder where the cluster begins, such as clusters/production; needed where the checkout is for several.
    #[arg(long, value_name = "FOLDER", requires = "git")]
    pub(super) path: Option<String>,
    /// Edit files that have changes which are not committed.
    #[arg(long, requires = "git")]
    pub(super) allow_dirty: bool,
    /// With --via=git: how long the labels may take until they have come.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1h")]
    pub(super) git_timeout: Duration,
}

/// How labels are to come.
pub(super) fn via(args: &ApplyArgs) -> Via {
    match args.via {
        Some(ViaArg::Git) => Via::Git,
        Some(ViaArg::Cluster) | None => Via::Cluster,
    }
}

/// How the labels of a migration come, whatever this run was asked for.
pub(super) const fn via_of(header: &Header) -> Via {
    if header.via_git { Via::Git } else { Via::Cluster }
}

/// Refuses a checkout where labels do not come from Git.
pub(super) fn refuse_git(args: &ApplyArgs, via: Via) -> Result<(), CommandError> {
    if args.commit.git.is_some() && via != Via::Git {
        return Err(CommandError::Usage(
            "--git is for --via=git; labels that are in the cluster get into Git by openflux migrate finish"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Refuses to go on otherwise than the migration has begun.
pub(super) fn refuse_other_way(args: &ApplyArgs, header: &Header) -> Result<(), CommandError> {
    let began = via_of(header);
    if args.via.is_some() && via(args) != began {
        let word = if header.via_git { "git" } else { "cluster" };
        return Err(CommandError::Usage(format!(
            "migration {} has begun with --via={word}, and goes on like that",
            header.migration
        )));
    }
    refuse_git(args, began)
}

/// What a run is asked for.
pub(super) fn options(args: &ApplyArgs, via: Via) -> Options {
    Options {
        via,
        soak: args.soak,
        idle_timeout: args.patience.idle_timeout,
        timeout: args.patience.timeout,
        arrival: args.commit.git_timeout,
        tolerate_foreign: args.tolerate_foreign,
        include_suspended: args.include_suspended,
        keep_failed: args.keep_failed,
        strip: false,
    }
}

/// The migration that is gone on with, if one is named.
pub(super) fn migration_of(args: &ApplyArgs) -> Result<Option<String>, CommandError> {
    match &args.targets[..] {
        [] => Ok(None),
        [migration] => Ok(Some(migration.clone())),
        _ => Err(CommandError::Usage(
            "--resume goes on with one migration".to_owned(),
        )),
    }
}

/// The file of the plan, if one is named.
pub(super) fn plan_file(args: &ApplyArgs) -> Option<&Path> {
    match &args.targets[..] {
        [file] => Some(Path::new(file)).filter(|file| file.is_file()),
        _ => None,
    }
}
