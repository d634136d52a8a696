//! Values of variables in files, as a Flux Kustomization puts them into what it has built.

use std::borrow::Cow;

use envsubst::{Mode, Substitution, Variables};
use go_yaml::{Limits, sigs};
use serde_json::Value;

use super::files::matched;
use crate::error::Problem;
use crate::limits::Work;
use crate::path::input_name;
use crate::spec::Substitute;
use crate::stage::Stage;
use crate::tree::File;

/// How many bytes of a document count as one step.
const BYTES_A_STEP: u64 = 64;

pub(super) fn substitute(stage: &mut Stage<'_>, step: &Substitute) -> Result<(), Problem> {
    let variables = variables(stage, step)?;
    let mode = if step.strict { Mode::Strict } else { Mode::Lax };
    let limits = envsubst::Limits {
        output: stage.work.limits().text_bytes,
        ..envsubst::Limits::default()
    };
    let substitution = Substitution::new(&variables, mode, limits)
        .map_err(|error| Problem::invalid("vars", error.to_string()))?;
    for path in paths(stage, step)? {
        let Some(file) = stage.tree().file(&path) else {
            continue;
        };
        if !file.content.contains(&b'$') {
            continue;
        }
        stage.check_text(&path, file.content.len())?;
        let text = std::str::from_utf8(&file.content).map_err(|error| Problem::file(&path, error))?;
        let substituted = File {
            content: file_text(&substitution, stage.work, &path, text)?.into(),
            executable: file.executable,
        };
        stage.write(&path, substituted)?;
    }
    Ok(())
}

fn variables(stage: &Stage<'_>, step: &Substitute) -> Result<Variables, Problem> {
    let mut variables = Variables::default();
    for from in &step.vars_from {
        let input = stage.input("varsFrom", input_name("varsFrom", from)?)?;
        for (name, file) in input.files() {
            let value = std::str::from_utf8(&file.content).map_err(|_| {
                Problem::file(
                    format!("{from}/{name}"),
                    "its value is no text, as that of a variable has to be",
                )
            })?;
            variables.set(name, value);
        }
    }
    for (name, value) in &step.vars {
        variables.set(name.as_str(), value);
    }
    Ok(variables)
}

/// The files that are meant, in the order of their paths.
fn paths(stage: &Stage<'_>, step: &Substitute) -> Result<Vec<String>, Problem> {
    if step.files.is_empty() {
        let is_yaml = |path: &&str| matches!(go_std::path::ext(path), ".yaml" | ".yml");
        let paths = stage.tree().files().map(|(path, _)| path);
        return Ok(paths.filter(is_yaml).map(str::to_owned).collect());
    }
    let mut paths = Vec::new();
    for glob in &step.files {
        let found = matched(stage, "files", glob)?;
        if found.is_empty() {
            let problem = format!("{glob:?} matches nothing in the output at this step");
            return Err(Problem::nothing("files", problem));
        }
        paths.extend(found);
    }
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// Substitutes document by document; nothing but variables changes, and documents that say so are left alone.
fn file_text(
    substitution: &Substitution<'_>,
    work: &Work,
    path: &str,
    text: &str,
) -> Result<String, Problem> {
    let limit = work.limits().text_bytes;
    let mut out = String::with_capacity(text.len());
    for (number, document) in documents(text).enumerate() {
        work.spend(1 + document.len() as u64 / BYTES_A_STEP)?;
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            Problem::file(path, format!("document {}: {what}{error}", number + 1))
        };
        if !document.contains('$') {
            out.push_str(document);
            continue;
        }
        let read = |text: &str| sigs::to_value(text.as_bytes(), &Limits::default());
        let value = read(document).map_err(|error| {
            failed(
                "it is not YAML, so name the files to substitute in `files`: ",
                &error,
            )
        })?;
        if opts_out(&value) {
            out.push_str(document);
            continue;
        }
        match substitution.apply(document).map_err(|error| failed("", &error))? {
            Cow::Borrowed(same) => out.push_str(same),
            Cow::Owned(changed) => {
                if out.len() + changed.len() > limit {
                    let what = format!("the size of {path} in bytes once its variables have values");
                    return Err(Problem::limit(what, limit as u64));
                }
                read(&changed).map_err(|error| failed("it is no YAML any more: ", &error))?;
                out.push_str(&changed);
            }
        }
    }
    Ok(out)
}

/// Splits a text before each line that separates documents.
fn documents(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        let separator = rest.split_inclusive('\n').enumerate().find_map(|(number, line)| {
            let is_separator = number > 0
                && line
                    .strip_prefix("---")
                    .is_some_and(|after| after.is_empty() || after.starts_with([' ', '\t', '\r', '\n']));
            let start = end;
            end += line.len();
            is_separator.then_some(start)
        });
        let (document, after) = rest.split_at(separator.unwrap_or(rest.len()));
        rest = after;
        Some(document)
    })
}

fn opts_out(object: &Value) -> bool {
    let marker = |field: &str| {
        object
            .get("metadata")?
            .get(field)?
            .get(envsubst::SUBSTITUTE)?
            .as_str()
    };
    envsubst::is_disabled(marker("labels"), marker("annotations"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_their_separators() {
        let text = "---\na: 1\n--- # next\nb: |\n  ---\n---\n---x\n";
        let split: Vec<_> = documents(text).collect();
        assert_eq!(split, ["---\na: 1\n", "--- # next\nb: |\n  ---\n", "---\n---x\n"]);
        assert_eq!(split.concat(), text);
        assert_eq!(documents("").count(), 0);
    }

    #[test]
    fn only_variables_change() {
        let variables: Variables = [("region", "eu"), ("n", "3")].into_iter().collect();
        let substitution =
            Substitution::new(&variables, Mode::Lax, envsubst::Limits::default()).expect("names");
        let work = Work::within(crate::Limits::default());
        let of =
            |text: &str| file_text(&substitution, &work, "a.yaml", text).map_err(|error| error.to_string());
        let text = "# ${region}\nkey:   \"${region}\" # kept\nreplicas: ${n}\nnone: ${x}\n---\nkind: A\nmetadata: {labels: {kustomize.toolkit.fluxcd.io/substitute: disabled}}\nkey: ${region}\n";
        let expected = "# eu\nkey:   \"eu\" # kept\nreplicas: 3\nnone: \n---\nkind: A\nmetadata: {labels: {kustomize.toolkit.fluxcd.io/substitute: disabled}}\nkey: ${region}\n";
        assert_eq!(of(text).as_deref(), Ok(expected));
        assert!(of("{{ if $x }}\na: ${n}\n{{ end }}").is_err_and(|error| error.contains("name the files")));
        assert!(of("a: ${n\n").is_err());
    }

    #[test]
    fn all_documents_of_a_file_count_together() {
        let variables: Variables = [("long", "x".repeat(60).as_str())].into_iter().collect();
        let substitution =
            Substitution::new(&variables, Mode::Lax, envsubst::Limits::default()).expect("names");
        let of = |limits: crate::Limits| {
            let text = "a: ${long}\n---\na: ${long}\n";
            let work = Work::within(limits);
            file_text(&substitution, &work, "a.yaml", text).map_err(|error| error.to_string())
        };
        let limits = crate::Limits::default();
        assert!(of(limits).is_ok());
        let small = crate::Limits {
            text_bytes: 100,
            ..limits
        };
        assert!(of(small).is_err_and(|error| error.contains("more than the limit of 100")));
        let short = crate::Limits { steps: 1, ..limits };
        assert!(of(short).is_err());
    }
}
