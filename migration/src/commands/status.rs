//! `openflux status`.

use std::io::Write;

use clap::Args;
use flux_fleet::status::Status;
use jiff::Timestamp;

use super::Outcome;
use crate::cluster::{CommandError, ConnectArgs, Format, OutputArgs, Wanted, print_lines, read};

/// Show on one screen what runs, what is deployed, by whom, and what fails.
#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// Only the objects of this namespace; all by default.
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,
    /// Only Kustomizations and HelmReleases with these labels.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn status(args: &StatusArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("status", &[Format::Table, Format::Json, Format::Yaml])?;
    let cluster = args.connect.connect().await?;
    let wanted = Wanted {
        namespace: args.namespace.clone(),
        selector: args.selector.clone(),
    };
    let status = Status::of(&read(&cluster, &wanted).await?);
    if !printer.document(out, &status)? {
        print_lines(out, status.lines(printer.style, Timestamp::now()))?;
    }
    Ok(if status.has_findings() {
        Outcome::Finding
    } else {
        Outcome::Done
    })
}
