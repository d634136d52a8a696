//! `openflux migrate rollback`: one object, a migration, all of them, or the whole fleet at once.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use clap::Args;
use flux_fleet::moving::way_back::{Exclusion, exclusion, way_back};
use flux_fleet::moving::{Ending, Report, Return, SUSPENDED_FOR, Step};
use flux_fleet::text::clean;
use flux_fleet::{DeployerKind, Handle, Subject};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::sync::watch;

use super::Outcome;
use crate::cluster::{CommandError, ConnectArgs, Format, OutputArgs, Printer, print_lines};
use crate::moving::back::parent_of;
use crate::moving::flux::said;
use crate::moving::prove::Planned;
use crate::moving::setting::{PatienceArgs, Setting, Target, options_of_return, target};
use crate::moving::waves::{Pace, Run, Stop, confirm, question, shares};

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
        return fleet(args, &setting, out).await;
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
    for (parent, object) in &suspends {
        setting.flux().suspend(parent, Some(object)).await?;
    }
    let (mover, news) = setting.mover(
        options_of_return(&args.patience, args.now),
        None,
        Box::new(Planned(None)),
    )?;
    let (lost, _) = watch::channel(false);
    let stop = Stop::listen(lost);
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
        report: &mut report,
        out,
    };
    run.go(&waves, Some(Step::Back)).await?;
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

/// Takes the exclusion from all stock Deployments.
async fn fleet(args: &RollbackArgs, setting: &Setting, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let (key, _) = &setting.label;
    let mut changes = Vec::new();
    for kind in DeployerKind::ALL {
        for (deployment, container) in setting.facts.stock(kind.controller()) {
            let found = exclusion(container, &setting.label);
            if let Exclusion::Excludes { arguments } = found {
                let containers = deployment
                    .spec
                    .iter()
                    .filter_map(|spec| spec.template.spec.as_ref());
                let at = containers
                    .flat_map(|pod| &pod.containers)
                    .position(|other| other.name == container.name);
                changes.push((
                    deployment,
                    at.unwrap_or_default(),
                    container.args.clone(),
                    arguments,
                ));
            }
        }
    }
    if changes.is_empty() {
        print_lines(
            out,
            [format!(
                "No stock controller excludes {key}: there is nothing to do."
            )],
        )?;
        return Ok(Outcome::Done);
    }
    for (deployment, ..) in &changes {
        let name = format!(
            "{}/{}",
            deployment.namespace().unwrap_or_default(),
            deployment.name_any()
        );
        print_lines(
            out,
            [format!(
                "{}: its selector would not exclude {key} any more",
                clean(&name)
            )],
        )?;
    }
    if args.dry_run {
        print_lines(out, ["Nothing was written (--dry-run).".to_owned()])?;
        return Ok(Outcome::Done);
    }
    let asked = format!("Have stock select everything on {}?", setting.cluster.name);
    if !confirm(&asked, args.yes)? {
        return Err(CommandError::Usage("nothing was done".to_owned()));
    }
    let client = &setting.cluster.client;
    // All first: as long as one controller of stock is left out, its objects have another owner than the rest.
    let (mut patched, mut failures) = (Vec::new(), Vec::new());
    for (deployment, at, before, after) in &changes {
        let path = format!("/spec/template/spec/containers/{at}/args");
        let patch = json!([{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]);
        let patch: Patch<()> = Patch::Json(
            serde_json::from_value(patch).map_err(|error| CommandError::Document(error.to_string()))?,
        );
        let namespace = deployment.namespace().unwrap_or_default();
        let api: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
        let params = PatchParams {
            field_manager: Some(flux_fleet::moving::MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let name = deployment.name_any();
        match api.patch(&name, &params, &patch).await {
            Ok(_) => patched.push((api, namespace, name)),
            Err(error) => {
                let error = CommandError::api(format!("Deployment {namespace}/{name}"))(error);
                if patched.is_empty() {
                    return Err(error);
                }
                failures.push(error);
            }
        }
    }
    let rolling_out = patched
        .iter()
        .map(|(api, _, name)| await_roll_out(api, name, args.patience.timeout));
    let rolled_out = futures::future::join_all(rolling_out).await;
    for ((_, namespace, name), rolled_out) in patched.iter().zip(rolled_out) {
        match rolled_out {
            Ok(()) => print_lines(out, [format!("{namespace}/{name}: selects everything again")])?,
            Err(error) => failures.push(error),
        }
    }
    if !failures.is_empty() {
        let lines = failures.iter().map(|error| clean(&said(error)).into_owned());
        print_lines(out, lines)?;
        print_lines(
            out,
            ["Stopped: not all was done. openflux migrate rollback --fleet goes on.".to_owned()],
        )?;
        return Ok(Outcome::Ended(Ending::Stopped.exit_code()));
    }
    print_lines(
        out,
        [
            "openflux stands back from what stock selects. Take the exclusion out of the bootstrap repository or the".to_owned(),
            "FluxInstance too, which bring it back otherwise. openflux migrate verify looks again.".to_owned(),
        ],
    )?;
    Ok(Outcome::Done)
}

async fn await_roll_out(api: &Api<Deployment>, name: &str, timeout: Duration) -> Result<(), CommandError> {
    let end = tokio::time::Instant::now() + timeout;
    loop {
        let found = api.get(name).await;
        let deployment = found.map_err(CommandError::api(format!("Deployment {name}")))?;
        let status = deployment.status.clone().unwrap_or_default();
        let is_over = status.observed_generation >= deployment.metadata.generation
            && status.updated_replicas.unwrap_or_default() >= status.replicas.unwrap_or_default()
            && status.terminating_replicas.unwrap_or_default() == 0
            && status.ready_replicas.unwrap_or_default() > 0;
        if is_over {
            return Ok(());
        }
        if tokio::time::Instant::now() >= end {
            return Err(CommandError::Usage(format!(
                "the roll-out of Deployment {name} has not ended: kubectl rollout status says why"
            )));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
