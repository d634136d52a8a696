//! `openflux build transformation`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use flux_transform::spec::Spec;
use flux_transform::{Built, Limits, Wanted, Work, build, outputs};

use super::Outcome;
use super::build_objects::{KustomizationArgs, ObjectArgs};
use crate::cluster::CommandError;
use crate::transformation::{Given, archive, documents, inputs, write_folder};

/// What the controllers make, made on this machine.
#[derive(Debug, Subcommand)]
pub(crate) enum BuildCommand {
    /// Make the outputs of a Transformation of files on this machine, with the engine of the controller.
    ///
    /// Inputs are folders or archives. A folder is taken as a GitRepository takes it that says nothing about what to ignore:
    /// without .git, without what .sourceignore files name, or else without images, archives and files of CI. A configMap
    /// input is a folder with a file for each key, or a file with the ConfigMap. Nothing is asked of a cluster or of any other
    /// machine.
    ///
    /// Each output is listed with its revision, which is the one that the cluster will have for the same inputs. It ends with 0
    /// when all outputs were made, with 1 when one was not, and with 2 when something could not be read or written.
    #[command(alias = "xf")]
    Transformation(TransformationArgs),
    /// Show what a Kustomization applies, of files on this machine: built, decrypted and substituted, with its owner labels.
    ///
    /// The object is read from the cluster, and so are the ConfigMaps and Secrets of spec.postBuild, with the rights of whoever asks.
    /// Nothing is written. What is decrypted is shown.
    #[command(alias = "kustomization")]
    Ks(KustomizationArgs),
    /// Show what a HelmRelease applies, of a chart on this machine: rendered with its values, and post-rendered.
    ///
    /// The object is read from the cluster, and so are the ConfigMaps and Secrets of spec.valuesFrom, with the rights of whoever asks.
    /// Nothing is written.
    #[command(alias = "helmrelease")]
    Hr(ObjectArgs),
}

