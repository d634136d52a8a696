//! What may be done to the files of an output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::copy::{CommonMetadata, Copy, is_default};

/// The name of the file that manifests are rendered to unless another is given.
const MANIFESTS: &str = "manifests.yaml";

fn manifests() -> String {
    MANIFESTS.to_owned()
}

fn is_manifests(name: &str) -> bool {
    name == MANIFESTS
}

/// Something that is done to the files of an output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Copies files out of an input.
    Copy(Copy),
    /// Lays files of YAML or JSON over each other.
    Merge(Merge),
    /// Unpacks archives.
    Extract(Extract),
    /// Removes files.
    Remove(Remove),
    /// Gives a file or a directory another path.
    Move(Move),
    /// Writes a file.
    File(WriteFile),
    /// Builds a kustomization.
    Kustomize(Box<Kustomize>),
    /// Renders a chart.
    Helm(Box<Helm>),
    /// Puts values of variables into files.
    Substitute(Substitute),
    /// Makes a chart of a directory, and nothing else.
    Chart(Chart),
}

impl Step {
    /// Gives the name of the field that says what it does.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Copy(_) => "copy",
            Self::Merge(_) => "merge",
            Self::Extract(_) => "extract",
            Self::Remove(_) => "remove",
            Self::Move(_) => "move",
            Self::File(_) => "file",
            Self::Kustomize(_) => "kustomize",
            Self::Helm(_) => "helm",
            Self::Substitute(_) => "substitute",
            Self::Chart(_) => "chart",
        }
    }
}

/// Lays files of YAML or JSON over each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Merge {
    /// The files; later ones over earlier ones.
    pub files: Vec<String>,
    /// Where the result goes.
    pub to: String,
    /// Whether `null` takes a key away, as in values of Helm, instead of being its value.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub null_deletes: bool,
}

/// Unpacks archives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Extract {
    /// The archive, or a glob of archives.
    pub path: String,
    /// The directory for what is in them; the root when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// Whether the archives stay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep_archive: bool,
    /// Whether there may be no archive.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
}

/// Removes files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Remove {
    /// Globs of files and directories.
    pub paths: Vec<String>,
}

/// Gives a file or a directory another path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Move {
    /// The path it has.
    pub from: String,
    /// The path that it gets, at which there is nothing.
    pub to: String,
}

/// Writes a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WriteFile {
    /// Its path.
    pub path: String,
    /// What is in it.
    pub content: String,
    /// Whether it may be executed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
}

/// Builds a kustomization, with fields of a Flux Kustomization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Kustomize {
    /// Its directory; the root when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// `namespace` of the kustomization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<String>,
    /// `namePrefix` of the kustomization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<String>,
    /// `nameSuffix` of the kustomization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_suffix: Option<String>,
    /// Further patches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Value>,
    /// Further images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Value>,
    /// Further components.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Whether components may be missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_missing_components: bool,
    /// Labels and annotations of all objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// The file for the objects.
    #[serde(skip_serializing_if = "is_manifests")]
    pub to: String,
    /// Whether the other files stay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

impl Default for Kustomize {
    fn default() -> Self {
        Self {
            path: String::new(),
            target_namespace: None,
            name_prefix: None,
            name_suffix: None,
            patches: Vec::new(),
            images: Vec::new(),
            components: Vec::new(),
            ignore_missing_components: false,
            common_metadata: None,
            to: manifests(),
            keep: false,
        }
    }
}

/// Renders a chart as `helm template` does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Helm {
    /// Its directory or archive.
    pub path: String,
    /// Name of the release.
    pub release_name: String,
    /// Namespace of the release; `default` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Values, over those of all files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Value>,
    /// Files of values; later ones over earlier ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// Whether the chart's CustomResourceDefinitions come too.
    #[serde(rename = "includeCRDs", skip_serializing_if = "bool::clone")]
    pub include_crds: bool,
    /// What becomes of hooks.
    #[serde(skip_serializing_if = "is_default")]
    pub hooks: Hooks,
    /// Whether tests are left out.
    #[serde(skip_serializing_if = "bool::clone")]
    pub skip_tests: bool,
    /// The version of Kubernetes that the chart sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_version: Option<String>,
    /// Further API versions that the chart sees.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
    /// The time that templates see, by RFC 3339; without it those that ask for the time are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<String>,
    /// The file for the objects.
    #[serde(skip_serializing_if = "is_manifests")]
    pub to: String,
    /// Whether the other files stay.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

impl Default for Helm {
    fn default() -> Self {
        Self {
            path: String::new(),
            release_name: String::new(),
            namespace: None,
            values: None,
            values_files: Vec::new(),
            include_crds: true,
            hooks: Hooks::Keep,
            skip_tests: true,
            kube_version: None,
            api_versions: Vec::new(),
            now: None,
            to: manifests(),
            keep: false,
        }
    }
}

/// What becomes of the hooks of a chart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hooks {
    /// They are objects like others.
    #[default]
    Keep,
    /// They are left out.
    Drop,
}

/// Puts values of variables into files, as a Flux Kustomization does after its build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Substitute {
    /// Variables, over those of all inputs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub vars: BTreeMap<String, String>,
    /// Inputs that are ConfigMaps, whose keys are variables; later ones over earlier ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vars_from: Vec<String>,
    /// Globs of the files; all of YAML when absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Whether variables that are not set are errors.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
}

/// Makes a chart of a directory, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Chart {
    /// The directory.
    pub path: String,
    /// Files of values that together take the place of the chart's own; later ones over earlier ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// Whether such files may be missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ignore_missing_values_files: bool,
}
