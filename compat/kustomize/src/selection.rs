//! Which objects a patch or a replacement is about.

use go_regexp::Regexp;

use crate::kustomization::Selector;
use crate::label_selector::LabelSelector;
use crate::pattern::Plain;
use crate::resid::split_api_version;
use crate::resmap::ResMap;
use crate::resource::Resource;
use crate::{Error, Limits, ResId};

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
    fn new(text: &str, limits: &Limits) -> Result<Self, Error> {
        if text.is_empty() {
            return Ok(Self::Any);
        }
        if let Some(plain) = Plain::new(text) {
            return Ok(Self::Plain(plain));
        }
        let anchored = format!("^(?:{text})$");
        let regexp = Regexp::with_limits(anchored.as_bytes(), &limits.regex())
            .map_err(|e| Error::invalid(e.to_string()))?;
        Ok(Self::Regexp(Box::new(regexp)))
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
    pub(crate) fn new(selector: &Selector, limits: &Limits) -> Result<Self, Error> {
        Ok(Self {
            group: Pattern::new(&selector.group, limits)?,
            version: Pattern::new(&selector.version, limits)?,
            kind: Pattern::new(&selector.kind, limits)?,
            name: Pattern::new(&selector.name, limits)?,
            namespace: Pattern::new(&selector.namespace, limits)?,
            labels: LabelSelector::parse(&selector.labels),
            annotations: LabelSelector::parse(&selector.annotations),
        })
    }

    /// The positions of the objects that a patch with this target goes to.
    ///
    /// Name and namespace may be those of the original or of the current id, the type is the current one.
    pub(crate) fn select(&self, objects: &ResMap) -> Result<Vec<usize>, Error> {
        let mut selected = Vec::new();
        for (index, object) in objects
            .resources
            .iter()
            .enumerate()
            .filter(|(_, object)| !object.is_empty())
        {
            if self.matches_now_or_originally(object) && self.matches_metadata(object)? {
                selected.push(index);
            }
        }
        Ok(selected)
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
        let matches =
            |pattern: &str, text: &str| Pattern::new(pattern, &Limits::default()).unwrap().matches(text);
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
        assert!(Pattern::new("(", &Limits::default()).is_err());
    }
}
