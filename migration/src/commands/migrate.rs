//! `openflux migrate scan` and `openflux migrate finish`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use flux_fleet::git::{Changes, Checkout, Cluster, Repository, label};
use flux_fleet::plan::MigrationPlan;
use flux_fleet::scan::{Class, Place, Scan, Shown, verdicts};
use flux_fleet::status::flux_version;
use flux_fleet::subject::applied_by;
use flux_fleet::text::{clean, count};
use flux_fleet::{Handle, Subject};
use kube::ResourceExt as _;
use serde_json::json;

use super::Outcome;
use super::apply::ApplyArgs;
use super::plan::PlanArgs;
use super::prepare::PrepareArgs;
use super::rollback::RollbackArgs;
use super::verify::{MigrationsArgs, VerifyArgs};
use crate::checkout::{self, Dirty};
use crate::cluster::{
    CommandError, ConnectArgs, Format, OutputArgs, facts, print_lines, tell_what_is_missing,
};
use crate::moving::flux::Flux;
use crate::moving::inherit::hand_over;
use crate::moving::setting::{cluster_uid, read_plan};

/// What to do about moving objects to our controller.
#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Say of each Kustomization and HelmRelease whether it can move, and why not; nothing is written.
    ///
    /// It looks at the cluster; with -f at a checkout of the repository alone, and with -f and --cluster-too at both.
    Scan(ScanArgs),
    /// Prove of each Kustomization and HelmRelease that moving it changes nothing, and say in which order they move; nothing is written.
    ///
    /// Our controller renders them as its next run would, and has the API server say what applying the result would do. Drift that stock
    /// would correct is told from what ours would do otherwise. With -o FILE the plan is kept, for migrate apply.
    Plan(PlanArgs),
    /// Put the label of objects where they are defined, in a checkout of their repository.
    ///
    /// Bytes are inserted, and nothing is printed anew. An edit is accepted only if building every root of the repository before
    /// and after differs in the label on these objects, and in nothing else. Nothing is committed.
    Finish(FinishArgs),
    /// Say what stock's controllers need so that they leave labelled objects alone, and where that is written; nothing is written.
    Prepare(PrepareArgs),
    /// Move objects to our controller, one write each, and compare all that they applied before and after.
    ///
    /// It stops at the first surprise and gives that object back. What was about to be done is written down before it is done, here
    /// and in the cluster, so that anybody goes on with --resume.
    Apply(Box<ApplyArgs>),
    /// Look at everything that has moved: whether it has one owner, is ready, and is what it was.
    Verify(VerifyArgs),
    /// Show the migrations that were begun, and who moved what.
    Status(MigrationsArgs),
    /// Give objects back to stock: some, those of a migration, all, or the whole fleet at once.
    Rollback(Box<RollbackArgs>),
}

/// Which objects, and how they are shown.
#[derive(Args, Debug)]
pub(crate) struct ScanArgs {
    /// A checkout of the repository that defines the objects.
    #[arg(short = 'f', long, value_name = "DIR")]
    file: Option<PathBuf>,
    /// The folder where a cluster begins, such as clusters/production, if no Kustomization of the checkout names it.
    #[arg(long, value_name = "FOLDER", requires = "file")]
    path: Option<String>,
    /// Look at the cluster too, and say where in the checkout its labels go.
    #[arg(long, requires = "file")]
    cluster_too: bool,
    /// Show the objects of this state, all of them.
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<StateArg>,
    /// End with 0 even if objects cannot move.
    #[arg(long)]
    exit_zero: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// A state to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StateArg {
    /// They can move.
    Can,
    /// They could, once something has settled.
    Notnow,
    /// Something has to be done first.
    Blocked,
    /// They cannot move.
    Cannot,
    /// They are suspended.
    Skipped,
    /// They have moved.
    Moved,
}

impl StateArg {
    fn class(self) -> Class {
        match self {
            Self::Can => Class::CanMove,
            Self::Notnow => Class::NotNow,
            Self::Blocked => Class::Blocked,
            Self::Cannot => Class::Cannot,
            Self::Skipped => Class::Skipped,
            Self::Moved => Class::Moved,
        }
    }
}

