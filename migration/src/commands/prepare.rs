//! `openflux migrate prepare`.

use std::io::Write;
use std::time::Duration;

use clap::Args;
use flux_fleet::prepare::Preparation;

use super::Outcome;
use crate::cluster::{CommandError, ConnectArgs, Format, OutputArgs, duration, facts, print_lines};

/// How often the Deployments are looked at while they roll out.
const GLANCE: Duration = Duration::from_secs(2);

/// What is shown, and whether it is waited for.
#[derive(Args, Debug)]
pub(crate) struct PrepareArgs {
    /// Wait until every stock controller leaves labelled objects alone, and has rolled out.
    #[arg(long)]
    wait: bool,
    /// How long that may take.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m", requires = "wait")]
    timeout: Duration,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn prepare(args: &PrepareArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("migrate prepare", &[Format::Table, Format::Json, Format::Yaml])?;
    let cluster = args.connect.connect().await?;
    let end = tokio::time::Instant::now() + args.timeout;
    let preparation = loop {
        let preparation = Preparation::of(&facts(&cluster, true).await?);
        if !args.wait || preparation.is_done() || tokio::time::Instant::now() >= end {
            break preparation;
        }
        tokio::time::sleep(GLANCE).await;
    };
    if !printer.document(out, &preparation)? {
        print_lines(out, preparation.lines(printer.style))?;
    }
    Ok(if preparation.is_done() {
        Outcome::Done
    } else {
        Outcome::Finding
    })
}
