//! What a transformation is told to do: the `spec` of a `Transformation`, as people write it.

mod copy;
mod steps;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use copy::is_default;

pub use copy::{CommonMetadata, Copy, Strategy};
pub use steps::{Chart, Extract, Helm, Hooks, Kustomize, Merge, Move, Remove, Step, Substitute, WriteFile};

/// The `spec` of a `Transformation`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// The pause between two checks that nothing was missed, as Go writes durations; `1h` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// How long one run may take; `5m` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Whether nothing is built for the time being.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Everything that a build can see.
    pub inputs: Vec<Input>,
    /// Makes the outputs templates, of which there is one set for each match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discover: Option<Discover>,
    /// What is made.
    pub outputs: Vec<Output>,
    /// Labels and annotations of all outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
}

/// Something that a build can see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Input {
    /// By what name it is referred to: `@name`.
    pub name: String,
    /// The object whose artifact it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ref: Option<SourceReference>,
    /// The ConfigMap whose keys are its files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapReference>,
    /// Whether it may be missing, and is then an input without files.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// An object that has an artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceReference {
    /// Its group and version; that of Flux's own sources when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace; that of the transformation when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A ConfigMap of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigMapReference {
    /// Its name.
    pub name: String,
}

/// Where sets of outputs come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Discover {
    /// `@input/path/{name}/path`: a path of an input; `{name}` stands for a part of a component, and is known by that name.
    pub pattern: String,
    /// What the path is.
    #[serde(rename = "match", skip_serializing_if = "is_default")]
    pub kind: Matches,
    /// How many matches there may be; 200 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<usize>,
    /// What becomes of no match at all.
    #[serde(skip_serializing_if = "is_default")]
    pub on_none: OnNone,
    /// Whether artifacts get a label `name: value` too for each `{name}`, as source-watcher's have.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bare_capture_labels: bool,
}

/// What a discovered path is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Matches {
    /// A directory.
    #[default]
    Directories,
    /// A file.
    Files,
}

/// What becomes of no match at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnNone {
    /// It is a failure, and everything stays.
    #[default]
    Fail,
    /// There are no outputs.
    Empty,
}

/// One artifact that is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Output {
    /// Name of the artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it begins with: copies out of inputs, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copy: Vec<Copy>,
    /// What is then done to it, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Rules in the form of gitignore about what is left out in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<String>,
    /// Whether what stock leaves out of artifacts is left out: images, archives, files of git and of CI.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_defaults: bool,
    /// What the revision begins with: a word, or `@input` for that of an input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// `@input`, whose origin the artifact is said to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// When that is written.
    #[serde(skip_serializing_if = "is_default")]
    pub origin_update: OriginUpdate,
    /// Labels of the artifact.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the artifact.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// When the origin of an artifact is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OriginUpdate {
    /// With new content.
    #[default]
    OnContentChange,
    /// Whenever it is another one.
    Always,
}