pub(crate) async fn scan(args: &ScanArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    use Format::{Json, Markdown, Table, Wide, Yaml};
    let printer = args
        .output
        .printer("migrate scan", &[Table, Wide, Json, Yaml, Markdown])?;
    let checkout = args.file.as_deref().map(checkout::read).transpose()?;
    let repository = checkout
        .as_ref()
        .map(|(checkout, _)| Repository::starting_at(checkout, args.path.as_deref()));
    let mut scan = if args.file.is_none() || args.cluster_too {
        of_cluster(
            args,
            repository.as_ref(),
            checkout.as_ref().map(|(checkout, _)| checkout),
        )
        .await?
    } else {
        Scan::new(
            "a checkout, and no cluster".to_owned(),
            &usual_label(),
            Vec::new(),
        )
    };
    if let (Some((checkout, left_out)), Some(repository)) = (&checkout, &repository) {
        if !args.cluster_too {
            for cluster in &repository.clusters {
                scan.places.extend(places(
                    checkout,
                    repository,
                    cluster,
                    &handles(cluster),
                    &usual_label(),
                ));
            }
        }
        if repository.clusters.is_empty() {
            let why = "no Kustomization of the checkout names a folder of it: say with --path where a cluster begins";
            scan.unread.push(why.to_owned());
        }
        scan.unread.extend(repository.failures());
        scan.unread.extend(left_out.iter().cloned());
    }
    let shown = Shown {
        class: args.state.map(StateArg::class),
        all: printer.format == Wide,
    };
    if printer.format == Markdown {
        print_lines(out, scan.markdown())?;
    } else if !printer.document(out, &scan)? {
        print_lines(out, scan.lines(printer.style, &shown))?;
    }
    let stuck = |class| matches!(class, Class::Blocked | Class::Cannot);
    let has_findings = scan.objects.iter().any(|verdict| stuck(verdict.class)) || !scan.unread.is_empty();
    Ok(if has_findings && !args.exit_zero {
        Outcome::Finding
    } else {
        Outcome::Done
    })
}

fn usual_label() -> (String, String) {
    (flux_api::SHARD_KEY.to_owned(), "openflux".to_owned())
}

async fn of_cluster(
    args: &ScanArgs,
    repository: Option<&Repository>,
    checkout: Option<&Checkout>,
) -> Result<Scan, CommandError> {
    let cluster = args.connect.connect().await?;
    let facts = facts(&cluster, false).await?;
    tell_what_is_missing(&facts);
    let world = &facts.world;
    let about = format!(
        "Kubernetes {}, Flux {}: {}, {}, {}",
        world.kubernetes,
        flux_version(world).unwrap_or_else(|| "not found".to_owned()),
        count(world.kustomizations.len(), "Kustomization"),
        count(world.helm_releases.len(), "HelmRelease"),
        count(world.sources.len(), "source"),
    );
    let mut scan = Scan::new(about, &facts.label(), verdicts(&facts));
    scan.unread.extend(world.unread.iter().cloned());
    if let (Some(repository), Some(checkout)) = (repository, checkout) {
        let paths: Vec<_> = Subject::all(world)
            .into_iter()
            .map(|subject| subject.path)
            .collect();
        match repository.cluster_at(&paths) {
            Some(found) => {
                let movable = scan.objects.iter().filter(|verdict| {
                    matches!(
                        verdict.class,
                        Class::CanMove | Class::NotNow | Class::Blocked | Class::Moved
                    )
                });
                let movable: Vec<_> = movable.map(|verdict| verdict.object.clone()).collect();
                scan.places = places(checkout, repository, found, &movable, &facts.label());
            }
            None => scan.unread.push(
                "the checkout has no folder that a Kustomization of this cluster begins with".to_owned(),
            ),
        }
    }
    Ok(scan)
}

/// The Kustomizations and HelmReleases of a cluster, as its checkout has them.
fn handles(cluster: &Cluster) -> Vec<Handle> {
    let mut handles: Vec<_> = cluster
        .objects()
        .filter_map(|(_, built)| built.handle())
        .collect();
    handles.sort();
    handles.dedup();
    handles
}

fn places(
    checkout: &Checkout,
    repository: &Repository,
    cluster: &Cluster,
    objects: &[Handle],
    (key, value): &(String, String),
) -> Vec<Place> {
    let changes = label(checkout, repository, cluster, objects, (key, value));
    let labelled = changes.labelled.into_iter().map(|place| Place {
        object: place.object,
        carrier: place.carrier,
        file: format!("{}:{}", place.file, place.line),
        why: place.why,
    });
    let unplaced = changes.unplaced.into_iter().map(|object| Place {
        object: object.object,
        carrier: "producer",
        file: String::new(),
        why: object.why,
    });
    let mut places: Vec<_> = labelled.chain(unplaced).collect();
    places.sort_by(|a, b| a.object.cmp(&b.object));
    places
}