/// Which transformation, of what, and where to.
#[derive(Args, Debug)]
pub(crate) struct TransformationArgs {
    /// File with the Transformation; - for standard input.
    #[arg(short = 'f', long, value_name = "FILE")]
    file: PathBuf,
    /// Name of the Transformation, if there are several in the file.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where an input is: a folder or an archive. Repeatable.
    #[arg(short, long, value_name = "NAME=PATH", value_parser = pair)]
    input: Vec<(String, String)>,
    /// The revision of an input, for outputs whose own begins with it. Repeatable.
    #[arg(long, value_name = "NAME=REVISION", value_parser = pair)]
    input_revision: Vec<(String, String)>,
    /// Make this output alone. Repeatable.
    #[arg(long, value_name = "OUTPUT")]
    only: Vec<String>,
    /// Write the files of each output to a folder of its name below this one.
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Write archives instead of folders, as the controller serves them.
    #[arg(long, requires = "output")]
    archive: bool,
    /// List the files of each output too.
    #[arg(long)]
    files: bool,
    /// Print the YAML and JSON of the outputs as one stream, instead of listing them.
    #[arg(long, conflicts_with_all = ["files", "output"])]
    print: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text
        .split_once('=')
        .filter(|(name, value)| !name.is_empty() && !value.is_empty());
    let (name, value) = pair.ok_or("it has to have the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Makes the outputs of a transformation.
pub(super) fn transformation(
    args: &TransformationArgs,
    out: &mut dyn Write,
) -> Result<Outcome, CommandError> {
    let (transformation, spec) = specification(args)?;
    let given = Given {
        paths: args
            .input
            .iter()
            .map(|(name, path)| (name.clone(), path.into()))
            .collect(),
        revisions: args.input_revision.iter().cloned().collect(),
    };
    let (inputs, warnings) = inputs(&spec, &given)?;
    for warning in &warnings {
        warn(warning);
    }
    let work = Work::within(Limits::default());
    let wanted = match outputs(&spec, &inputs, &work) {
        Ok(wanted) => wanted,
        Err(failure) => return Ok(failed(&failure)),
    };
    let name = |wanted: &Wanted| wanted.name.clone().unwrap_or_else(|| transformation.clone());
    if let Some(unknown) = args
        .only
        .iter()
        .find(|only| !wanted.iter().any(|one| name(one) == **only))
    {
        return Err(CommandError::Usage(format!("there is no output {unknown:?}")));
    }
    let (mut made, mut outcome) = (Vec::new(), Outcome::Done);
    for one in &wanted {
        let name = name(one);
        if !args.only.is_empty() && !args.only.contains(&name) {
            continue;
        }
        match build(one, &inputs, &work) {
            Ok(built) => {
                for warning in &built.warnings {
                    warn(&format!("output {name}: {warning}"));
                }
                made.push((name, built));
            }
            // The others are made all the same, as in a cluster.
            Err(failure) => outcome = failed(&failure),
        }
    }
    if args.print {
        print(&made, out)?;
        return Ok(outcome);
    }
    if let Some(folder) = &args.output {
        for (name, built) in &made {
            if args.archive {
                archive(&folder.join(format!("{name}.tar.gz")), &built.files)?;
            } else {
                write_folder(&folder.join(name), &built.files)?;
            }
        }
    }
    list(&made, args.files, out)?;
    Ok(outcome)
}

/// The name and the specification of the transformation in the file.
fn specification(args: &TransformationArgs) -> Result<(String, Spec), CommandError> {
    let mut found = documents(&args.file)?;
    found.retain(|document| document.kind == "Transformation");
    if let Some(name) = &args.name {
        found.retain(|document| document.name == *name);
    }
    let file = args.file.display();
    let names: Vec<_> = found.iter().map(|document| document.name.clone()).collect();
    let mut found = found.into_iter();
    let (Some(document), None) = (found.next(), found.next()) else {
        return Err(CommandError::Usage(if names.is_empty() {
            format!("{file}: there is no such Transformation in it")
        } else {
            format!(
                "{file}: there are several Transformations in it; choose one with --name: {}",
                names.join(", ")
            )
        }));
    };
    let spec = document.object.get("spec").cloned().unwrap_or_default();
    let spec = serde_json::from_value(spec).map_err(|error| {
        CommandError::Usage(format!("{file}: Transformation {}: spec: {error}", document.name))
    })?;
    Ok((document.name, spec))
}

fn list(made: &[(String, Built)], files: bool, out: &mut dyn Write) -> Result<(), CommandError> {
    let width = made
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default()
        .max("NAME".len());
    writeln!(
        out,
        "{:width$}  {:>6}  {:>10}  REVISION",
        "NAME", "FILES", "BYTES"
    )?;
    for (name, built) in made {
        let (count, bytes) = (built.files.len(), built.files.bytes());
        writeln!(
            out,
            "{name:width$}  {count:>6}  {bytes:>10}  {}",
            built.revision()
        )?;
        if files {
            for (path, file) in built.files.files() {
                writeln!(out, "  {path}{}", if file.executable { "*" } else { "" })?;
            }
        }
    }
    Ok(())
}

fn print(made: &[(String, Built)], out: &mut dyn Write) -> Result<(), CommandError> {
    for (name, built) in made {
        for (path, file) in built.files.files() {
            let is_manifest = [".yaml", ".yml", ".json"]
                .iter()
                .any(|ending| path.ends_with(ending));
            if !is_manifest {
                continue;
            }
            let text = String::from_utf8_lossy(&file.content);
            let text = text.strip_prefix("---\n").unwrap_or(&text);
            writeln!(out, "---\n# Output: {name}, {path}\n{}", text.trim_end())?;
        }
    }
    Ok(())
}

fn failed(failure: &flux_transform::Failure) -> Outcome {
    say(&format!("{}: {failure}", failure.reason().as_str()));
    Outcome::Finding
}

fn warn(text: &str) {
    say(&format!("warning: {text}"));
}

/// Tells people something beside the result; a closed stderr changes nothing about it.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
