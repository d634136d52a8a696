//! The variables, and which objects they are not for.

use std::collections::BTreeMap;

/// Label or annotation that keeps an object from being substituted when its value is [`DISABLED`].
pub const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";

/// The value of [`SUBSTITUTE`] that counts, in exactly this letter case.
pub const DISABLED: &str = "disabled";

/// Returns whether an object opts out, given its label and its annotation [`SUBSTITUTE`].
pub fn is_disabled(label: Option<&str>, annotation: Option<&str>) -> bool {
    label == Some(DISABLED) || annotation == Some(DISABLED)
}

/// Variables by name, without the line breaks of their values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Sets a variable, replacing an earlier value. Line feeds in the value are dropped, as Flux does.
    pub fn set(&mut self, name: impl Into<String>, value: &str) {
        self.0.insert(name.into(), value.replace('\n', ""));
    }

    /// Returns a value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns whether there is no variable; Flux then substitutes only with the strategy `Always`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the variables by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the first name that no shell variable can have.
    pub(crate) fn invalid_name(&self) -> Option<&str> {
        self.0.keys().map(String::as_str).find(|name| !is_valid(name))
    }
}

impl<N: Into<String>, V: AsRef<str>> FromIterator<(N, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut variables = Self::default();
        for (name, value) in pairs {
            variables.set(name, value.as_ref());
        }
        variables
    }
}

/// The values may come from Secrets, so only the names are shown.
impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn is_valid(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
        && chars.all(|c| c == '_' || c.is_ascii_alphanumeric())
}
