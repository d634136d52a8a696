//! `openflux diff`: what our controller would change now.

use std::io::Write;

use clap::Args;
use flux_fleet::diff::Diff;
use flux_proof::Name;
use jiff::Timestamp;

use super::{Outcome, handle};
use crate::cluster::{
    CommandError, ConnectArgs, Controller, Format, OutputArgs, ScopeArgs, ShadowArgs, our_pods, print_lines,
};

/// Show what the next run of a Kustomization or HelmRelease by our controller would change, and why.
///
/// It ends with 0 if nothing would change, with 1 if something would, and with 2 if that could not be found out. Fields are named, with who
/// owns them, and not their values.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The object, as ks/NAME, hr/NAME, ks NAME or hr NAME.
    #[arg(value_name = "OBJECT", required = true, num_args = 1..=2)]
    object: Vec<String>,
    /// The namespace; that of the context by default.
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,
    /// End with 0 even if something would change.
    #[arg(long)]
    exit_zero: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    shadow: ShadowArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn diff(args: &DiffArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("diff", &[Format::Table, Format::Json, Format::Yaml, Format::Name])?;
    let cluster = args.connect.connect().await?;
    let scope = ScopeArgs {
        namespace: args.namespace.clone(),
        all_namespaces: false,
    };
    let handle = handle(&args.object, &scope.one(&cluster))?;
    let pods = our_pods(&cluster).await?;
    let controller = Controller::find(&args.shadow, &args.connect, &pods).await?;
    let mut answered = None;
    let names = vec![Name::from(&handle)];
    controller
        .shadow(names, true, |answer| answered = Some(answer))
        .await?;
    let answer = answered.ok_or_else(|| CommandError::Controller("it has not answered".to_owned()))?;
    let diff = Diff::of(handle, &answer).map_err(CommandError::NotFound)?;
    if printer.format == Format::Name {
        print_lines(out, diff.names())?;
    } else if !printer.document(out, &diff)? {
        print_lines(out, diff.lines(printer.style, Timestamp::now()))?;
    }
    Ok(if diff.differences.is_empty() || args.exit_zero {
        Outcome::Done
    } else {
        Outcome::Finding
    })
}
