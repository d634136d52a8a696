//! `openflux migrate verify` and `openflux migrate status`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use flux_fleet::moving::verify::Verification;
use flux_fleet::moving::{Journal, MOVED_AT, MOVED_BY, Step};
use flux_fleet::text::{Table, Tone, age, clean, count};
use flux_fleet::{API_VERSION, Handle, Owners, Subject};
use jiff::Timestamp;
use serde_json::json;

use super::Outcome;
use crate::cluster::{CommandError, ConnectArgs, Format, OutputArgs, print_lines};
use crate::moving::look::{Applied, Expected, Looker};
use crate::moving::setting::Setting;
use crate::moving::store;

/// What is looked at.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// The migration, by its name or the file of its plan; everything that carries the label if none is named.
    #[arg(value_name = "MIGRATION")]
    migration: Option<String>,
    /// Where its journal is on this machine.
    #[arg(long, value_name = "FILE", requires = "migration")]
    journal: Option<PathBuf>,
    /// The label, if our controller is not there to say it and it is not the usual one.
    #[arg(long, value_name = "KEY=VALUE")]
    label: Option<String>,
    /// End with 0 even if something is wrong.
    #[arg(long)]
    exit_zero: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn verify(args: &VerifyArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("migrate verify", &[Format::Table, Format::Json, Format::Yaml])?;
    let setting = Setting::find(&args.connect, args.label.as_deref()).await?;
    let journal = match &args.migration {
        Some(migration) => Some(setting.journal(Some(migration), args.journal.as_deref()).await?),
        None => None,
    };
    let mut verification = Verification::of(&setting.facts, journal.as_ref());
    if let Some(journal) = &journal {
        compare(&setting, journal, &mut verification).await?;
    }
    if !printer.document(out, &verification)? {
        print_lines(out, verification.lines(printer.style))?;
    }
    Ok(if verification.has_findings() && !args.exit_zero {
        Outcome::Finding
    } else {
        Outcome::Done
    })
}

/// Compares what was applied with what it was before the move.
async fn compare(
    setting: &Setting,
    journal: &Journal,
    verification: &mut Verification,
) -> Result<(), CommandError> {
    let expected = Expected::of(&journal.header, &setting.label.0);
    let looker = Looker::new(setting.cluster.client.clone(), expected);
    let subjects = Subject::all(&setting.facts.world);
    for (object, progress) in &journal.progress {
        let Some(subject) = subjects.iter().find(|subject| subject.handle == *object) else {
            continue;
        };
        if progress.step != Step::Done {
            continue;
        }
        let Some(before) = &progress.facts.snapshot else {
            verification.not_compared(object, "the journal does not say what was before");
            continue;
        };
        if subject.revision != progress.facts.revision && !progress.facts.revision.is_empty() {
            verification.not_compared(object, "it has applied another revision since");
            continue;
        }
        let entries = subject.inventory.iter().flatten();
        let applied = Applied {
            handle: object.clone(),
            entries: entries
                .filter_map(|entry| Some((entry.object_id().ok()?, entry.version.clone())))
                .collect(),
            // Records of a release are pruned and added by later actions, which are none of the move.
            release: None,
        };
        let look = looker.look(&applied, &before.salt).await?;
        let mut before = before.clone();
        before.releases.clear();
        let changes = before.changes(&look.snapshot);
        verification.compare(object, before.len(), changes);
    }
    Ok(())
}

