//! What is said of a move: who has what in the end, what to do next, and what would be done.

use std::io::Write;
use std::path::Path;

use flux_fleet::moving::{Ending, Report, Step, back_lines};
use flux_fleet::text::{clean, count};
use flux_fleet::{Handle, Subject};

use super::choice::Work;
use crate::cluster::{CommandError, Printer, print_lines};
use crate::commands::Outcome;
use crate::moving::setting::Setting;
use crate::moving::shares::shares;
use crate::moving::state::Via;

/// Says what is about to move, and how.
pub(super) fn introduce(
    work: &Work,
    setting: &Setting,
    via: Via,
    printer: Printer,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    let about = format!(
        "{} as {}: {} in {}, 0 changes to workloads expected.",
        clean(&setting.cluster.name),
        clean(&setting.by),
        count(work.moving(), "object"),
        count(work.waves.len(), "wave")
    );
    print_lines(out, [about])?;
    for told in &work.left {
        print_lines(out, told.lines(printer.style))?;
    }
    let already = work.already.iter();
    print_lines(out, already.map(|object| format!("{object} has moved already")))?;
    if via == Via::Git {
        let about = "The labels come from Git: when they do, nobody makes sure that stock is idle. A cluster label first, and Git then \
                     (openflux migrate finish), is the careful way.";
        print_lines(out, [about.to_owned()])?;
    }
    Ok(())
}

/// Says in the end who has what, and what to do next.
pub(super) async fn finish(
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

/// Says where there is more about why objects did not move.
pub(super) fn explain(report: &mut Report) {
    for code in report.codes() {
        let what = format!("what {code} means, and what to do");
        report.next.push((what, format!("openflux explain {code}")));
    }
}

/// Says what to do next.
pub(super) fn advise(report: &mut Report, migration: &str, via: Via) {
    let moved = report
        .objects
        .iter()
        .filter(|told| matches!(told.step, Step::Done));
    let moved: Vec<_> = moved.map(|told| told.object.to_string()).collect();
    explain(report);
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

/// The lines that give everything back without this tool.
pub(super) fn way_back(objects: &[Handle], setting: &Setting) -> Vec<String> {
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

/// What would be done.
pub(super) fn would(work: &Work, setting: &Setting, via: Via) -> Vec<String> {
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
