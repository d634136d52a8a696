//! `openflux doctor` and `openflux explain`.

use std::io::Write;

use clap::Args;
use flux_fleet::codes::{CODES, Code};
use flux_fleet::doctor::{Diagnosis, GROUPS};
use flux_fleet::text::{Table, Tone};

use super::Outcome;
use crate::cluster::{CommandError, ConnectArgs, Format, OutputArgs, facts, print_lines};

/// Check what stands in the way of running beside stock Flux, and say what to do about it.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Check whether our controller can be installed, not whether it works.
    #[arg(long)]
    pre: bool,
    /// Only the checks of this group. Repeatable.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', value_parser = GROUPS)]
    check: Vec<String>,
    /// End with 0 even if a check has failed.
    #[arg(long)]
    exit_zero: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn doctor(args: &DoctorArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    use Format::{Json, Markdown, Table, Wide, Yaml};
    let printer = args
        .output
        .printer("doctor", &[Table, Wide, Json, Yaml, Markdown])?;
    let cluster = args.connect.connect().await?;
    let facts = facts(&cluster, args.pre).await?;
    let diagnosis = Diagnosis::of(&facts, &args.check);
    if printer.format == Markdown {
        print_lines(out, diagnosis.markdown())?;
    } else if !printer.document(out, &diagnosis)? {
        print_lines(out, diagnosis.lines(printer.style, printer.format == Wide))?;
    }
    Ok(if diagnosis.has_failures() && !args.exit_zero {
        Outcome::Finding
    } else {
        Outcome::Done
    })
}

/// Say what a code of doctor means, and what to do.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// The code, such as D121, or its name; all are listed without one.
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

pub(crate) fn explain(args: &ExplainArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let Some(text) = &args.code else {
        let mut table = Table::new(&["CODE", "NAME"]);
        for code in CODES {
            table.row([(code.code, Tone::Plain), (code.slug, Tone::Plain)]);
        }
        for line in table.lines(flux_fleet::text::Style::default()) {
            writeln!(out, "{line}")?;
        }
        return Ok(Outcome::Done);
    };
    let Some(code) = Code::find(text) else {
        return Err(CommandError::Usage(format!(
            "there is no code {text:?}: openflux explain lists them"
        )));
    };
    writeln!(out, "{} {}\n", code.code, code.slug)?;
    writeln!(out, "{}\n", code.meaning)?;
    writeln!(out, "What to do: {}", code.remedy)?;
    Ok(Outcome::Done)
}
