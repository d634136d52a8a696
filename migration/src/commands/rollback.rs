//! `openflux migrate rollback`: one object, a migration, all of them, or the whole fleet at once.

use std::collections::BTreeSet;
use std::io::Write;

use clap::Args;
use flux_fleet::moving::way_back::way_back;
use flux_fleet::moving::{Ending, Report, Return, SUSPENDED_FOR};
use flux_fleet::text::clean;
use flux_fleet::{Handle, Subject};
use tokio::sync::watch;

use super::Outcome;
use super::rollback_fleet::{Asked, fleet};
use crate::cluster::{CommandError, ConnectArgs, Format, OutputArgs, Printer, print_lines};
use crate::moving::around::Around;
use crate::moving::asking::{confirm, question};
use crate::moving::back::parent_of;
use crate::moving::flux::said;
use crate::moving::lease::{self, Held, give_back_all};
use crate::moving::look::Expected;
use crate::moving::prove::Planned;
use crate::moving::setting::{PatienceArgs, Setting, Target, options_of_return, target};
use crate::moving::shares::shares;
use crate::moving::stop::Stop;
use crate::moving::store::{journals, name_of};
use crate::moving::waves::{Numbered, Pace, Run};

/// What returns to stock, and how.
#[derive(Args, Debug)]
pub(crate) struct RollbackArgs {
    /// The objects, as ks/NAME or hr/NAMESPACE/NAME, or a migration, by its name or the file of its plan.
    #[arg(value_name = "OBJECT|MIGRATION")]
    targets: Vec<String>,
    /// Everything that carries the label.
    #[arg(long, conflicts_with_all = ["targets", "fleet"])]
    all: bool,
    /// Take the label away although Git has it, and suspend the parent, so that it does not come back.
    #[arg(long, conflicts_with = "fleet")]
    now: bool,
    /// Resume the parents that --now has suspended, once Git has the label no more.
    #[arg(long, conflicts_with_all = ["all", "fleet", "now"])]
    resume_parent: bool,
    /// Have stock select everything again, at once: ours stands back by itself.
    #[arg(long, conflicts_with = "targets")]
    fleet: bool,
    /// The namespace of names without one.
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,
    /// The label, if our controller is not there to say it and it is not the usual one.
    #[arg(long, value_name = "KEY=VALUE")]
    label: Option<String>,
    #[command(flatten)]
    patience: PatienceArgs,
    /// Say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// Ask nothing.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn rollback(args: &RollbackArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("migrate rollback", &[Format::Table, Format::Json, Format::Yaml])?;
    let setting = Setting::find(&args.connect, args.label.as_deref()).await?;
    if args.fleet {
        let asked = Asked {
            dry_run: args.dry_run,
            yes: args.yes,
            timeout: args.patience.timeout,
        };
        return fleet(&asked, &setting, out).await;
    }
    let (objects, migration) = choose(args, &setting).await?;
    if args.resume_parent {
        return resume_parents(&setting, &objects, out).await;
    }
    let subjects = Subject::all(&setting.facts.world);
    let (key, value) = &setting.label;
    // What applies others returns before them, as it moved after them.
    let mut waves: Vec<Vec<Handle>> = vec![Vec::new(); 4];
    for verdict in flux_fleet::scan::verdicts(&setting.facts) {
        let labelled = subjects
            .iter()
            .any(|subject| subject.handle == verdict.object && subject.labels.get(key) == Some(value));
        if labelled && objects.contains(&verdict.object) {
            waves[verdict.wave.number() - 1].push(verdict.object);
        }
    }
    waves.reverse();
    waves.retain(|wave| !wave.is_empty());
    let number: usize = waves.iter().map(Vec::len).sum();
    let shows = printer.format == Format::Table;
    let mut report = Report::of_return(migration.clone().unwrap_or_default());
    if number == 0 {
        if shows {
            print_lines(
                out,
                [format!(
                    "None of these objects carries {key}={value}: there is nothing to do."
                )],
            )?;
        }
        return finish(&setting, &objects, report, printer, out).await;
    }
    let mut suspends = Vec::new();
    if args.now {
        suspends = parents_in_git(&setting, &waves).await?;
    }
    if args.dry_run {
        for (parent, object) in &suspends {
            print_lines(
                out,
                [format!(
                    "{parent}: would be suspended, because Git has the label of {object}"
                )],
            )?;
        }
        for object in waves.iter().flatten() {
            print_lines(
                out,
                [format!("{object}: the label {key}={value} would be taken away")],
            )?;
        }
        print_lines(out, ["Nothing was written (--dry-run).".to_owned()])?;
        return Ok(Outcome::Done);
    }
    let mut verb = "Give back to stock".to_owned();
    if !suspends.is_empty() {
        let parents: BTreeSet<_> = suspends.iter().map(|(parent, _)| parent.to_string()).collect();
        let parents: Vec<_> = parents.into_iter().collect();
        verb = format!("Suspend {}, and give back to stock", parents.join(", "));
    }
    if !confirm(&question(&verb, number, &setting.cluster.name), args.yes)? {
        return Err(CommandError::Usage("nothing was done".to_owned()));
    }
    let (lost, _) = watch::channel(false);
    let held = leases(&setting, migration.as_deref(), &objects, &lost).await?;
    let went = give_back(
        args,
        &setting,
        &waves,
        &suspends,
        (lost, shows, printer),
        &mut report,
        out,
    )
    .await;
    give_back_all(held).await;
    went?;
    for (parent, object) in &suspends {
        report.next.push((
            format!("revert the label of {object} in Git, then"),
            format!("openflux migrate rollback --resume-parent {object}"),
        ));
        report
            .next
            .push((format!("{parent} stays suspended until then"), String::new()));
    }
    finish(&setting, &objects, report, printer, out).await
}

