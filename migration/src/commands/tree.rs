//! `openflux tree`.

use std::io::Write;

use clap::Args;
use flux_fleet::tree::{objects, tree as make_tree};
use flux_fleet::{API_VERSION, Owners, Subject};
use serde_json::json;

use super::{Outcome, handle};
use crate::cluster::{
    CommandError, ConnectArgs, Format, OutputArgs, ScopeArgs, Wanted, get_all, print_lines, read,
};

/// Show what a Kustomization or HelmRelease applied, with its health, down to the last object.
#[derive(Args, Debug)]
pub(crate) struct TreeArgs {
    /// The object, as ks/NAME, hr/NAME, ks NAME or hr NAME.
    #[arg(value_name = "OBJECT", required = true, num_args = 1..=2)]
    object: Vec<String>,
    /// Show each object on a line of its own.
    #[arg(long)]
    all: bool,
    /// The namespace; that of the context by default.
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn tree(args: &TreeArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("tree", &[Format::Table, Format::Json, Format::Yaml])?;
    let cluster = args.connect.connect().await?;
    let scope = ScopeArgs {
        namespace: args.namespace.clone(),
        all_namespaces: false,
    };
    let handle = handle(&args.object, &scope.one(&cluster))?;
    let world = read(&cluster, &Wanted::default()).await?;
    let subjects = Subject::all(&world);
    let live = get_all(&cluster, objects(&handle, &subjects)).await;
    let tree = make_tree(&handle, &subjects, &Owners::of(&world), &live, !args.all);
    let Some(tree) = tree else {
        let why = if world.unread.is_empty() {
            String::new()
        } else {
            format!(": {}", world.unread.join("; "))
        };
        return Err(CommandError::NotFound(format!("there is no {handle}{why}")));
    };
    let document = json!({"apiVersion": API_VERSION, "kind": "Tree", "root": tree});
    if !printer.document(out, &document)? {
        print_lines(out, tree.lines(printer.style))?;
    }
    Ok(Outcome::Done)
}
