//! Label selectors in the notation of flags: `a=b,!c,d in (e,f)`.

use std::collections::BTreeSet;

use kube_core::{Expression, Selector};

/// Reads a label selector as Kubernetes does.
///
/// # Errors
/// A requirement that is none of `key`, `!key`, `key=value`, `key!=value`, `key in (..)`, `key notin (..)`.
pub fn parse(text: &str) -> Result<Selector, String> {
    split(text)
        .into_iter()
        .map(|part| requirement(part.trim()))
        .collect()
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn requirement(text: &str) -> Result<Expression, String> {
    let invalid = || format!("{text:?} is not a label selector requirement");
    let valid = |key: &str| {
        !key.is_empty()
            && key
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
    };
    let key = |key: &str| {
        if valid(key.trim()) {
            Ok(key.trim().to_owned())
        } else {
            Err(invalid())
        }
    };
    if let Some((left, values)) = text.split_once(" in ").or_else(|| text.split_once(" in(")) {
        return Ok(Expression::In(key(left)?, set(values).ok_or_else(invalid)?));
    }
    if let Some((left, values)) = text.split_once(" notin ").or_else(|| text.split_once(" notin(")) {
        return Ok(Expression::NotIn(key(left)?, set(values).ok_or_else(invalid)?));
    }
    if let Some((left, value)) = text.split_once("!=") {
        return Ok(Expression::NotEqual(key(left)?, value.trim().to_owned()));
    }
    if let Some((left, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Expression::Equal(key(left)?, value.trim().to_owned()));
    }
    match text.strip_prefix('!') {
        Some(absent) => Ok(Expression::DoesNotExist(key(absent)?)),
        None => Ok(Expression::Exists(key(text)?)),
    }
}

fn set(values: &str) -> Option<BTreeSet<String>> {
    let values = values.trim().trim_start_matches('(').strip_suffix(')')?;
    Some(values.split(',').map(|value| value.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kube_core::SelectorExt;

    use super::*;

    #[track_caller]
    fn check(selector: &str, labels: &[(&str, &str)], expected: bool) {
        let labels: BTreeMap<String, String> = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(
            parse(selector).unwrap().matches(&labels),
            expected,
            "{selector} {labels:?}"
        );
    }

    #[test]
    fn requirements_are_read_as_kubernetes_reads_them() {
        let ours = [("sharding.fluxcd.io/key", "openflux")];
        check("", &[], true);
        check("sharding.fluxcd.io/key=openflux", &ours, true);
        check("sharding.fluxcd.io/key == openflux", &ours, true);
        check("sharding.fluxcd.io/key=openflux", &[], false);
        check("!sharding.fluxcd.io/key", &ours, false);
        check("!sharding.fluxcd.io/key", &[], true);
        check("sharding.fluxcd.io/key", &ours, true);
        check("sharding.fluxcd.io/key!=openflux", &[], true);
        check("sharding.fluxcd.io/key in (a, openflux),!x", &ours, true);
        check("sharding.fluxcd.io/key notin (a,openflux)", &ours, false);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["a b", "=x", "a in x)y", "!"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
