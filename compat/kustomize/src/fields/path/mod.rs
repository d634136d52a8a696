//! The two path languages of replacements: one finds the field that a value comes from, the other those it goes to.
//!
//! Parts are separated by `.`; `\.` is a dot inside a part, `[a.b]` is one part, and `[name=value]` names elements of a
//! list. Where the source language compares exactly, the target language matches a regular expression.

mod source;
mod structured;
mod target;

pub(crate) use source::{lookup, lookup_or_create};
pub(crate) use structured::write_structured;
pub(crate) use target::{TargetPath, visit_some};

use crate::Error;
use crate::fields::fieldspec::split_path;

/// Splits a path; brackets keep their content together, and stay where they name list elements.
pub(crate) fn split(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut pieces = split_path(path, '.').into_iter();
    while let Some(piece) = pieces.next() {
        if !piece.starts_with('[') || piece.ends_with(']') {
            parts.push(piece);
            continue;
        }
        let mut joined = piece;
        for piece in pieces.by_ref() {
            joined.push('.');
            joined.push_str(&piece);
            if piece.ends_with(']') {
                break;
            }
        }
        parts.push(if joined.contains('=') {
            joined
        } else {
            joined.trim_matches(['[', ']']).to_owned()
        });
    }
    parts
}

fn is_element(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

fn key_and_value(part: &str) -> Result<(&str, &str), Error> {
    let inner = part.strip_suffix(']').unwrap_or(part);
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| {
        Error::invalid("list path element must contain fieldName=fieldValue for element to match")
    })
}

/// The node that a text spells.
#[cfg(test)]
fn parse(text: &str) -> go_yaml::Node {
    go_yaml::v3::parse_first(text.as_bytes(), &go_yaml::Limits::default())
        .unwrap()
        .unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_outside_of_brackets() {
        let cases: [(&str, &[&str]); 6] = [
            ("spec.template", &["spec", "template"]),
            (
                r"metadata.annotations.a\.b/c",
                &["metadata", "annotations", "a.b/c"],
            ),
            (
                "metadata.annotations.[a.b/c].d",
                &["metadata", "annotations", "a.b/c", "d"],
            ),
            (
                "containers.[name=a.b].image",
                &["containers", "[name=a.b]", "image"],
            ),
            ("a.[b].c", &["a", "[b]", "c"]),
            (".a", &["a"]),
        ];
        for (path, parts) in cases {
            assert_eq!(split(path), parts, "{path}");
        }
    }
}
