//! `openflux migrate apply`.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use flux_fleet::moving::report::Told;
use flux_fleet::moving::{Ending, Header, Journal, Report, Step, back_lines};
use flux_fleet::plan::MigrationPlan;
use flux_fleet::scan::{Class, Note, Verdict, Wave, verdicts};
use flux_fleet::text::{clean, count};
use flux_fleet::{Handle, Subject};
use jiff::Timestamp;
use kube::core::SelectorExt as _;
use tokio::sync::watch;

use super::Outcome;
use crate::checkout::Dirty;
use crate::cluster::{
    CommandError, ConnectArgs, Controller, Format, OutputArgs, Printer, ShadowArgs, duration, print_lines,
    tell_what_is_missing,
};
use crate::moving::around::{Around, Edit};
use crate::moving::lease;
use crate::moving::prove::{Asking, Planned};
use crate::moving::setting::{self, PatienceArgs, Setting, Target, target};
use crate::moving::state::{Options, Via, random};
use crate::moving::stop::Stop;
use crate::moving::store::{Store, journals, name_of, path_beside};
use crate::moving::waves::{Numbered, Pace, Run, confirm, question, shares};

/// Which objects move, and how.
#[derive(Args, Debug)]
pub(crate) struct ApplyArgs {
    /// The objects, as ks/NAME or hr/NAMESPACE/NAME, or the file of a plan; with --resume the name of a migration, the plan, or
    /// nothing for the newest.
    #[arg(value_name = "OBJECT|PLAN")]
    targets: Vec<String>,
    /// Objects with these labels.
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "resume")]
    selector: Option<String>,
    /// All objects that can move.
    #[arg(long, conflicts_with_all = ["selector", "resume"])]
    all: bool,
    /// Only the objects of this namespace; for names without one, the namespace they are in.
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,
    /// Go on with a migration that was stopped, paused or killed.
    #[arg(long)]
    resume: bool,
    /// Leave this object where it is. Repeatable.
    #[arg(long, value_name = "OBJECT")]
    skip: Vec<String>,
    /// How the label comes to the objects; cluster if nothing is said, and as it has begun with --resume.
    #[arg(long, value_enum, value_name = "WAY")]
    via: Option<ViaArg>,
    #[command(flatten)]
    commit: CommitArgs,
    /// A command that a shell runs before each wave and after it; if it fails, no other wave is begun. OPENFLUX_EVENT is before or
    /// after, OPENFLUX_RESULT moved or stopped; there are OPENFLUX_MIGRATION, OPENFLUX_WAVE and OPENFLUX_OBJECTS too.
    #[arg(long, value_name = "COMMAND")]
    hook: Option<String>,
    /// Move this wave alone.
    #[arg(long, value_name = "NUMBER", conflicts_with = "until")]
    wave: Option<usize>,
    /// Move no wave after this one.
    #[arg(long, value_name = "NUMBER")]
    until: Option<usize>,
    /// Stop after one wave; --resume goes on.
    #[arg(long)]
    pause_after_wave: bool,
    /// For how long each object is watched after it has moved.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    soak: Duration,
    #[command(flatten)]
    patience: PatienceArgs,
    /// Move objects that are suspended too; they stay suspended.
    #[arg(long)]
    include_suspended: bool,
    /// Move what applies Flux itself too.
    #[arg(long)]
    include_roots: bool,
    /// Go on when others than Flux have changed an object meanwhile.
    #[arg(long)]
    tolerate_foreign: bool,
    /// Leave an object with openflux when something has changed.
    #[arg(long)]
    keep_failed: bool,
    /// Where the journal is kept on this machine; by default beside the plan, or else where you are.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Ask nothing.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    shadow: ShadowArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// How the label comes to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ViaArg {
    /// It is set in the cluster, and can be taken back in a second.
    Cluster,
    /// It is committed, and arrives with the run of the parent: when that is, nobody can make sure that stock is idle.
    Git,
}

/// How labels get into Git.
#[derive(Args, Debug)]
struct CommitArgs {
    /// With --via=git: the checkout into which the labels of those objects of each wave are put that are proven; you commit and push,
    /// the labels alone. Without it somebody else does, once they are named.
    #[arg(long, value_name = "DIR")]
    git: Option<PathBuf>,
    /// The folder where the cluster begins, such as clusters/production; needed where the checkout is for several.
    #[arg(long, value_name = "FOLDER", requires = "git")]
    path: Option<String>,
    /// Edit files that have changes which are not committed.
    #[arg(long, requires = "git")]
    allow_dirty: bool,
    /// With --via=git: how long the labels may take until they have come.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1h")]
    git_timeout: Duration,
}

