//! `openflux convert`: objects of others, turned into ours.

use std::io::Write;
use std::path::PathBuf;

use artifact_crd::{GROUP, VERSION};
use clap::{Args, Subcommand};
use flux_transform::{GENERATOR, convert};
use go_yaml::sigs;

use super::Outcome;
use super::build::say;
use crate::cluster::CommandError;
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
    #[command(alias = "ag")]
    Artifactgenerator(ConvertArgs),
}

/// Which objects.
#[derive(Args, Debug)]
pub(crate) struct ConvertArgs {
    /// File with the objects; - for standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    file: PathBuf,
}

/// Converts ArtifactGenerators.
pub(super) fn artifact_generator(args: &ConvertArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let mut found = documents(&args.file)?;
    found.retain(|document| document.kind == GENERATOR);
    if found.is_empty() {
        let file = args.file.display();
        return Err(CommandError::Usage(format!(
            "{file}: there is no {GENERATOR} in it"
        )));
    }
    let mut outcome = Outcome::Done;
    for document in found {
        match convert(&document.object, &format!("{GROUP}/{VERSION}"), TRANSFORMATION) {
            Ok(converted) => {
                for loss in &converted.losses {
                    say(&format!("{GENERATOR} {}: {loss}", document.name));
                }
                let text = sigs::value_to_string(&converted.object)
                    .map_err(|error| CommandError::Document(error.to_string()))?;
                write!(out, "---\n{text}")?;
            }
            Err(error) => {
                say(&format!(
                    "{GENERATOR} {} cannot be converted: {error}",
                    document.name
                ));
                outcome = Outcome::Finding;
            }
        }
    }
    Ok(outcome)
}