/// Suspends parents, and gives objects back wave by wave.
async fn give_back(
    args: &RollbackArgs,
    setting: &Setting,
    waves: &[Vec<Handle>],
    suspends: &[(Handle, Handle)],
    (lost, shows, printer): (watch::Sender<bool>, bool, Printer),
    report: &mut Report,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    for (parent, object) in suspends {
        setting.flux().suspend(parent, Some(object)).await?;
    }
    let (mover, news) = setting.mover(
        options_of_return(&args.patience, args.now),
        None,
        Box::new(Planned(None)),
        Expected::default(),
    )?;
    let (stop, around) = (Stop::listen(lost), Around::default());
    let mut run = Run {
        mover: &mover,
        news,
        pace: Pace {
            at_once: args.patience.max_parallel,
            pauses: false,
            asks: false,
            shows,
            style: printer.style,
        },
        stop: &stop,
        total: waves.len(),
        around: &around,
        report,
        out,
    };
    let waves = waves.iter().enumerate().map(|(at, objects)| Numbered {
        number: at + 1,
        objects: objects.clone(),
    });
    let waves: Vec<_> = waves.collect();
    run.go(&waves, true).await
}

/// The Lease of rollbacks that belong to no migration.
const ROLLBACK: &str = "rollback";

/// Takes the Leases of all migrations that somebody may be moving these objects by, so that nobody does meanwhile.
async fn leases(
    setting: &Setting,
    migration: Option<&str>,
    objects: &BTreeSet<Handle>,
    lost: &watch::Sender<bool>,
) -> Result<Vec<Held>, CommandError> {
    let (client, home) = (&setting.cluster.client, &setting.home);
    let taking = async {
        let (taken, journals) = futures::try_join!(lease::names(client, home), journals(client, home))?;
        let concerned = journals
            .iter()
            .filter(|journal| journal.header.objects().any(|object| objects.contains(object)));
        let mut names: BTreeSet<String> = concerned
            .map(|journal| name_of(&journal.header.migration))
            .filter(|name| taken.contains(name))
            .collect();
        names.insert(name_of(migration.unwrap_or(ROLLBACK)));
        lease::take_all(client, home, &names, lost).await
    };
    match taking.await {
        // The way back is open to those too who may write no Leases.
        Err(error @ CommandError::Api { .. }) => {
            writeln!(
                std::io::stderr(),
                "nothing keeps others from moving these objects meanwhile: {}",
                clean(&said(&error))
            )?;
            Ok(Vec::new())
        }
        held => held,
    }
}