/// Which migration.
#[derive(Args, Debug)]
pub(crate) struct MigrationsArgs {
    /// The migration; all of them in short if none is named.
    #[arg(value_name = "MIGRATION")]
    migration: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn migrations(args: &MigrationsArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("migrate status", &[Format::Table, Format::Json, Format::Yaml])?;
    let setting = Setting::find(&args.connect, None).await?;
    let journals = match &args.migration {
        Some(migration) => vec![setting.journal(Some(migration), None).await?],
        None => store::journals(&setting.cluster.client, &setting.home).await?,
    };
    let rows: Vec<_> = journals.iter().map(|journal| row(journal, &setting)).collect();
    let moved = moved(&setting);
    let document =
        json!({"apiVersion": API_VERSION, "kind": "MigrationStatus", "migrations": rows, "moved": moved});
    if printer.document(out, &document)? {
        return Ok(Outcome::Done);
    }
    let now = Timestamp::now();
    let mut table = Table::new(&["MIGRATION", "BEGAN", "BY", "MOVED", "WITH STOCK", "WAITING"]);
    for journal in &journals {
        let counts = Counts::of(journal);
        let began = age(journal.header.started, now);
        let [moved, stock, waiting] =
            [counts.done, counts.left, counts.waiting].map(|number| number.to_string());
        table.row([
            (journal.header.migration.as_str(), Tone::Plain),
            (began.as_str(), Tone::Plain),
            (journal.header.by.as_str(), Tone::Plain),
            (moved.as_str(), Tone::Plain),
            (stock.as_str(), Tone::Plain),
            (waiting.as_str(), Tone::Plain),
        ]);
    }
    if journals.is_empty() {
        print_lines(out, ["No migration has been begun.".to_owned()])?;
    } else {
        print_lines(out, table.lines(printer.style))?;
    }
    if args.migration.is_some() {
        for journal in &journals {
            print_lines(out, waves(journal))?;
        }
    }
    let by_label = moved.iter().map(|moved| {
        format!(
            "  {}  {} by {}",
            moved["object"].as_str().unwrap_or_default(),
            text(&moved["at"]),
            text(&moved["by"])
        )
    });
    print_lines(
        out,
        [
            String::new(),
            format!("{} moved by a label in the cluster", count(moved.len(), "object")),
        ],
    )?;
    print_lines(out, by_label)?;
    Ok(Outcome::Done)
}

fn text(value: &serde_json::Value) -> String {
    clean(value.as_str().unwrap_or("?")).into_owned()
}

#[derive(Default)]
struct Counts {
    done: usize,
    left: usize,
    waiting: usize,
}

impl Counts {
    fn of(journal: &Journal) -> Self {
        let mut counts = Self::default();
        for object in journal.header.objects() {
            match journal.progress.get(object).map(|progress| progress.step) {
                Some(Step::Done) => counts.done += 1,
                Some(Step::Returned | Step::Skipped) => counts.left += 1,
                _ => counts.waiting += 1,
            }
        }
        counts
    }
}

fn row(journal: &Journal, setting: &Setting) -> serde_json::Value {
    let owners = Owners::of(&setting.facts.world);
    let subjects = Subject::all(&setting.facts.world);
    let objects: Vec<_> = journal
        .header
        .objects()
        .map(|object| {
            let progress = journal.progress.get(object);
            let subject = subjects.iter().find(|subject| subject.handle == *object);
            json!({
                "object": object, "step": progress.map(|progress| progress.step),
                "why": progress.map(|progress| &progress.facts.why).filter(|why| !why.is_empty()),
                "owner": subject.map(|subject| owners.owner(subject).to_string()),
            })
        })
        .collect();
    json!({
        "migration": journal.header.migration, "began": journal.header.started.to_string(), "by": journal.header.by,
        "wave": journal.wave() + 1, "waves": journal.header.waves.len(), "objects": objects,
    })
}

/// What annotations say of who moved what.
fn moved(setting: &Setting) -> Vec<serde_json::Value> {
    let (key, value) = &setting.label;
    let subjects = Subject::all(&setting.facts.world);
    let labelled = subjects
        .iter()
        .filter(|subject| subject.labels.get(key) == Some(value));
    labelled
        .filter_map(|subject| {
            let at = subject.annotations.get(MOVED_AT)?;
            Some(json!({"object": subject.handle, "at": at, "by": subject.annotations.get(MOVED_BY)}))
        })
        .collect()
}

fn waves(journal: &Journal) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, wave) in journal.header.waves.iter().enumerate() {
        lines.extend([String::new(), format!("wave {}", number + 1)]);
        let line = |object: &Handle| {
            let progress = journal.progress.get(object);
            let state = match progress.map(|progress| progress.step) {
                None => "waiting",
                Some(Step::Done) => "moved",
                Some(Step::Returned) => "with stock again",
                Some(Step::Skipped) => "left with stock",
                Some(step) => step.doing(),
            };
            let why = progress
                .map(|progress| progress.facts.why.as_str())
                .unwrap_or_default();
            format!("  {object}  {state}  {}", clean(why))
                .trim_end()
                .to_owned()
        };
        lines.extend(wave.iter().map(line));
    }
    lines
}
