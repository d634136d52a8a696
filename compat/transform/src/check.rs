//! What is wrong with a specification, whatever the files are.

use std::collections::BTreeSet;

use crate::captures::{Pattern, fill};
use crate::copy;
use crate::error::{Failure, Part, Problem};
use crate::path::{ARTIFACT, input_name};
use crate::spec::{Input, Output, Spec, Step};
use crate::steps;

/// The most inputs, outputs, and copies of an output.
const MOST: usize = 1_000;
/// The most steps of an output.
const MOST_STEPS: usize = 50;
/// The longest rules about what is left out, in bytes.
const LONGEST_IGNORE: usize = 64 << 10;
/// The most matches that may be discovered.
pub(crate) const MOST_MATCHES: usize = 1_000;

/// Checks all that can be checked of a specification without files.
///
/// # Errors
/// What is wrong, and what to write instead.
pub fn check(spec: &Spec) -> Result<(), Failure> {
    check_inputs(&spec.inputs)?;
    let names: BTreeSet<&str> = spec.inputs.iter().map(|input| input.name.as_str()).collect();
    let config_maps: BTreeSet<&str> = spec
        .inputs
        .iter()
        .filter(|input| input.config_map.is_some())
        .map(|input| input.name.as_str())
        .collect();
    let known = Known { names, config_maps };
    if spec.outputs.is_empty() {
        return Err(Problem::invalid("outputs", "there is none; say what is to be made").into());
    }
    if spec.outputs.len() > MOST {
        return Err(Problem::limit("the number of outputs", MOST as u64).into());
    }
    let pattern = match &spec.discover {
        None => None,
        Some(discover) => {
            let (from, pattern) = Pattern::new(&discover.pattern)?;
            known.input("discover.pattern", from.input)?;
            if discover.max.is_some_and(|max| max == 0 || max > MOST_MATCHES) {
                let problem = format!("it has to be between 1 and {MOST_MATCHES}");
                return Err(Problem::invalid("discover.max", problem).into());
            }
            Some(pattern)
        }
    };
    let mut seen = BTreeSet::new();
    for output in &spec.outputs {
        let name = output.name.as_deref();
        if name.is_none() && (spec.outputs.len() > 1 || pattern.is_some()) {
            let problem = "it may be left out only where there is one output and no `discover`";
            return Err(Problem::invalid("outputs[].name", problem).into());
        }
        if !seen.insert(name) {
            let problem = "there are two outputs of this name; give one of them another name";
            return Err(Problem::invalid("name", problem).at(name, Part::Whole));
        }
        // Names of a pattern stand for something that is fine everywhere.
        let filled = pattern.as_ref().map(|pattern| {
            let captures = pattern.names().iter().map(|name| (name.clone(), "x".to_owned()));
            fill(output, &captures.collect()).map_err(|problem| problem.at(name, Part::Whole))
        });
        let filled = filled.transpose()?;
        known.check(filled.as_ref().unwrap_or(output), name)?;
    }
    Ok(())
}

fn check_inputs(inputs: &[Input]) -> Result<(), Problem> {
    if inputs.is_empty() {
        return Err(Problem::invalid(
            "inputs",
            "there is none; name what outputs are made of",
        ));
    }
    if inputs.len() > MOST {
        return Err(Problem::limit("the number of inputs", MOST as u64));
    }
    let mut seen = BTreeSet::new();
    for input in inputs {
        let refuse = |problem: &str| Err(Problem::invalid(format!("inputs[{}]", input.name), problem));
        if !is_alias(&input.name) {
            return refuse(
                "a name has lower-case letters, digits, - and _, begins and ends with a letter or digit, and is no longer than 63",
            );
        }
        if input.name == ARTIFACT {
            return refuse("this name is that of the output; choose another one");
        }
        if !seen.insert(&input.name) {
            return refuse("there are two inputs of this name; give one of them another name");
        }
        match (&input.source_ref, &input.config_map) {
            (Some(source), None) if source.kind.is_empty() || source.name.is_empty() => {
                return refuse("sourceRef needs a kind and a name");
            }
            (None, Some(config_map)) if config_map.name.is_empty() => {
                return refuse("configMap needs a name");
            }
            (Some(source), None) if matches!(source.kind.as_str(), "Secret" | "ConfigMap") => {
                return refuse(
                    "a Secret is no input, since outputs can be read by anybody: decrypt or substitute in the deployer; a ConfigMap is named by configMap",
                );
            }
            (Some(_), None) | (None, Some(_)) => {}
            _ => return refuse("it needs either sourceRef or configMap"),
        }
    }
    Ok(())
}

