//! What was compared, with what, and when.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// Who made a proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Prover {
    /// The controller in the cluster, with the code, the cache and the identity of a real run.
    #[default]
    Controller,
    /// A tool on somebody's machine, with the rights of that person.
    Local,
}

/// What was compared, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Proof {
    /// Who made it.
    pub by: Prover,
    /// The version of the program that made it.
    pub version: String,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The revision that was rendered.
    pub revision: String,
    /// The digest of the artifact that was rendered.
    pub artifact: String,
    /// The digest of everything that was rendered, as `status.history` has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rendered: String,
    /// A digest of what the proof rests on: the object, its spec, the artifact, the inventory and the versions of the ConfigMaps
    /// and Secrets that were read. As long as it is the same, the proof holds.
    pub inputs: String,
    /// How many objects were compared.
    pub counts: Counts,
    /// What was found out about the release, if it is about a HelmRelease.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseProof>,
}

/// How many objects were compared, and what would become of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// All that were rendered.
    pub compared: usize,
    /// Those that would stay as they are, to the last field and its owner.
    pub identical: usize,
    /// Those that would be created.
    pub created: usize,
    /// Those that would be changed.
    pub changed: usize,
    /// Those that would be deleted.
    pub deleted: usize,
    /// Those that a marker says to leave alone; they count as identical too.
    pub skipped: usize,
}

impl Counts {
    /// Returns whether nothing would be written.
    pub fn is_nothing_written(&self) -> bool {
        self.created + self.changed + self.deleted == 0 && self.identical == self.compared
    }

    /// Adds those of another object.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            compared: self.compared + other.compared,
            identical: self.identical + other.identical,
            created: self.created + other.created,
            changed: self.changed + other.changed,
            deleted: self.deleted + other.deleted,
            skipped: self.skipped + other.skipped,
        }
    }
}

/// What was found out about a Helm release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseProof {
    /// Its name.
    pub name: String,
    /// Its number.
    pub version: i64,
    /// Chart and version.
    pub chart: String,
    /// Whether the digest that stock has noted is that of what is stored; nothing if it noted none that can be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_matches: Option<bool>,
    /// What the next upgrade would render.
    pub next_upgrade: NextUpgrade,
}

/// What the next upgrade of a release would render from the same chart and values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NextUpgrade {
    /// It was not rendered.
    #[default]
    Unknown,
    /// What is stored, byte for byte, hooks included.
    Identical,
    /// Something else with each rendering, because the chart makes it up.
    Random,
    /// Something else.
    Different,
}
