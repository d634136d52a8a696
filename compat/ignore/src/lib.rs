//! Which fields of which objects are left alone: `spec.ignore` of a Kustomization, and `spec.driftDetection.ignore` of a HelmRelease.
//!
//! Pure: rules are read once, and say of an object which JSON pointers count for it. What becomes of what they lead to is for whoever
//! asks.

use go_regexp::Regexp;
use kustomize::LabelSelector;
use serde_json::{Map, Value};

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

/// The rules of a Kustomization or a release.
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

/// A map of texts of an object's metadata; one with something else in it is none.
fn string_map<'a>(object: &'a Value, field: &str) -> Option<&'a Map<String, Value>> {
    let map = object.get("metadata")?.get(field)?.as_object()?;
    map.values().all(Value::is_string).then_some(map)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(target: Option<IgnoreTarget>, object: &Value) -> usize {
        let rule = IgnoreRule {
            paths: vec!["/spec/a".to_owned(), "/spec/b".to_owned()],
            target,
        };
        let rules = IgnoreRules::new(&[rule, IgnoreRule::default()]).unwrap();
        rules.paths_for(object).len()
    }

    #[test]
    fn a_target_is_matched_as_a_whole() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "apps", "labels": {"team": "a"}, "annotations": {"odd": 1}}});
        let target = |change: fn(&mut IgnoreTarget)| {
            let mut target = IgnoreTarget::default();
            change(&mut target);
            paths(Some(target), &object)
        };
        assert_eq!(paths(None, &object), 2);
        assert_eq!(target(|_| ()), 2);
        assert_eq!(target(|target| target.kind = "Deploy.*".to_owned()), 2);
        assert_eq!(target(|target| target.kind = "Deploy".to_owned()), 0);
        assert_eq!(target(|target| target.group = "apps".to_owned()), 2);
        assert_eq!(target(|target| target.version = "v2".to_owned()), 0);
        assert_eq!(
            target(|target| target.label_selector = "team in (a, b)".to_owned()),
            2
        );
        assert_eq!(target(|target| target.label_selector = "team=b".to_owned()), 0);
        assert_eq!(target(|target| target.annotation_selector = "odd".to_owned()), 0);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let rule = IgnoreRule {
            paths: Vec::new(),
            target: Some(IgnoreTarget {
                name: "(".to_owned(),
                ..IgnoreTarget::default()
            }),
        };
        let why = IgnoreRules::new(&[rule]).unwrap_err().to_string();
        assert!(
            why.starts_with("failed to create ignore rule selector: invalid name regex: "),
            "{why}"
        );
    }
}
