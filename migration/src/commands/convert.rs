//! `openflux convert`: objects of others, turned into ours.

use std::io::Write;
use std::path::PathBuf;

use artifact_crd::{GROUP, VERSION};
use clap::{Args, Subcommand};
use flux_transform::{GENERATOR, convert};
use go_yaml::sigs;

use super::Outcome;
use super::build::say;
use super::check_generator::check;
use crate::cluster::{Artifacts, CommandError, ConnectArgs};
use crate::transformation::documents;

/// Kind of what comes out.
const TRANSFORMATION: &str = "Transformation";

/// Objects of others, turned into ours.
#[derive(Debug, Subcommand)]
pub(crate) enum ConvertCommand {
    /// Print the Transformations that make what ArtifactGenerators of source-watcher make.
    ///
    /// The objects are read from a file, and nothing is changed anywhere. What is not quite the same afterwards is told on
    /// standard error. It ends with 0 when all were converted, with 1 when one was not, and with 2 when the file cannot be read.
    ///
    /// With --check, what the Transformations would make of the sources as they are in the cluster is made here, and its files are
    /// compared with those that source-watcher offers; the result is printed instead of the Transformations, and it ends with 1
    /// when an artifact differs. Outside of the cluster, forward ports to source-controller and source-watcher, and set
    /// SOURCE_CONTROLLER_LOCALHOST and SOURCE_WATCHER_LOCALHOST, as for stock's controllers.
    #[command(alias = "ag")]
    Artifactgenerator(ConvertArgs),
}

/// Which objects.
#[derive(Args, Debug)]
pub(crate) struct ConvertArgs {
    /// File with the objects; - for standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    file: PathBuf,
    /// Compare what the Transformations make with what source-watcher has made, in the cluster.
    #[arg(long)]
    check: bool,
    /// Namespace of objects that name none; that of the context by default.
    #[arg(short, long, value_name = "NAME", requires = "check")]
    namespace: Option<String>,
    /// Hosts that artifacts may come from; the services of the cluster by default. Repeatable.
    #[arg(long, value_name = "HOST", value_delimiter = ',', requires = "check")]
    artifact_hosts: Vec<String>,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Converts ArtifactGenerators, or checks what would come out.
pub(super) async fn artifact_generator(
    args: &ConvertArgs,
    out: &mut dyn Write,
) -> Result<Outcome, CommandError> {
    let mut found = documents(&args.file)?;
    found.retain(|document| document.kind == GENERATOR);
    if found.is_empty() {
        let file = args.file.display();
        return Err(CommandError::Usage(format!(
            "{file}: there is no {GENERATOR} in it"
        )));
    }
    let checking = if args.check {
        let cluster = args.connect.connect().await?;
        let namespace = args
            .namespace
            .clone()
            .unwrap_or_else(|| cluster.namespace.clone());
        Some((Artifacts::new(&cluster, &args.artifact_hosts)?, namespace))
    } else {
        None
    };
    let mut outcome = Outcome::Done;
    for document in found {
        let converted = match convert(&document.object, &format!("{GROUP}/{VERSION}"), TRANSFORMATION) {
            Ok(converted) => converted,
            Err(error) => {
                say(&format!(
                    "{GENERATOR} {} cannot be converted: {error}",
                    document.name
                ));
                outcome = Outcome::Finding;
                continue;
            }
        };
        for loss in &converted.losses {
            say(&format!("{GENERATOR} {}: {loss}", document.name));
        }
        if let Some((artifacts, namespace)) = &checking {
            let own = document.object["metadata"]["namespace"].as_str();
            let namespace = own.unwrap_or(namespace);
            let spec = serde_json::from_value(converted.object["spec"].clone())
                .map_err(|error| CommandError::Document(error.to_string()))?;
            if !check(artifacts, namespace, &document.name, &spec, out).await? {
                outcome = Outcome::Finding;
            }
            continue;
        }
        let text = sigs::value_to_string(&converted.object)
            .map_err(|error| CommandError::Document(error.to_string()))?;
        write!(out, "---\n{text}")?;
    }
    Ok(outcome)
}