/// Which objects, and in which checkout.
#[derive(Args, Debug)]
pub(crate) struct FinishArgs {
    /// The objects, as ks/NAMESPACE/NAME or hr/NAMESPACE/NAME, or the file of the plan by which they have moved: then
    /// those that carry the label in the cluster, and that label.
    #[arg(value_name = "OBJECT|PLAN", required = true)]
    objects: Vec<String>,
    /// The checkout.
    #[arg(long, value_name = "DIR", default_value = ".")]
    git: PathBuf,
    /// The folder where the cluster begins, such as clusters/production; needed where the checkout is for several.
    #[arg(long, value_name = "FOLDER")]
    path: Option<String>,
    /// The label, if it is not the usual one.
    #[arg(long, value_name = "KEY=VALUE")]
    label: Option<String>,
    /// Write the files; without this only the difference is shown.
    #[arg(long)]
    write: bool,
    /// Edit files that have changes which are not committed.
    #[arg(long)]
    allow_dirty: bool,
    /// Look at the cluster too: where the label has come from Git, it is made the label of Git alone, so that a revert there gives
    /// the object back.
    #[arg(long)]
    cluster_too: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn finish(args: &FinishArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("migrate finish", &[Format::Table, Format::Json, Format::Yaml])?;
    if args.cluster_too {
        // A label that is in the work tree alone is nobody's in Git.
        checkout::refuse_uncommitted(&args.git)?;
    }
    let (checkout, left_out) = checkout::read(&args.git)?;
    let repository = Repository::starting_at(&checkout, args.path.as_deref());
    let cluster = checkout::pick(&repository, args.path.as_deref())?;
    let ((key, value), objects) = meant(args).await?;
    let changes = label(&checkout, &repository, cluster, &objects, (&key, &value));
    let files: BTreeMap<&str, (&[u8], &[u8])> = changes
        .files
        .iter()
        .map(|(path, after)| {
            (
                path.as_str(),
                (checkout.get(path).unwrap_or_default(), after.as_slice()),
            )
        })
        .collect();
    let written = args.write && !files.is_empty();
    if written {
        let dirty = if args.allow_dirty {
            Dirty::Allowed
        } else {
            Dirty::Refused
        };
        checkout::write(&args.git, &changes.files, dirty)?;
    }
    let let_go = if args.cluster_too {
        // What Git does not have yet, it cannot bring.
        let_go(args, (key, value), &changes.done).await?
    } else {
        (Vec::new(), Vec::new())
    };
    let (let_go, waiting) = let_go;
    let document = json!({
        "apiVersion": flux_fleet::API_VERSION, "kind": "Edits", "written": written, "roots": changes.roots,
        "ownedByGit": let_go, "waiting": waiting,
        "labelled": changes.labelled.iter().map(|place| json!({
            "object": place.object, "carrier": place.carrier, "file": place.file, "line": place.line,
            "former": place.former, "why": place.why})).collect::<Vec<_>>(),
        "done": changes.done,
        "unplaced": changes.unplaced.iter().map(|object| json!({"object": object.object, "why": object.why})).collect::<Vec<_>>(),
    });
    if !printer.document(out, &document)? {
        for (path, (before, after)) in &files {
            write!(out, "{}", checkout::unified(path, before, after))?;
        }
        print_lines(out, summary(&changes, files.len(), written, &left_out))?;
        let told = let_go
            .iter()
            .map(|object| format!("{object}: the label is Git's alone now"))
            .chain(waiting.iter().map(|why| clean(why).into_owned()));
        print_lines(out, told)?;
    }
    Ok(if changes.unplaced.is_empty() && waiting.is_empty() {
        Outcome::Done
    } else {
        Outcome::Finding
    })
}

/// The label, and the objects that are named, or those that have moved by a plan.
async fn meant(args: &FinishArgs) -> Result<((String, String), Vec<Handle>), CommandError> {
    let label = args.label.as_ref().map(|label| {
        label
            .split_once('=')
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .ok_or_else(|| CommandError::Usage(format!("{label:?} is not KEY=VALUE")))
    });
    let label = label.transpose()?;
    if let [file] = &args.objects[..]
        && Path::new(file).is_file()
    {
        let plan = read_plan(Path::new(file))?;
        let planned = (plan.label.key.clone(), plan.label.value.clone());
        if label.is_some_and(|label| label != planned) {
            return Err(CommandError::Usage(format!(
                "the plan is about the label {}={}: leave out --label",
                clean(&planned.0),
                clean(&planned.1)
            )));
        }
        let objects = moved(args, &plan, &planned).await?;
        return Ok((planned, objects));
    }
    let objects: Result<Vec<Handle>, _> = args.objects.iter().map(|object| object.parse()).collect();
    let objects = objects.map_err(|error: flux_fleet::HandleError| CommandError::Usage(error.to_string()))?;
    Ok((label.unwrap_or_else(usual_label), objects))
}

/// The objects of a plan that carry its label in the cluster: what was left out, has returned or is not begun yet is not to move by a
/// commit.
async fn moved(
    args: &FinishArgs,
    plan: &MigrationPlan,
    label: &(String, String),
) -> Result<Vec<Handle>, CommandError> {
    let client = args.connect.connect().await?.client;
    plan.is_for(&cluster_uid(&client).await?)
        .map_err(|error| CommandError::Usage(error.to_string()))?;
    let flux = Flux {
        client,
        label: label.clone(),
    };
    let mut moved = Vec::new();
    for (_, planned) in plan.moving() {
        let found = flux.get(&planned.object).await?;
        if found.is_some_and(|object| object.labels().get(&label.0) == Some(&label.1)) {
            moved.push(planned.object.clone());
        } else {
            let line = format!(
                "{} does not carry the label in the cluster, and is left out",
                planned.object
            );
            writeln!(std::io::stderr(), "{}", clean(&line))?;
        }
    }
    Ok(moved)
}

/// Has the controllers that bring objects from Git own their labels, where they have applied what the checkout has.
async fn let_go(
    args: &FinishArgs,
    label: (String, String),
    objects: &[Handle],
) -> Result<(Vec<Handle>, Vec<String>), CommandError> {
    let cluster = args.connect.connect().await?;
    let flux = Flux {
        client: cluster.client,
        label,
    };
    let head = checkout::head(&args.git).ok_or_else(|| {
        CommandError::Usage(format!("{} is no checkout that git knows", args.git.display()))
    })?;
    let (mut done, mut waiting) = (Vec::new(), Vec::new());
    for handle in objects {
        let Some(object) = flux.get(handle).await? else {
            continue;
        };
        let labels = object.metadata.labels.clone().unwrap_or_default();
        let Some(parent) = applied_by(&labels) else {
            waiting.push(format!("{handle}: nothing says who brings it"));
            continue;
        };
        let applied = flux.get(&parent).await?;
        let applied = applied
            .as_ref()
            .and_then(|parent| parent.data["status"]["lastAppliedRevision"].as_str())
            .unwrap_or_default();
        if !applied.ends_with(&head) {
            waiting.push(format!(
                "{handle}: {parent} has applied {}, and the checkout is at {head}: push, wait, and try again",
                if applied.is_empty() { "nothing" } else { applied }
            ));
        } else if hand_over(&flux, handle, &object, parent.kind.controller()).await? {
            done.push(handle.clone());
        }
    }
    Ok((done, waiting))
}

fn summary(changes: &Changes, files: usize, written: bool, left_out: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    for object in &changes.done {
        lines.push(format!("{} has the label already", clean(&object.to_string())));
    }
    for object in &changes.unplaced {
        lines.push(format!(
            "{} is for you to label: {}",
            clean(&object.object.to_string()),
            clean(&object.why)
        ));
    }
    for why in left_out {
        lines.push(clean(why).into_owned());
    }
    if !changes.labelled.is_empty() {
        let labels = count(changes.labelled.len(), "label");
        let differs = if changes.labelled.len() == 1 {
            "differs"
        } else {
            "differ"
        };
        lines.push(format!(
            "{}, {labels}. Built {} before and after: {labels} {differs}, nothing else. {}",
            count(files, "file"),
            count(changes.roots, "root"),
            if written {
                "Written; nothing is committed."
            } else {
                "Nothing written (--write)."
            }
        ));
    }
    lines
}