struct Known<'s> {
    names: BTreeSet<&'s str>,
    config_maps: BTreeSet<&'s str>,
}

impl Known<'_> {
    fn input(&self, field: &str, name: &str) -> Result<(), Problem> {
        if self.names.contains(name) {
            return Ok(());
        }
        let problem = format!("there is no input {name:?}; declare it under `inputs`");
        Err(Problem::invalid(field, problem))
    }

    fn check(&self, output: &Output, name: Option<&str>) -> Result<(), Failure> {
        let whole = |problem: Problem| problem.at(name, Part::Whole);
        self.check_whole(output).map_err(whole)?;
        for (number, one) in output.copy.iter().enumerate() {
            let at = |problem: Problem| problem.at(name, Part::Copy(number + 1));
            let from = copy::check(one).map_err(at)?;
            self.input("from", from.input).map_err(at)?;
        }
        for (number, step) in output.steps.iter().enumerate() {
            let at = |problem: Problem| problem.at(name, Part::Step(number + 1, step.kind()));
            for input in steps::check(step).map_err(at)? {
                self.input(step.kind(), &input).map_err(at)?;
                if matches!(step, Step::Substitute(_)) && !self.config_maps.contains(input.as_str()) {
                    let problem = format!("input {input:?} is no ConfigMap, whose keys are variables");
                    return Err(at(Problem::invalid("varsFrom", problem)));
                }
            }
        }
        Ok(())
    }

    fn check_whole(&self, output: &Output) -> Result<(), Problem> {
        if let Some(name) = &output.name
            && !is_subdomain(name)
        {
            let problem =
                format!("{name:?} is no name of an object: lower-case letters, digits, - and ., at most 253");
            return Err(Problem::invalid("name", problem));
        }
        if output.copy.is_empty() && output.steps.is_empty() {
            return Err(Problem::invalid(
                "copy",
                "there is neither a copy nor a step; say what is in it",
            ));
        }
        if output.copy.len() > MOST {
            return Err(Problem::limit("the number of copies", MOST as u64));
        }
        if output.steps.len() > MOST_STEPS {
            return Err(Problem::limit("the number of steps", MOST_STEPS as u64));
        }
        if output
            .ignore
            .as_ref()
            .is_some_and(|ignore| ignore.len() > LONGEST_IGNORE)
        {
            return Err(Problem::limit(
                "the length of ignore in bytes",
                LONGEST_IGNORE as u64,
            ));
        }
        if let Some(origin) = &output.origin {
            self.input("origin", input_name("origin", origin)?)?;
        }
        match &output.revision {
            Some(text) if text.starts_with('@') => self.input("revision", input_name("revision", text)?),
            Some(text) if !is_word(text) => {
                let problem = format!(
                    "{text:?} has to be @input, or at most 64 letters, digits, and . _ + - after the first"
                );
                Err(Problem::invalid("revision", problem))
            }
            _ => Ok(()),
        }
    }
}

fn is_alias(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 63 && name.chars().all(inner) && name.starts_with(edge) && name.ends_with(edge)
}

fn is_word(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
}

/// Tells whether a text is the name of an object.
pub(crate) fn is_subdomain(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_label = |label: &str| label.starts_with(edge) && label.ends_with(edge) && label.chars().all(inner);
    name.len() <= 253 && name.split('.').all(is_label)
}

/// Tells whether a text is the value of a label.
pub(crate) fn is_label_value(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let edge = |c: char| c.is_ascii_alphanumeric();
    value.is_empty()
        || value.len() <= 63 && value.chars().all(inner) && value.starts_with(edge) && value.ends_with(edge)
}
