//! Patterns with names in them, and texts that such names are put into.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

use crate::error::Problem;
use crate::limits::Work;
use crate::path::{Reference, clean};
use crate::spec::{Matches, Output};
use crate::tree::Tree;

/// The longest pattern, in bytes.
const LONGEST: usize = 1024;

/// What the names of a pattern stand for.
pub(crate) type Captures = BTreeMap<String, String>;

/// A pattern such as `apps/{app}/envs/{env}`.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// The directory in which everything lies that it matches.
    prefix: String,
    /// Compiled only by who looks for matches.
    regex: String,
    names: Vec<String>,
}

impl Pattern {
    /// Reads the path of a pattern.
    pub(crate) fn new(text: &str) -> Result<(Reference<'_>, Self), Problem> {
        let invalid = |problem: String| Problem::invalid("discover.pattern", format!("{text:?} {problem}"));
        if text.len() > LONGEST {
            return Err(Problem::limit(
                "the length of discover.pattern in bytes",
                LONGEST as u64,
            ));
        }
        let reference = Reference::required("discover.pattern", text)?;
        let path = clean("discover.pattern", reference.path)?;
        let (mut regex, mut names) = (String::from("^"), Vec::new());
        for part in parts(&path).map_err(invalid)? {
            match part {
                Part::Text(text) => regex.push_str(&regex::escape(text)),
                Part::Name(name) => {
                    if names.iter().any(|known| known == name) {
                        return Err(invalid(format!("has the name {{{name}}} twice")));
                    }
                    names.push(name.to_owned());
                    regex.extend(["(?P<", name, ">[^/]+)"]);
                }
            }
        }
        regex.push('$');
        let literal: Vec<_> = path
            .split('/')
            .take_while(|component| !component.contains('{'))
            .collect();
        // A pattern without names matches one path, which lies in its directory.
        let kept = literal.len().min(path.split('/').count().saturating_sub(1));
        let pattern = Self {
            prefix: literal.get(..kept).unwrap_or_default().join("/"),
            regex,
            names,
        };
        Ok((reference, pattern))
    }

    /// The names in it.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The paths of a tree that it matches, with what the names stand for, in the order of the paths.
    pub(crate) fn matches(
        &self,
        tree: &Tree,
        kind: Matches,
        work: &Work,
    ) -> Result<Vec<(String, Captures)>, Problem> {
        let mut paths = BTreeSet::new();
        for (path, _) in tree.below(&self.prefix) {
            work.spend(1)?;
            match kind {
                Matches::Files => {
                    paths.insert(path);
                }
                Matches::Directories => paths.extend(path.match_indices('/').map(|(at, _)| &path[..at])),
            }
        }
        let regex = Regex::new(&self.regex)
            .map_err(|error| Problem::invalid("discover.pattern", error.to_string()))?;
        let mut found = Vec::new();
        for path in paths {
            work.spend(1)?;
            let Some(captures) = regex.captures(path) else {
                continue;
            };
            let of = |name: &String| Some((name.clone(), captures.name(name)?.as_str().to_owned()));
            found.push((path.to_owned(), self.names.iter().filter_map(of).collect()));
        }
        Ok(found)
    }
}

enum Part<'t> {
    Text(&'t str),
    Name(&'t str),
}

/// Takes a text with names in braces apart.
fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        if rest[at..].starts_with('}') {
            return Err("has a closing brace without an opening one".to_owned());
        }
        let Some(length) = rest[at..].find('}') else {
            return Err("has an opening brace without a closing one".to_owned());
        };
        let name = &rest[at + 1..at + length];
        if !is_name(name) {
            return Err(format!(
                "has {{{name}}}, where a name of letters, digits and underscores has to stand"
            ));
        }
        parts.push(Part::Text(&rest[..at]));
        parts.push(Part::Name(name));
        rest = &rest[at + length + 1..];
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// Puts captures into the texts of an output: into its name, labels and annotations as lower-case letters, and as they are
/// into everything else. Only names, and paths of copies, must not have other braces.
pub(crate) fn fill(output: &Output, captures: &Captures) -> Result<Output, Problem> {
    let lower: Captures = captures
        .iter()
        .map(|(name, value)| (name.clone(), value.to_lowercase()))
        .collect();
    // What came out of JSON goes back into it.
    let mut value = serde_json::to_value(output).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        for (field, value) in fields {
            match field.as_str() {
                "name" | "labels" | "annotations" => texts(value, &mut |text| strictly(field, text, &lower))?,
                "copy" => {
                    for copy in value.as_array_mut().into_iter().flatten() {
                        for (field, value) in copy.as_object_mut().into_iter().flatten() {
                            if matches!(field.as_str(), "from" | "to") {
                                texts(value, &mut |text| strictly(field, text, captures))?;
                            } else {
                                texts(value, &mut |text| Ok(leniently(text, captures)))?;
                            }
                        }
                    }
                }
                _ => texts(value, &mut |text| Ok(leniently(text, captures)))?,
            }
        }
    }
    serde_json::from_value(value).map_err(|error| Problem::invalid("outputs", error.to_string()))
}