/// What is to move.
struct Work {
    header: Header,
    /// The waves that are to be gone through, without what is done.
    waves: Vec<Numbered>,
    /// What was asked for and does not move.
    left: Vec<Told>,
    /// What was asked for and has moved already.
    already: Vec<Handle>,
    plan: Option<MigrationPlan>,
}

pub(crate) async fn apply(args: &ApplyArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("migrate apply", &[Format::Table, Format::Json, Format::Yaml])?;
    if args.commit.git.is_some() && !args.resume {
        refuse_git(args, via(args))?;
    }
    let plan = read_plan(args)?;
    let setting = Setting::find(&args.connect, None).await?;
    if let Some(plan) = &plan {
        plan.is_for(&setting.uid)
            .map_err(|error| CommandError::Usage(error.to_string()))?;
        is_label(plan, &setting.label)?;
    }
    tell_what_is_missing(&setting.facts);
    let found = verdicts(&setting.facts);
    let journal = if args.resume {
        let migration = migration_of(args)?;
        Some(
            setting
                .journal(migration.as_deref(), args.journal.as_deref())
                .await?,
        )
    } else {
        None
    };
    let mut work = match &journal {
        Some(journal) => {
            refuse_other_way(args, &journal.header)?;
            let moved: BTreeSet<_> = moved(&found);
            let mut work = Work {
                header: journal.header.clone(),
                waves: numbered(&journal.header.waves),
                left: Vec::new(),
                already: Vec::new(),
                plan,
            };
            let is_done = |object: &Handle| {
                let progress = journal.progress.get(object);
                progress.is_some_and(|progress| progress.step == Step::Done) && moved.contains(object)
            };
            for wave in &mut work.waves {
                wave.objects.retain(|object| !is_done(object));
            }
            work
        }
        None => match plan {
            Some(plan) => {
                refuse_begun(&setting, &plan).await?;
                planned(plan, args, &setting)
            }
            None => choose(args, &setting, &found)?,
        },
    };
    let skipped: Result<BTreeSet<Handle>, _> = args
        .skip
        .iter()
        .map(|object| handle(object, args, &setting))
        .collect();
    let skipped = skipped?;
    for wave in &mut work.waves {
        wave.objects.retain(|object| !skipped.contains(object));
    }
    work.waves.retain(|wave| {
        let number = wave.number;
        let is_meant =
            args.wave.is_none_or(|only| only == number) && args.until.is_none_or(|last| number <= last);
        is_meant && !wave.objects.is_empty()
    });
    carry_out(args, &setting, work, journal, printer, out).await
}