async fn finish(
    setting: &Setting,
    objects: &BTreeSet<Handle>,
    mut report: Report,
    printer: Printer,
    out: &mut dyn Write,
) -> Result<Outcome, CommandError> {
    let objects: Vec<_> = objects.iter().cloned().collect();
    let (found, lost) = shares(&setting.flux(), &objects).await?;
    report.shares = found;
    if !lost.is_empty() {
        report.end(Ending::Lost);
        report
            .next
            .push(("find out why".to_owned(), "openflux doctor".to_owned()));
    }
    if !printer.document(out, &report)? {
        print_lines(out, report.lines(printer.style))?;
    }
    Ok(Outcome::Ended(report.ending.exit_code()))
}

/// The objects that are meant, and the migration if one is named.
async fn choose(
    args: &RollbackArgs,
    setting: &Setting,
) -> Result<(BTreeSet<Handle>, Option<String>), CommandError> {
    let namespace = args.namespace.as_deref().unwrap_or(&setting.cluster.namespace);
    let (key, value) = &setting.label;
    let subjects = Subject::all(&setting.facts.world);
    if args.all {
        let labelled = subjects
            .iter()
            .filter(|subject| subject.labels.get(key) == Some(value));
        return Ok((labelled.map(|subject| subject.handle.clone()).collect(), None));
    }
    let (mut objects, mut named) = (BTreeSet::new(), None);
    for word in &args.targets {
        match target(word, namespace) {
            Target::Object(handle) => {
                if !subjects.iter().any(|subject| subject.handle == handle) {
                    return Err(CommandError::NotFound(format!("there is no {handle}")));
                }
                objects.insert(handle);
            }
            Target::Migration(migration) => {
                let journal = setting.journal(Some(&migration), None).await?;
                objects.extend(journal.header.objects().cloned());
                named = Some(journal.header.migration);
            }
        }
    }
    if objects.is_empty() {
        return Err(CommandError::Usage(
            "say what returns: names, a migration, --all, or --fleet".to_owned(),
        ));
    }
    Ok((objects, named))
}

/// The parents that would bring the label back, each with the object.
async fn parents_in_git(
    setting: &Setting,
    waves: &[Vec<Handle>],
) -> Result<Vec<(Handle, Handle)>, CommandError> {
    let subjects = Subject::all(&setting.facts.world);
    let mut parents = Vec::new();
    for handle in waves.iter().flatten() {
        let Some(object) = setting.flux().get(handle).await? else {
            continue;
        };
        if !matches!(way_back(&object.metadata, &setting.label), Return::InGit(_)) {
            continue;
        }
        let subject = subjects.iter().find(|subject| subject.handle == *handle);
        let parent = subject.and_then(parent_of).ok_or_else(|| {
            CommandError::Usage(format!(
                "{handle} is brought by nobody that can be suspended: stop what brings it, then roll back"
            ))
        })?;
        let is_suspended = subjects
            .iter()
            .any(|subject| subject.handle == parent && subject.state == flux_fleet::State::Suspended);
        if !is_suspended {
            parents.push((parent, handle.clone()));
        }
    }
    Ok(parents)
}

async fn resume_parents(
    setting: &Setting,
    objects: &BTreeSet<Handle>,
    out: &mut dyn Write,
) -> Result<Outcome, CommandError> {
    let flux = setting.flux();
    let mut resumed = 0;
    for subject in Subject::all(&setting.facts.world) {
        let suspended_for = subject.annotations.get(SUSPENDED_FOR);
        let is_meant =
            suspended_for.is_some_and(|object| objects.iter().any(|handle| handle.to_string() == *object));
        if is_meant {
            flux.suspend(&subject.handle, None).await?;
            print_lines(out, [format!("{} is resumed", subject.handle)])?;
            resumed += 1;
        }
    }
    if resumed == 0 {
        print_lines(
            out,
            ["No parent of these objects was suspended by this tool.".to_owned()],
        )?;
    }
    Ok(Outcome::Done)
}
