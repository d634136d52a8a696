//! What of an object drift detection leaves alone.

use std::collections::BTreeMap;

use go_regexp::Regexp;
use kustomize::LabelSelector;
use serde_json::Value;

use super::{is_marked, string_map};

/// JSON pointers, and the objects that they are ignored in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreRule {
    /// JSON pointers; the empty one is the whole object.
    pub paths: Vec<String>,
    /// The objects; without it all of them.
    pub target: Option<IgnoreTarget>,
}

/// Selects objects. The texts are regular expressions for the whole of what they are compared with; an empty one matches
/// everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreTarget {
    /// The API group.
    pub group: String,
    /// The API version.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// A label selector for annotations.
    pub annotation_selector: String,
    /// A label selector.
    pub label_selector: String,
}

/// A rule cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to create ignore rule selector: invalid {part}: {reason}")]
pub struct IgnoreRuleError {
    part: &'static str,
    reason: String,
}

/// A pointer leads through a list by something that is no index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("error in remove for path: '{path}': strconv.Atoi: parsing {token:?}: {reason}")]
pub struct InvalidPointer {
    path: String,
    token: String,
    reason: &'static str,
}

/// The rules of a release.
///
/// All of them count. Upstream forgets all rules without a target but the last.
#[derive(Debug, Default)]
pub struct IgnoreRules {
    rules: Vec<(Selector, Vec<String>)>,
}

#[derive(Debug, Default)]
struct Selector {
    group: Option<Regexp>,
    version: Option<Regexp>,
    kind: Option<Regexp>,
    name: Option<Regexp>,
    namespace: Option<Regexp>,
    annotations: Option<LabelSelector>,
    labels: Option<LabelSelector>,
}

impl IgnoreRules {
    /// Reads the rules.
    pub fn new(rules: &[IgnoreRule]) -> Result<Self, IgnoreRuleError> {
        let read = |rule: &IgnoreRule| {
            let selector = rule.target.as_ref().map(Selector::read).transpose()?;
            Ok((selector.unwrap_or_default(), rule.paths.clone()))
        };
        Ok(Self {
            rules: rules.iter().map(read).collect::<Result<_, _>>()?,
        })
    }

    /// Says whether the object is not to be looked at: by a mark on it or by a rule for the whole of it.
    pub fn is_excluded(&self, desired: &Value) -> bool {
        is_marked(desired) || self.paths_for(desired).contains(&"")
    }

    /// Which pointers are ignored in an object.
    pub fn paths_for(&self, object: &Value) -> Vec<&str> {
        let rules = self.rules.iter().filter(|(selector, _)| selector.matches(object));
        rules.flat_map(|(_, paths)| paths).map(String::as_str).collect()
    }
}

impl Selector {
    fn read(target: &IgnoreTarget) -> Result<Self, IgnoreRuleError> {
        let regexp = |part, text: &str| {
            let compiled = (!text.is_empty())
                .then(|| Regexp::new(format!("^(?:{text})$")))
                .transpose();
            compiled.map_err(|error| IgnoreRuleError {
                part,
                reason: error.to_string(),
            })
        };
        let labels = |part, text: &str| {
            let parsed = (!text.is_empty()).then(|| LabelSelector::parse(text)).transpose();
            parsed.map_err(|error| IgnoreRuleError {
                part,
                reason: error.to_string(),
            })
        };
        Ok(Self {
            group: regexp("group regex", &target.group)?,
            version: regexp("version regex", &target.version)?,
            kind: regexp("kind regex", &target.kind)?,
            name: regexp("name regex", &target.name)?,
            namespace: regexp("namespace regex", &target.namespace)?,
            labels: labels("label selector", &target.label_selector)?,
            annotations: labels("annotation selector", &target.annotation_selector)?,
        })
    }

    fn matches(&self, object: &Value) -> bool {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = match text("/apiVersion").split_once('/') {
            Some((group, version)) => (group, version),
            None => ("", text("/apiVersion")),
        };
        let by_text = [
            (&self.group, group),
            (&self.version, version),
            (&self.kind, text("/kind")),
            (&self.name, text("/metadata/name")),
            (&self.namespace, text("/metadata/namespace")),
        ];
        let by_labels = [(&self.labels, "labels"), (&self.annotations, "annotations")];
        let fits = |(regexp, text): (&Option<Regexp>, &str)| {
            regexp.as_ref().is_none_or(|regexp| regexp.is_match(text))
        };
        let selects = |(selector, field): (&Option<LabelSelector>, &str)| {
            selector.as_ref().is_none_or(|selector| {
                let map = string_map(object, field).into_iter().flatten();
                let map: Vec<_> = map
                    .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
                    .collect();
                selector.matches(&map)
            })
        };
        by_text.into_iter().all(fits) && by_labels.into_iter().all(selects)
    }
}