async fn carry_out(
    args: &ApplyArgs,
    setting: &Setting,
    work: Work,
    journal: Option<Journal>,
    printer: Printer,
    out: &mut dyn Write,
) -> Result<Outcome, CommandError> {
    let shows = matches!(printer.format, Format::Table);
    let mut report = Report::of_move(work.header.migration.clone());
    if !work.left.is_empty() {
        report.end(Ending::Skipped);
    }
    let moving: usize = work.waves.iter().map(|wave| wave.objects.len()).sum();
    if shows {
        let about = format!(
            "{} as {}: {} in {}, 0 changes to workloads expected.",
            clean(&setting.cluster.name),
            clean(&setting.by),
            count(moving, "object"),
            count(work.waves.len(), "wave")
        );
        print_lines(out, [about])?;
        for told in &work.left {
            print_lines(out, told.lines(printer.style))?;
        }
        let already = work.already.iter();
        print_lines(out, already.map(|object| format!("{object} has moved already")))?;
    }
    let via = via_of(&work.header);
    if shows && via == Via::Git {
        let about = "The labels come from Git: when they do, nobody makes sure that stock is idle. A cluster label first, and Git then \
                     (openflux migrate finish), is the careful way.";
        print_lines(out, [about.to_owned()])?;
    }
    report.objects.extend(work.left.iter().cloned());
    let all: Vec<Handle> = work.header.objects().cloned().collect();
    if args.dry_run && shows {
        print_lines(out, would(&work, setting, via))?;
        return Ok(Outcome::Ended(report.ending.exit_code()));
    }
    if args.dry_run || moving == 0 {
        let code = work
            .left
            .iter()
            .find_map(|told| told.why.get(..4))
            .map(str::to_owned);
        return finish(setting, &all, report, printer, out, |report| {
            if let Some(code) = code {
                let command = format!("openflux explain {code}");
                report
                    .next
                    .push(("what that means, and what to do".to_owned(), command));
            }
        })
        .await;
    }
    if shows {
        print_lines(out, ["Back, at any time, also without this tool:".to_owned()])?;
        print_lines(
            out,
            way_back(&all, setting)
                .into_iter()
                .map(|line| format!("  {line}")),
        )?;
    }
    if !confirm(&question("Move", moving, &setting.cluster.name), args.yes)? {
        return Err(CommandError::Usage("nothing was done".to_owned()));
    }
    let client = &setting.cluster.client;
    let (lost, _) = watch::channel(false);
    let held = lease::take(
        client,
        &setting.home,
        &name_of(&work.header.migration),
        lost.clone(),
    )
    .await?;
    let path = args
        .journal
        .clone()
        .unwrap_or_else(|| path_beside(plan_file(args), &work.header.migration));
    let keeping = async {
        // Another may have gone on until the Lease was free.
        let journal = match (&journal, &work.plan) {
            (Some(_), _) => {
                let migration = migration_of(args)?.unwrap_or_else(|| work.header.migration.clone());
                let journal = setting.journal(Some(&migration), args.journal.as_deref());
                journal.await?
            }
            (None, Some(plan)) => {
                refuse_begun(setting, plan).await?;
                Journal::new(work.header.clone())
            }
            (None, None) => Journal::new(work.header.clone()),
        };
        Store::keep(client, &setting.home, journal, Some(&path)).await
    };
    let store = match keeping.await {
        Ok(store) => store,
        Err(error) => {
            held.give_back().await;
            return Err(error);
        }
    };
    let prover = Box::new(prover(args, setting, work.plan).await);
    let (mover, news) = setting.mover(options(args, via), Some(store), prover)?;
    let around = Around {
        migration: work.header.migration.clone(),
        hook: args.hook.clone(),
        edit: args.commit.git.as_ref().map(|root| Edit {
            root: root.clone(),
            path: args.commit.path.clone(),
            label: setting.label.clone(),
            dirty: if args.commit.allow_dirty {
                Dirty::Allowed
            } else {
                Dirty::Refused
            },
        }),
    };
    let stop = Stop::listen(lost);
    let pace = Pace {
        at_once: args.patience.max_parallel,
        pauses: args.pause_after_wave,
        asks: !args.yes && std::io::stdin().is_terminal(),
        shows,
        style: printer.style,
    };
    let mut run = Run {
        mover: &mover,
        news,
        pace,
        stop: &stop,
        total: work.header.waves.len(),
        around: &around,
        report: &mut report,
        out,
    };
    let went = run.go(&work.waves, false).await;
    held.give_back().await;
    went?;
    // By its plan it is found with the journal beside that.
    let migration = match plan_file(args) {
        Some(file) => file.display().to_string(),
        None => work.header.migration.clone(),
    };
    finish(setting, &all, report, printer, out, |report| {
        advise(report, &migration, via);
    })
    .await
}

/// Finds who proves each object right before its move.
async fn prover(args: &ApplyArgs, setting: &Setting, plan: Option<MigrationPlan>) -> Asking {
    let pods = setting.facts.pods.as_ref().map(Vec::as_slice).unwrap_or_default();
    let controller = Controller::find(&args.shadow, &args.connect, pods).await;
    Asking {
        controller: controller.map_err(|error| error.to_string()),
        planned: Planned(plan),
        patience: args.patience.idle_timeout,
    }
}

/// Says in the end who has what, and what to do next.
async fn finish(
    setting: &Setting,
    all: &[Handle],
    mut report: Report,
    printer: Printer,
    out: &mut dyn Write,
    advise: impl FnOnce(&mut Report),
) -> Result<Outcome, CommandError> {
    let (found, lost) = shares(&setting.flux(), all).await?;
    report.shares = found;
    if !lost.is_empty() {
        report.end(Ending::Lost);
        let objects: Vec<_> = lost.iter().map(ToString::to_string).collect();
        report.next.push((
            "give back to stock".to_owned(),
            format!("openflux migrate rollback {}", objects.join(" ")),
        ));
    }
    advise(&mut report);
    if !printer.document(out, &report)? {
        print_lines(out, report.lines(printer.style))?;
    }
    Ok(Outcome::Ended(report.ending.exit_code()))
}

