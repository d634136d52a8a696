//! Which objects a patch or a replacement is about.

use go_regexp::Regexp;

use crate::budget::Budget;
use crate::load::kustomization::Selector;
use crate::object::resmap::ResMap;
use crate::object::resource::Resource;
use crate::openapi::split_api_version;
use crate::pattern::{Plain, compile, matching_cost};
use crate::select::label_selector::LabelSelector;
use crate::{Error, ResId};

/// A [`Selector`] with its patterns compiled.
#[derive(Debug)]
pub(crate) struct Selection {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    /// An error is reported when an object is left to be tested, as upstream reads selectors that late.
    labels: Result<LabelSelector, Error>,
    annotations: Result<LabelSelector, Error>,
}

/// A regular expression that has to match a whole text.
#[derive(Debug)]
enum Pattern {
    Any,
    Plain(Plain),
    Regexp(Box<Regexp>),
}

impl Pattern {
    fn new(text: &str, budget: &Budget) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::Any);
        }
        if let Some(plain) = Plain::new(text) {
            return Ok(Self::Plain(plain));
        }
        let anchored = format!("^(?:{text})$");
        let regexp = compile(anchored.as_bytes(), budget)?;
        Ok(Self::Regexp(Box::new(regexp)))
    }

    /// Bytes to be read for a match, so to say.
    fn cost(&self, text: &str) -> usize {
        match self {
            Self::Any | Self::Plain(_) => 0,
            Self::Regexp(regexp) => matching_cost(regexp, text),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Plain(plain) => plain.strip(text) == Some(""),
            Self::Regexp(regexp) => regexp.is_match(text),
        }
    }

    fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

impl Selection {
    /// Compiles a selector; an error if one of its patterns is no regular expression.
    pub(crate) fn new(selector: &Selector, budget: &Budget) -> Result<Self, Error> {
        Ok(Self {
            group: Pattern::new(&selector.group, budget)?,
            version: Pattern::new(&selector.version, budget)?,
            kind: Pattern::new(&selector.kind, budget)?,
            name: Pattern::new(&selector.name, budget)?,
            namespace: Pattern::new(&selector.namespace, budget)?,
            labels: LabelSelector::parse(&selector.labels),
            annotations: LabelSelector::parse(&selector.annotations),
        })
    }

    /// The positions of the objects that a patch with this target goes to.
    ///
    /// Name and namespace may be those of the original or of the current id, the type is the current one.
    pub(crate) fn select(&self, objects: &ResMap, budget: &Budget) -> Result<Vec<usize>, Error> {
        let mut selected = Vec::new();
        for (index, object) in objects
            .resources
            .iter()
            .enumerate()
            .filter(|(_, object)| !object.is_empty())
        {
            self.pay(object, budget)?;
            if self.matches_now_or_originally(object) && self.matches_metadata(object)? {
                selected.push(index);
            }
        }
        Ok(selected)
    }

    /// Pays for one object that is looked at.
    pub(crate) fn pay(&self, object: &Resource, budget: &Budget) -> Result<(), Error> {
        budget.step(8)?;
        let patterns = [
            (&self.kind, object.kind()),
            (&self.group, object.api_version()),
            (&self.version, object.api_version()),
            (&self.name, object.name()),
            (&self.namespace, object.namespace()),
        ];
        let cost: usize = patterns.iter().map(|(pattern, text)| pattern.cost(text)).sum();
        // Each identity that the object had may be compared.
        budget.scan(cost.saturating_mul(1 + object.history.previous.len()))?;
        if self.has_metadata() {
            for map in ["labels", "annotations"] {
                let map = object.node.get_path(&["metadata", map]);
                budget.step(4 * map.map_or(0, |map| map.entries().len()))?;
            }
        }
        Ok(())
    }

    fn matches_now_or_originally(&self, object: &Resource) -> bool {
        let (group, version) = split_api_version(object.api_version());
        let original = object.history.previous.first();
        let namespace = || {
            self.namespace.matches(namespace_of(object))
                || original.is_some_and(|id| {
                    let namespace = object.effective_namespace(&id.kind, &id.namespace);
                    self.namespace.matches(namespace)
                })
        };
        self.kind.matches(object.kind())
            && self.group.matches(group)
            && self.version.matches(version)
            && (self.name.matches(object.name()) || original.is_some_and(|id| self.name.matches(&id.name)))
            && (self.namespace.is_any() || namespace())
    }

    /// Whether labels and annotations of an object satisfy their selectors.
    pub(crate) fn matches_metadata(&self, object: &Resource) -> Result<bool, Error> {
        let labels = self.labels.as_ref().map_err(Clone::clone)?;
        let annotations = self.annotations.as_ref().map_err(Clone::clone)?;
        Ok((labels.is_empty() || labels.matches(&object.labels()))
            && (annotations.is_empty() || annotations.matches(&object.annotations())))
    }

    /// Whether there are label or annotation selectors.
    pub(crate) fn has_metadata(&self) -> bool {
        let is_given =
            |selector: &Result<LabelSelector, Error>| selector.as_ref().map_or(true, |s| !s.is_empty());
        is_given(&self.labels) || is_given(&self.annotations)
    }

    /// Whether the name of an id may match.
    pub(crate) fn matches_name(&self, name: &str) -> bool {
        self.name.matches(name)
    }

    /// Whether an id matches, its namespace as it is written.
    pub(crate) fn matches_id(&self, id: &ResId) -> bool {
        self.kind.matches(&id.gvk.kind)
            && self.group.matches(&id.gvk.group)
            && self.version.matches(&id.gvk.version)
            && self.name.matches(&id.name)
            && self.namespace.matches(&id.namespace)
    }

    /// Whether every id matches.
    pub(crate) fn is_any_id(&self) -> bool {
        [
            &self.group,
            &self.version,
            &self.kind,
            &self.name,
            &self.namespace,
        ]
        .into_iter()
        .all(Pattern::is_any)
    }
}

/// The namespace of an object that counts when ids are compared.
pub(crate) fn namespace_of(object: &Resource) -> &str {
    object.effective_namespace(object.kind(), object.namespace())
}

/// `id:a=annotations:l=labels`, as errors show a selector.
impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:a={}:l={}", self.id(), self.annotations, self.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_texts() {
        let budget = Budget::within(&crate::Limits::default());
        let matches = |pattern: &str, text: &str| Pattern::new(pattern, &budget).unwrap().matches(text);
        for (pattern, text, expected) in [
            ("", "anything", true),
            ("web", "web", true),
            ("web", "web-1", false),
            ("web.*", "web-1", true),
            ("a|b", "ab", false),
            ("we.", "web", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
        assert!(Pattern::new("(", &budget).is_err());
    }
}
