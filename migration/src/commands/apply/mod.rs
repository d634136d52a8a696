//! `openflux migrate apply`.
//!
//! `args` is what it is told, `choice` finds out what moves, `ending` says what has come of it. What moves objects is in `crate::moving`.

mod args;
mod choice;
mod ending;

use std::io::{IsTerminal as _, Write};

pub(crate) use args::ApplyArgs;
use flux_fleet::Handle;
use flux_fleet::moving::{Ending, Journal, Report};
use flux_fleet::plan::MigrationPlan;
use flux_fleet::scan::verdicts;
use tokio::sync::watch;

use self::args::{migration_of, options, plan_file, refuse_git, refuse_other_way, via, via_of};
use self::choice::{Work, choose, is_label, planned, read_plan, refuse_begun, resumed};
use self::ending::{advise, explain, finish, introduce, way_back, would};
use super::Outcome;
use crate::checkout::Dirty;
use crate::cluster::{CommandError, Controller, Format, Printer, print_lines, tell_what_is_missing};
use crate::moving::around::{Around, Edit};
use crate::moving::asking::{confirm, question};
use crate::moving::lease;
use crate::moving::look::Expected;
use crate::moving::prove::{Asking, Planned};
use crate::moving::setting::Setting;
use crate::moving::stop::Stop;
use crate::moving::store::{Store, name_of, path_beside};
use crate::moving::waves::{Pace, Run};

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
            resumed(journal, plan, &found)
        }
        None => match plan {
            Some(plan) => {
                refuse_begun(&setting, &plan).await?;
                planned(plan, args, &setting)
            }
            None => choose(args, &setting, &found)?,
        },
    };
    work.narrow(args, &setting)?;
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
    let moving = work.moving();
    let via = via_of(&work.header);
    if shows {
        introduce(&work, setting, via, printer, out)?;
    }
    report.objects.extend(work.left.iter().cloned());
    let all: Vec<Handle> = work.header.objects().cloned().collect();
    if args.dry_run && shows {
        print_lines(out, would(&work, setting, via))?;
        return Ok(Outcome::Ended(report.ending.exit_code()));
    }
    if args.dry_run || moving == 0 {
        return finish(setting, &all, report, printer, out, explain).await;
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
    let (mover, news) = setting.mover(
        options(args, via),
        Some(store),
        prover,
        Expected::of(&work.header, &setting.label.0),
    )?;
    let around = around(args, setting, &work.header.migration);
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

/// Finds out what is done around each wave.
fn around(args: &ApplyArgs, setting: &Setting, migration: &str) -> Around {
    let edit = args.commit.git.as_ref().map(|root| Edit {
        root: root.clone(),
        path: args.commit.path.clone(),
        label: setting.label.clone(),
        dirty: if args.commit.allow_dirty {
            Dirty::Allowed
        } else {
            Dirty::Refused
        },
    });
    Around {
        migration: migration.to_owned(),
        hook: args.hook.clone(),
        edit,
    }
}