fn advise(report: &mut Report, migration: &str, via: Via) {
    let moved = report
        .objects
        .iter()
        .filter(|told| matches!(told.step, Step::Done));
    let moved: Vec<_> = moved.map(|told| told.object.to_string()).collect();
    let mut next = |what: &str, command: String| report.next.push((what.to_owned(), command));
    let failed = report
        .objects
        .iter()
        .filter(|told| !matches!(told.step, Step::Done));
    let failed: Vec<_> = failed.map(|told| format!(" --skip {}", told.object)).collect();
    match report.ending {
        Ending::Done | Ending::Skipped => {
            next("look again", format!("openflux migrate verify {migration}"));
            if via == Via::Cluster && !moved.is_empty() {
                // By the plan those are found that carry the label.
                let objects = if Path::new(migration).is_file() {
                    migration.to_owned()
                } else {
                    moved.join(" ")
                };
                next(
                    "put the labels into Git",
                    format!("openflux migrate finish {objects} --git DIR --write"),
                );
            }
        }
        Ending::Paused => next("go on", format!("openflux migrate apply {migration} --resume")),
        Ending::Stopped | Ending::Interrupted | Ending::Lost => {
            next("go on", format!("openflux migrate apply {migration} --resume"));
            if report.ending == Ending::Stopped && !failed.is_empty() {
                next(
                    "go on without it",
                    format!("openflux migrate apply {migration} --resume{}", failed.concat()),
                );
            }
        }
    }
    match via {
        Via::Cluster => next("all back", format!("openflux migrate rollback {migration}")),
        Via::Git => next(
            "all back",
            format!("revert the commits; at once: openflux migrate rollback --now {migration}"),
        ),
    }
}

fn via(args: &ApplyArgs) -> Via {
    match args.via {
        Some(ViaArg::Git) => Via::Git,
        Some(ViaArg::Cluster) | None => Via::Cluster,
    }
}

/// How the labels of a migration come, whatever this run was asked for.
const fn via_of(header: &Header) -> Via {
    if header.via_git { Via::Git } else { Via::Cluster }
}

