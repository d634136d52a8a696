//! Where the files of one object are.

use std::fmt;
use std::path::PathBuf;

/// The object that files belong to, which is also their folder: the kind in lower case, namespace and name.
///
/// Names of Kubernetes are safe components of a path; anything else makes no place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    kind: String,
    namespace: String,
    name: String,
}

impl Place {
    /// Names the place of an object; `None` when that is no folder of its own.
    pub fn new(kind: &str, namespace: &str, name: &str) -> Option<Self> {
        let kind = kind.to_lowercase();
        let is_component = |text: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            (1..=253).contains(&text.len()) && !text.starts_with('.') && text.chars().all(allowed)
        };
        let components = [kind.as_str(), namespace, name];
        if !components.into_iter().all(is_component) {
            return None;
        }
        Some(Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Gives the kind, in lower case.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Gives the namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Gives the name of the object.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn folder(&self) -> PathBuf {
        [&self.kind, &self.namespace, &self.name].iter().collect()
    }

    /// Splits what follows the host of a URL into a place and the name of a file.
    pub(crate) fn of_path(path: &str) -> Option<(Self, &str)> {
        let mut components = path.split('/');
        let (kind, namespace, name, file) = (
            components.next()?,
            components.next()?,
            components.next()?,
            components.next()?,
        );
        if components.next().is_some() || kind.chars().any(char::is_uppercase) {
            return None;
        }
        Some((Self::new(kind, namespace, name)?, file))
    }
}

impl fmt::Display for Place {
    /// Writes `kind/namespace/name`, as in URLs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_is_outside_of_the_store() {
        for (kind, namespace, name) in [
            ("", "a", "b"),
            ("..", "a", "b"),
            (".index", "a", "b"),
            ("Http", "a/b", "c"),
            ("Http", "a", "."),
            ("Http", "a", "b\0"),
        ] {
            assert_eq!(
                Place::new(kind, namespace, name),
                None,
                "{kind}/{namespace}/{name}"
            );
        }
        let place = Place::new("Http", "apps", "web.1").expect("names of Kubernetes");
        assert_eq!(place.to_string(), "http/apps/web.1");
        assert_eq!(
            Place::of_path("http/apps/web.1/x.tar.gz"),
            Some((place, "x.tar.gz"))
        );
        for path in [
            "http/apps/web",
            "http/apps/web/x/y",
            "Http/apps/web/x",
            "http//web/x",
            "../a/b/c",
        ] {
            assert_eq!(Place::of_path(path), None, "{path}");
        }
    }
}