/// Removes what pointers lead to, one after the other. What is not there is no mistake.
pub(super) fn remove(document: &mut Value, paths: &[&str]) -> Result<(), InvalidPointer> {
    for path in paths {
        let Some(tokens) = tokens_of(path) else { continue };
        let Some((last, parents)) = tokens.split_last() else {
            continue;
        };
        let parent = parents
            .iter()
            .try_fold(&mut *document, |value, token| match value {
                Value::Object(fields) => fields.get_mut(token),
                Value::Array(items) => {
                    let at = parse_index(token)
                        .ok()
                        .and_then(|index| place(index, items.len()))?;
                    items.get_mut(at)
                }
                _ => None,
            });
        match parent {
            Some(Value::Object(fields)) => _ = fields.remove(last),
            Some(Value::Array(items)) => {
                let index = parse_index(last).map_err(|reason| InvalidPointer {
                    path: (*path).to_owned(),
                    token: last.clone(),
                    reason,
                })?;
                if let Some(at) = place(index, items.len()) {
                    items.remove(at);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The document `wanted` with what is ignored as it is in `live`.
///
/// Pointers count elements as if what earlier ones lead to were gone, because [`remove`] takes them out one by one.
pub(super) fn with_ignored_of(wanted: &Value, live: &Value, paths: &[&str]) -> Value {
    let mut result = wanted.clone();
    let mut removed = BTreeMap::new();
    for path in paths {
        if let Some(tokens) = tokens_of(path) {
            restore(&mut result, live, &tokens, &mut String::new(), &mut removed);
        }
    }
    result
}

/// The elements that are gone from a list, by the pointer to it.
type Removed = BTreeMap<String, Vec<usize>>;

fn restore(target: &mut Value, live: &Value, tokens: &[String], path: &mut String, removed: &mut Removed) {
    let Some((token, rest)) = tokens.split_first() else {
        return;
    };
    match (target, live) {
        (Value::Object(target), Value::Object(live)) => {
            let known = live.get(token);
            if rest.is_empty() {
                match known {
                    Some(known) => _ = target.insert(token.clone(), known.clone()),
                    None => _ = target.remove(token),
                }
                return;
            }
            path.push('/');
            path.push_str(token);
            match (target.get_mut(token), known) {
                (Some(target), Some(known)) => restore(target, known, rest, path, removed),
                // What leads to it is kept with it, and with nothing else.
                (None, Some(Value::Object(_))) => {
                    let mut parent = Value::Object(serde_json::Map::new());
                    restore(&mut parent, known.unwrap_or(&Value::Null), rest, path, removed);
                    if parent.as_object().is_some_and(|parent| !parent.is_empty()) {
                        target.insert(token.clone(), parent);
                    }
                }
                // It is ignored in what is added.
                (Some(target), None) => restore(
                    target,
                    &Value::Object(serde_json::Map::new()),
                    rest,
                    path,
                    removed,
                ),
                _ => {}
            }
        }
        (Value::Array(target), Value::Array(live)) => {
            let Ok(index) = parse_index(token) else { return };
            let gone = removed.entry(path.clone()).or_default();
            let left = live.len().max(target.len()).saturating_sub(gone.len());
            let Some(mut at) = place(index, left) else { return };
            for gone in gone.iter() {
                at += usize::from(*gone <= at);
            }
            if !rest.is_empty() {
                path.push('/');
                path.push_str(&at.to_string());
                if let (Some(target), Some(live)) = (target.get_mut(at), live.get(at)) {
                    restore(target, live, rest, path, removed);
                }
                return;
            }
            gone.push(at);
            gone.sort_unstable();
            match (target.get_mut(at), live.get(at)) {
                (Some(target), Some(live)) => target.clone_from(live),
                (None, Some(live)) => target.push(live.clone()),
                (Some(_), None) => _ = target.remove(at),
                (None, None) => {}
            }
        }
        _ => {}
    }
}

/// The parts of a pointer behind its first slash; without one it leads nowhere.
fn tokens_of(path: &str) -> Option<Vec<String>> {
    let rest = path.get(path.find('/')? + 1..)?;
    let decode = |token: &str| token.replace("~1", "/").replace("~0", "~");
    Some(rest.split('/').map(decode).collect())
}

/// Reads a number as Go's `Atoi`.
fn parse_index(token: &str) -> Result<i64, &'static str> {
    let digits = token.strip_prefix(['+', '-']).unwrap_or(token);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("invalid syntax");
    }
    token.parse().map_err(|_| "value out of range")
}

/// The element that an index leads to; negative ones count from the end.
fn place(index: i64, length: usize) -> Option<usize> {
    let at = if index < 0 {
        length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
    } else {
        usize::try_from(index).ok()?
    };
    (at < length).then_some(at)
}