/// Refuses a checkout where labels do not come from Git.
fn refuse_git(args: &ApplyArgs, via: Via) -> Result<(), CommandError> {
    if args.commit.git.is_some() && via != Via::Git {
        return Err(CommandError::Usage(
            "--git is for --via=git; labels that are in the cluster get into Git by openflux migrate finish"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Refuses to go on otherwise than the migration has begun.
fn refuse_other_way(args: &ApplyArgs, header: &Header) -> Result<(), CommandError> {
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

fn options(args: &ApplyArgs, via: Via) -> Options {
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

fn migration_of(args: &ApplyArgs) -> Result<Option<String>, CommandError> {
    match &args.targets[..] {
        [] => Ok(None),
        [migration] => Ok(Some(migration.clone())),
        _ => Err(CommandError::Usage(
            "--resume goes on with one migration".to_owned(),
        )),
    }
}

fn handle(word: &str, args: &ApplyArgs, setting: &Setting) -> Result<Handle, CommandError> {
    let namespace = args.namespace.as_deref().unwrap_or(&setting.cluster.namespace);
    match target(word, namespace) {
        Target::Object(handle) => Ok(handle),
        Target::Migration(word) => Err(CommandError::Usage(format!(
            "{word:?} names no object: write ks/NAME or hr/NAMESPACE/NAME"
        ))),
    }
}

/// Chooses what moves by what a scan says of it.
fn choose(args: &ApplyArgs, setting: &Setting, found: &[Verdict]) -> Result<Work, CommandError> {
    let named: Result<BTreeSet<Handle>, _> = args
        .targets
        .iter()
        .map(|word| handle(word, args, setting))
        .collect();
    let named = named?;
    for handle in &named {
        if !found.iter().any(|verdict| verdict.object == *handle) {
            return Err(CommandError::NotFound(format!("there is no {handle}")));
        }
    }
    if named.is_empty() && args.selector.is_none() && !args.all {
        return Err(CommandError::Usage(
            "say what moves: names, -l SELECTOR, or --all; openflux migrate scan says what can".to_owned(),
        ));
    }
    let selector = args
        .selector
        .as_deref()
        .map(flux_api::selector::parse)
        .transpose()
        .map_err(|error| CommandError::Usage(format!("-l: {error}")))?;
    let subjects = Subject::all(&setting.facts.world);
    let is_meant = |verdict: &&Verdict| {
        if named.contains(&verdict.object) {
            return true;
        }
        let in_namespace = args
            .namespace
            .as_ref()
            .is_none_or(|namespace| *namespace == verdict.object.key.namespace);
        let labels = subjects.iter().find(|subject| subject.handle == verdict.object);
        let has_labels = || {
            let labels = labels.map(|subject| &subject.labels);
            match (&selector, labels) {
                (Some(selector), Some(labels)) => selector.matches(labels),
                _ => args.all,
            }
        };
        in_namespace && has_labels()
    };
    let mut waves = vec![Vec::new(); Wave::ALL.len()];
    let (mut left, mut already) = (Vec::new(), Vec::new());
    for verdict in found.iter().filter(is_meant) {
        let is_named = named.contains(&verdict.object);
        let is_root = verdict.wave == Wave::Roots && !args.include_roots;
        let why = match verdict.class {
            // The guard waits for what is not settled.
            Class::CanMove | Class::NotNow if is_root => {
                Some("M205 it applies Flux itself (--include-roots moves it all the same)".to_owned())
            }
            Class::CanMove | Class::NotNow => None,
            Class::Skipped if args.include_suspended => None,
            // What has moved needs no word.
            Class::Moved if !is_named => continue,
            Class::Moved => {
                already.push(verdict.object.clone());
                continue;
            }
            Class::Blocked | Class::Cannot | Class::Skipped => Some(reasons(&verdict.notes)),
        };
        if let Some(why) = why {
            left.push(Told {
                why,
                ..Told::new(verdict.object.clone(), Step::Skipped)
            });
        } else {
            let wave: &mut Vec<Handle> = &mut waves[verdict.wave.number() - 1];
            wave.push(verdict.object.clone());
        }
    }
    waves.retain(|wave| !wave.is_empty());
    let header = Header {
        migration: format!("{}-{}", Timestamp::now().strftime("%Y%m%d-%H%M%S"), random()?),
        cluster: setting.uid.clone(),
        label: format!("{}={}", setting.label.0, setting.label.1),
        started: Timestamp::now(),
        by: setting.by.clone(),
        waves,
        via_git: via(args) == Via::Git,
    };
    Ok(Work {
        waves: numbered(&header.waves),
        header,
        left,
        already,
        plan: None,
    })
}

/// What moves by a plan.
fn planned(plan: MigrationPlan, args: &ApplyArgs, setting: &Setting) -> Work {
    let waves: Vec<Vec<Handle>> = plan
        .waves()
        .into_iter()
        .map(|number| plan.wave(number).map(|planned| planned.object.clone()).collect())
        .collect();
    let left = plan.objects.iter().filter(|planned| planned.wave.is_none());
    let left = left.map(|planned| {
        let codes: Vec<_> = planned.findings.iter().map(|finding| &*finding.code).collect();
        Told {
            why: codes.join(", "),
            ..Told::new(planned.object.clone(), Step::Skipped)
        }
    });
    let header = Header {
        migration: plan.id.clone(),
        cluster: setting.uid.clone(),
        label: format!("{}={}", plan.label.key, plan.label.value),
        started: Timestamp::now(),
        by: setting.by.clone(),
        waves,
        via_git: via(args) == Via::Git,
    };
    Work {
        waves: numbered(&header.waves),
        header,
        left: left.collect(),
        already: Vec::new(),
        plan: Some(plan),
    }
}

/// Refuses a plan that somebody has begun to carry out.
async fn refuse_begun(setting: &Setting, plan: &MigrationPlan) -> Result<(), CommandError> {
    let journals = journals(&setting.cluster.client, &setting.home).await?;
    if journals.iter().any(|journal| journal.header.migration == plan.id) {
        return Err(CommandError::Usage(format!(
            "plan {} has been begun already: --resume goes on with it",
            plan.id
        )));
    }
    Ok(())
}

/// The file of the plan, if one is named.
fn plan_file(args: &ApplyArgs) -> Option<&Path> {
    match &args.targets[..] {
        [file] => Some(Path::new(file)).filter(|file| file.is_file()),
        _ => None,
    }
}

fn read_plan(args: &ApplyArgs) -> Result<Option<MigrationPlan>, CommandError> {
    let Some(file) = plan_file(args) else {
        return Ok(None);
    };
    let narrows = args.selector.is_some() || args.all || args.namespace.is_some() && args.skip.is_empty();
    if narrows && !args.resume {
        return Err(CommandError::Usage(
            "a plan says which objects move: leave out -l, --all and -n, or make a plan of fewer objects; --skip leaves single ones out"
                .to_owned(),
        ));
    }
    setting::read_plan(file).map(Some)
}

/// Refuses a plan that is about another label than the one that moves objects here.
fn is_label(plan: &MigrationPlan, (key, value): &(String, String)) -> Result<(), CommandError> {
    if plan.label.key == *key && plan.label.value == *value {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "the plan is about the label {}={}, and the one that moves objects here is {key}={value}: openflux migrate plan makes a new one",
        clean(&plan.label.key),
        clean(&plan.label.value)
    )))
}

fn numbered(waves: &[Vec<Handle>]) -> Vec<Numbered> {
    let waves = waves.iter().enumerate();
    let waves = waves.map(|(at, objects)| Numbered {
        number: at + 1,
        objects: objects.clone(),
    });
    waves.collect()
}

fn reasons(notes: &[Note]) -> String {
    let notes: Vec<_> = notes
        .iter()
        .map(|note| format!("{} {}", note.code, note.why))
        .collect();
    notes.join("; ")
}

fn moved(found: &[Verdict]) -> BTreeSet<Handle> {
    let moved = found.iter().filter(|verdict| verdict.class == Class::Moved);
    moved.map(|verdict| verdict.object.clone()).collect()
}

fn way_back(objects: &[Handle], setting: &Setting) -> Vec<String> {
    let former: Vec<(Handle, String)> = Subject::all(&setting.facts.world)
        .into_iter()
        .filter(|subject| objects.contains(&subject.handle))
        .filter_map(|subject| {
            let former = subject.labels.get(&setting.label.0)?.clone();
            (former != setting.label.1).then_some((subject.handle, former))
        })
        .collect();
    back_lines(
        (&setting.label.0, &setting.label.1),
        former.iter().map(|(handle, former)| (handle, former.as_str())),
    )
}

fn would(work: &Work, setting: &Setting, via: Via) -> Vec<String> {
    let (key, value) = &setting.label;
    let mut lines = Vec::new();
    for wave in &work.waves {
        lines.push(format!("wave {}", wave.number));
        for object in &wave.objects {
            lines.push(match via {
                Via::Cluster => {
                    format!("  {object}: label {key}={value}, once stock has ended a run of it")
                }
                Via::Git => format!("  {object}: label {key}={value}, once it has come from Git"),
            });
        }
    }
    lines.push("Nothing was written (--dry-run).".to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches as _};
    use serde_json::json;

    use super::*;

    fn plan() -> serde_json::Value {
        json!({
            "apiVersion": flux_fleet::API_VERSION, "kind": "MigrationPlan", "id": "p",
            "created": "2026-01-01T00:00:00Z", "cluster": {}, "versions": {},
            "label": {"key": "k", "value": "v"}, "objects": [],
        })
    }

    #[test]
    fn a_plan_is_carried_out_as_it_is() {
        let file = std::env::temp_dir().join(format!("openflux-plan-{}.json", std::process::id()));
        std::fs::write(&file, plan().to_string()).unwrap();
        let read = |words: &[&str]| {
            let words = [&["apply", file.to_str().unwrap()], words].concat();
            let matches = ApplyArgs::augment_args(Command::new("apply"))
                .try_get_matches_from(words)
                .unwrap();
            read_plan(&ApplyArgs::from_arg_matches(&matches).unwrap())
        };
        assert_eq!(read(&[]).unwrap().unwrap().id, "p");
        for refused in [&["-l", "a=b"][..], &["--all"], &["-n", "apps"]] {
            let why = read(refused).unwrap_err().to_string();
            assert!(why.contains("a plan says which objects move"), "{why}");
        }
        assert!(read(&["-n", "apps", "--skip", "ks/a"]).is_ok());
        assert!(read(&["-n", "apps", "--resume"]).is_ok());
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn a_plan_is_about_one_label() {
        let plan = MigrationPlan::read(&plan().to_string()).unwrap();
        let label = |value: &str| ("k".to_owned(), value.to_owned());
        assert!(is_label(&plan, &label("v")).is_ok());
        let why = is_label(&plan, &label("other")).unwrap_err().to_string();
        assert!(why.contains("k=v") && why.contains("k=other"), "{why}");
    }
}