fn texts(value: &mut Value, change: &mut dyn FnMut(&str) -> Result<String, Problem>) -> Result<(), Problem> {
    match value {
        Value::String(text) => *text = change(text)?,
        Value::Array(items) => items.iter_mut().try_for_each(|item| texts(item, change))?,
        Value::Object(fields) => fields.values_mut().try_for_each(|value| texts(value, change))?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

fn strictly(field: &str, text: &str, captures: &Captures) -> Result<String, Problem> {
    let invalid = |problem: String| Problem::invalid(field, format!("{text:?} {problem}"));
    let mut filled = String::with_capacity(text.len());
    for part in parts(text).map_err(invalid)? {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Name(name) => {
                let value = captures.get(name);
                filled.push_str(
                    value
                        .ok_or_else(|| invalid(format!("has {{{name}}}, which discover.pattern has not")))?,
                );
            }
        }
    }
    Ok(filled)
}

fn leniently(text: &str, captures: &Captures) -> String {
    let mut filled = text.to_owned();
    if text.contains('{') {
        for (name, value) in captures {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::spec::{Copy, Remove, Step};

    #[test]
    fn names_stand_for_parts_of_components() {
        let tree: Tree = [
            "apps/a/envs/x/f",
            "apps/a/envs/y/g/h",
            "apps/b/envs/x/f",
            "apps/b/other/f",
            "config/eu-west.yaml",
        ]
        .iter()
        .map(|path| (*path, ""))
        .collect();
        let work = Work::within(Limits::default());
        let found = |text: &str, kind| {
            let (_, pattern) = Pattern::new(text).expect("a pattern");
            let found = pattern.matches(&tree, kind, &work).expect("steps");
            found
                .into_iter()
                .map(|(path, captures)| {
                    format!("{path} {}", captures.into_values().collect::<Vec<_>>().join(","))
                })
                .collect::<Vec<_>>()
        };
        let expected = ["apps/a/envs/x a,x", "apps/a/envs/y a,y", "apps/b/envs/x b,x"];
        assert_eq!(
            found("@git/apps/{app}/envs/{env}", Matches::Directories),
            expected
        );
        assert_eq!(
            found("@git/config/{region}-{zone}.yaml", Matches::Files),
            ["config/eu-west.yaml eu,west"]
        );
        assert_eq!(found("@git/apps", Matches::Directories), ["apps "]);
        assert_eq!(found("@git/apps/{app}", Matches::Files), [""; 0]);
        for bad in [
            "git/{a}",
            "@git/{a}/{a}",
            "@git/{a",
            "@git/a}",
            "@git/{}",
            "@git/{1a}",
            "@git/../{a}",
        ] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn templates_are_filled() {
        let output = Output {
            name: Some("app-{app}".to_owned()),
            copy: vec![Copy {
                from: "@git/apps/{app}/".to_owned(),
                to: "@artifact/".to_owned(),
                exclude: vec!["{app}/*.{png,jpg}".to_owned()],
                ..Copy::default()
            }],
            steps: vec![Step::Remove(Remove {
                paths: vec!["{app}/tmp".to_owned()],
            })],
            labels: [("app".to_owned(), "{app}".to_owned())].into(),
            ..Output::default()
        };
        let captures = [("app".to_owned(), "Web".to_owned())].into();
        let filled = fill(&output, &captures).expect("an output");
        assert_eq!(filled.name.as_deref(), Some("app-web"));
        assert_eq!(filled.copy[0].from, "@git/apps/Web/");
        assert_eq!(filled.copy[0].exclude, ["Web/*.{png,jpg}"]);
        assert_eq!(filled.labels["app"], "web");
        assert_eq!(
            filled.steps[0],
            Step::Remove(Remove {
                paths: vec!["Web/tmp".to_owned()]
            })
        );
        for name in ["{other}", "{", "}", "{}"] {
            let output = Output {
                name: Some(name.to_owned()),
                ..Output::default()
            };
            assert!(fill(&output, &captures).is_err(), "{name}");
        }
    }
}
