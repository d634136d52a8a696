//! The outputs of a transformation, one by one, as its specification and its inputs make them wanted.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::captures::{Captures, Pattern, fill};
use crate::check::{MOST_MATCHES, check, is_label_value, is_subdomain};
use crate::copy;
use crate::error::{Failure, Part, Problem};
use crate::limits::Work;
use crate::path::input_name;
use crate::spec::{Discover, OnNone, OriginUpdate, Output, Spec};
use crate::stage::Inputs;
use crate::steps;

/// Part of every key: it changes when the same inputs come out otherwise.
const ENGINE: &str = "1";

/// How many matches there may be where nobody says.
const USUAL_MATCHES: usize = 200;

/// How many bytes of a specification count as one step.
const BYTES_A_STEP: u64 = 64;

/// An output that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Its name; none for the only output that needs none.
    pub name: Option<String>,
    /// What it is made of, without names in braces.
    pub output: Output,
    /// What the names in braces stand for, in lower-case letters.
    pub captures: BTreeMap<String, String>,
    /// The path that was discovered.
    pub path: Option<String>,
}

impl Wanted {
    /// Gives the names of the inputs that it is made of.
    pub fn inputs(&self) -> BTreeSet<String> {
        let copies = self.output.copy.iter().filter_map(|one| copy::check(one).ok());
        let copied = copies.map(|from| from.input.to_owned());
        let steps = self
            .output
            .steps
            .iter()
            .filter_map(|step| steps::check(step).ok());
        let named = [&self.output.revision, &self.output.origin].into_iter().flatten();
        let named = named
            .filter_map(|text| input_name("", text).ok())
            .map(str::to_owned);
        copied.chain(steps.flatten()).chain(named).collect()
    }

    /// Gives what decides what comes out: two builds of one key are equal. `digest` says what is in an input.
    pub fn key(&self, inputs: &Inputs, digest: impl Fn(&str) -> Option<String>) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        part(ENGINE);
        // A specification that came out of JSON goes back into it, with its keys in one order.
        part(&serde_json::to_value(&self.output).unwrap_or_default().to_string());
        for name in self.inputs() {
            part(&name);
            part(&digest(&name).unwrap_or_default());
        }
        let of_input = |text: &Option<String>| {
            let name = text.as_deref().and_then(|text| input_name("", text).ok())?;
            inputs.get(name)
        };
        if let Some(source) = of_input(&self.output.revision) {
            part(source.revision.as_deref().unwrap_or_default());
        }
        if self.output.origin_update == OriginUpdate::Always
            && let Some(source) = of_input(&self.output.origin)
        {
            part(source.origin.as_deref().unwrap_or_default());
        }
        flux_archive::hex(&hash.finalize())
    }
}

/// Checks a specification, and gives the outputs that it wants of these inputs.
///
/// # Errors
/// It is wrong, or what it discovers is.
pub fn outputs(spec: &Spec, inputs: &Inputs, work: &Work) -> Result<Vec<Wanted>, Failure> {
    check(spec)?;
    let wanted = match &spec.discover {
        Some(discover) => discovered(spec, discover, inputs, work)?,
        None => spec
            .outputs
            .iter()
            .map(|output| Wanted {
                name: output.name.clone(),
                output: output.clone(),
                captures: BTreeMap::new(),
                path: None,
            })
            .collect(),
    };
    let limit = work.limits().outputs;
    if wanted.len() > limit {
        return Err(Problem::limit("the number of outputs", limit as u64).into());
    }
    Ok(wanted)
}

fn discovered(
    spec: &Spec,
    discover: &Discover,
    inputs: &Inputs,
    work: &Work,
) -> Result<Vec<Wanted>, Failure> {
    let (from, pattern) = Pattern::new(&discover.pattern)?;
    let Some(source) = inputs.get(from.input) else {
        let problem = format!("there is no input {:?}", from.input);
        return Err(Problem::invalid("discover.pattern", problem).into());
    };
    let matches = pattern.matches(&source.files, discover.kind, work)?;
    let most = discover.max.unwrap_or(USUAL_MATCHES).min(MOST_MATCHES);
    if matches.len() > most {
        let what = format!("{} matches of {:?}, which", matches.len(), discover.pattern);
        return Err(Problem::limit(what, most as u64).into());
    }
    if matches.is_empty() && discover.on_none == OnNone::Fail {
        let problem = format!(
            "{:?} matches nothing; correct it, or set `discover.onNone: Empty` where no output at all is fine",
            discover.pattern
        );
        return Err(Problem::nothing("discover.pattern", problem).into());
    }
    let limits = work.limits();
    if matches.len().saturating_mul(spec.outputs.len()) > limits.outputs {
        return Err(Problem::limit("the number of outputs", limits.outputs as u64).into());
    }
    let (mut wanted, mut seen, mut bytes) = (Vec::new(), BTreeMap::new(), 0_u64);
    for (path, captures) in matches {
        let lower = lower(&captures, &path)?;
        for template in &spec.outputs {
            let at = |problem: Problem| problem.at(template.name.as_deref(), Part::Whole);
            let output = fill(template, &captures).map_err(at)?;
            let length = serde_json::to_vec(&output).map_or(0, |text| text.len() as u64);
            work.spend(length / BYTES_A_STEP).map_err(at)?;
            bytes = bytes.saturating_add(length);
            if bytes > limits.discovered_bytes {
                let what = "the size of the discovered outputs' specifications in bytes";
                return Err(Problem::limit(what, limits.discovered_bytes).into());
            }
            let name = output.name.clone().unwrap_or_default();
            if !is_subdomain(&name) {
                let problem = format!("{name:?}, which {path:?} gives, is no name of an object");
                return Err(at(Problem::invalid("name", problem)));
            }
            if let Some(other) = seen.insert(name.clone(), path.clone()) {
                let problem = format!("{other:?} and {path:?} both give {name:?}");
                return Err(at(Problem::invalid("name", problem)));
            }
            wanted.push(Wanted {
                name: Some(name),
                output,
                captures: lower.clone(),
                path: Some(path.clone()),
            });
        }
    }
    Ok(wanted)
}

/// The captures in lower-case letters, as they become labels.
fn lower(captures: &Captures, path: &str) -> Result<Captures, Problem> {
    let mut lower = Captures::new();
    for (name, value) in captures {
        let value = value.to_lowercase();
        if !is_label_value(&value) {
            let problem = format!("{{{name}}} is {value:?} in {path:?}, which is no value of a label");
            return Err(Problem::invalid("discover.pattern", problem));
        }
        lower.insert(name.clone(), value);
    }
    Ok(lower)
}
