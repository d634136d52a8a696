//! Copies, and what else several parts of a specification have.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Labels and annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommonMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Files that are copied out of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Copy {
    /// `@input/path` or `@input/glob`.
    pub from: String,
    /// `@artifact/path`.
    pub to: String,
    /// Globs of what is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// What becomes of a file that is there already.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: Strategy,
    /// Whether there may be nothing to copy.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Whether the directories before the first wildcard of a glob are left out of the paths.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strip_prefix: bool,
    /// Whether `Merge` also means files inside of directories that are copied.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub merge_inside: bool,
}

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// It is replaced.
    #[default]
    Overwrite,
    /// What is copied is laid over it, as Helm lays values over each other.
    Merge,
    /// What is copied are archives, and what is in them is copied.
    Extract,
}

/// Whether a field needs not be written.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
