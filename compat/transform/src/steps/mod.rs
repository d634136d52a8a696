//! What may be done to the files of an output, one file each.

mod chart;
mod files;
mod helm;
mod kustomize;
mod loaded;
mod substitute;

use crate::copy;
use crate::error::Problem;
use crate::path::{self, Reference};
use crate::spec::Step;
use crate::stage::Stage;

/// Carries a step out.
pub(crate) fn run(stage: &mut Stage<'_>, step: &Step) -> Result<(), Problem> {
    match step {
        Step::Copy(step) => copy::copy(stage, step),
        Step::Merge(step) => files::merge(stage, step),
        Step::Extract(step) => files::extract(stage, step),
        Step::Remove(step) => files::remove(stage, step),
        Step::Move(step) => files::rename(stage, step),
        Step::File(step) => files::write(stage, step),
        Step::Kustomize(step) => kustomize::build(stage, step),
        Step::Helm(step) => helm::render(stage, step),
        Step::Substitute(step) => substitute::substitute(stage, step),
        Step::Chart(step) => chart::make(stage, step),
    }
}

/// Checks what can be checked of a step without files; gives the names of the inputs that it reads.
pub(crate) fn check(step: &Step) -> Result<Vec<String>, Problem> {
    let mut inputs = Vec::new();
    let mut text = |field: &str, text: &str| {
        if let Some(reference) = Reference::read(text) {
            path::clean(field, reference.path)?;
            inputs.push(reference.input.to_owned());
            return Ok(());
        }
        path::own_file(field, text).map(|_| ())
    };
    match step {
        Step::Copy(step) => inputs.push(copy::check(step)?.input.to_owned()),
        Step::Merge(step) => {
            if step.files.is_empty() {
                return Err(Problem::invalid(
                    "files",
                    "there is none; name the files to merge",
                ));
            }
            for file in &step.files {
                text("files", file)?;
            }
            path::own_file("to", &step.to)?;
        }
        Step::Extract(step) => {
            files::check_glob("path", &step.path)?;
            path::own("to", &step.to)?;
        }
        Step::Remove(step) => {
            for glob in &step.paths {
                files::check_glob("paths", glob)?;
            }
        }
        Step::Move(step) => {
            path::own("from", &step.from)?;
            path::own("to", &step.to)?;
        }
        Step::File(step) => {
            path::own_file("path", &step.path)?;
        }
        Step::Kustomize(step) => {
            path::own("path", &step.path)?;
            path::own_file("to", &step.to)?;
        }
        Step::Helm(step) => {
            for file in &step.values_files {
                text("valuesFiles", file)?;
            }
            helm::check(step)?;
        }
        Step::Substitute(step) => {
            for name in &step.vars_from {
                inputs.push(path::input_name("varsFrom", name)?.to_owned());
            }
            for glob in &step.files {
                files::check_glob("files", glob)?;
            }
        }
        Step::Chart(step) => {
            for file in &step.values_files {
                text("valuesFiles", file)?;
            }
            path::own("path", &step.path)?;
        }
    }
    Ok(inputs)
}
