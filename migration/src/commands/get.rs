//! `openflux get artifacts`.

use std::io::Write;

use clap::{Args, Subcommand};
use flux_api::Tolerant;
use flux_fleet::artifacts::{Columns, table};
use jiff::Timestamp;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::Outcome;
use crate::cluster::{CommandError, ConnectArgs, Format, OutputArgs, ScopeArgs, print_lines};

/// Show Artifacts: what there is to deploy, where it comes from, and whether it is up to date.
#[derive(Debug, Subcommand)]
pub(crate) enum GetCommand {
    /// Show Artifacts.
    #[command(visible_aliases = ["artifact"])]
    Artifacts(GetArtifactsArgs),
}

/// Show Artifacts.
#[derive(Args, Debug)]
pub(crate) struct GetArtifactsArgs {
    /// Only those with these names.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Only those with these labels.
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn artifacts(args: &GetArtifactsArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    use Format::{Json, Markdown, Name, Table, Wide, Yaml};
    let printer = args
        .output
        .printer("get artifacts", &[Table, Wide, Json, Yaml, Name, Markdown])?;
    let cluster = args.connect.connect().await?;
    let namespace = args.scope.or_context(&cluster);
    let kind = GroupVersionKind::gvk(artifact_crd::GROUP, artifact_crd::VERSION, artifact_crd::KIND);
    let resource = ApiResource::from_gvk_with_plural(&kind, artifact_crd::PLURAL);
    let api: Api<DynamicObject> = match &namespace {
        Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
        None => Api::all_with(cluster.client.clone(), &resource),
    };
    let params = ListParams {
        label_selector: args.selector.clone(),
        ..ListParams::default()
    };
    let list = match api.list(&params).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            return Err(CommandError::NotFound(
                "the cluster has no Artifacts: openflux-controller is not installed (openflux-controller install --export)"
                    .to_owned(),
            ));
        }
        other => other.map_err(CommandError::api("Artifacts"))?,
    };
    let mut objects = list.items;
    objects.retain(|object| args.names.is_empty() || args.names.contains(&object.name_any()));
    let missing: Vec<_> = args
        .names
        .iter()
        .filter(|name| !objects.iter().any(|object| object.name_any() == **name))
        .collect();
    objects.sort_by_key(|object| (object.namespace(), object.name_any()));
    match printer.format {
        Json | Yaml => {
            for object in &mut objects {
                object.metadata.managed_fields = None;
            }
            let list = json!({
                "apiVersion": format!("{}/{}", artifact_crd::GROUP, artifact_crd::VERSION),
                "kind": "ArtifactList", "metadata": {}, "items": objects,
            });
            printer.document(out, &list)?;
        }
        Name => {
            let name =
                |object: &DynamicObject| format!("artifact.{}/{}", artifact_crd::GROUP, object.name_any());
            print_lines(out, objects.iter().map(name))?;
        }
        Table | Wide | Markdown => {
            let read = |object: &DynamicObject| {
                let value = serde_json::to_value(object)?;
                serde_json::from_value::<Tolerant<_>>(value)
            };
            let artifacts: Result<Vec<_>, _> = objects.iter().map(read).collect();
            let artifacts = artifacts.map_err(|error| CommandError::Document(error.to_string()))?;
            let columns = Columns {
                namespace: namespace.is_none(),
                wide: printer.format == Wide,
            };
            let table = table(&artifacts, columns, Timestamp::now());
            if table.is_empty() {
                let place = namespace
                    .map(|name| format!(" in namespace {name}"))
                    .unwrap_or_default();
                print_lines(out, [format!("No Artifacts{place}.")])?;
            } else if printer.format == Markdown {
                print_lines(out, table.markdown())?;
            } else {
                print_lines(out, table.lines(printer.style))?;
            }
        }
    }
    match missing.first() {
        Some(name) => Err(CommandError::NotFound(format!("there is no Artifact {name}"))),
        None => Ok(Outcome::Done),
    }
}
