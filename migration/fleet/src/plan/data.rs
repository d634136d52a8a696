//! The plan as it is kept in a file.

use std::collections::BTreeSet;

use flux_proof::{Counts, Finding, Proof};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use crate::scan::Class;
use crate::{API_VERSION, Handle};

/// The kind of the document.
pub(super) const KIND: &str = "MigrationPlan";

/// Which objects move, in which order, and what was proven about each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MigrationPlan {
    /// Version of the schema.
    pub api_version: String,
    /// `MigrationPlan`.
    pub kind: String,
    /// Names the plan, by what is in it.
    pub id: String,
    /// When it was made.
    pub created: Time,
    /// The cluster that it is for.
    pub cluster: ClusterId,
    /// Who took part in it.
    pub versions: Versions,
    /// The label that moves objects.
    pub label: Label,
    /// All objects that were asked for, those that do not move too.
    pub objects: Vec<PlannedObject>,
    /// What could not be read; nothing is known about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
}

/// Tells one cluster from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterId {
    /// The uid of the namespace kube-system.
    pub uid: String,
    /// The address of the API server when the plan was made.
    pub server: String,
    /// The context of the kubeconfig then.
    pub context: String,
}

/// The versions of the programs that took part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Versions {
    /// This tool.
    pub tool: String,
    /// Our controller.
    pub controller: String,
    /// Stock Flux.
    pub flux: String,
    /// The API server.
    pub kubernetes: String,
}

/// The label that moves objects to our controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its key, which stock excludes.
    pub key: String,
    /// Its value, which ours selects.
    pub value: String,
}

/// One object of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedObject {
    /// The object.
    pub object: Handle,
    /// Its uid; an object of the same name with another one is another object.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// Whether it can move.
    pub verdict: Class,
    /// In which wave it moves, from one; nothing if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<u32>,
    /// Why it cannot move, or what should be known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// Where its label goes in Git, if a checkout was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<Carrier>,
    /// The value that the label has now, to which it returns on the way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_label: Option<String>,
    /// The objects that it has applied, by the ids of its inventory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<String>,
}

/// Where in Git the label of an object goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Carrier {
    /// `git-file`, `git-patch`, `git-parent`; `git` if it is there already, `producer` if a person has to do it.
    pub kind: String,
    /// The file, from the top of the checkout.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The line that is new or changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Why it is not the file of the object itself, or why no file is edited.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl Carrier {
    /// Returns the place as people read it.
    pub fn place(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        match self.kind.as_str() {
            "git-file" => format!("{}{line}", self.file),
            "git-patch" | "git-parent" => format!("{}{line} (patch)", self.file),
            "git" => "in Git already".to_owned(),
            kind => format!("{kind}: {}", self.why),
        }
    }
}

/// A document is not a plan that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It does not have the form of a plan.
    #[error("this is no plan, or one that was damaged: {0}; openflux migrate plan -o FILE makes one")]
    Form(String),
    /// It is another document.
    #[error("this is no plan but a {kind} of {api_version}; openflux migrate plan -o FILE makes one")]
    Kind {
        /// Its kind.
        kind: String,
        /// Its version.
        api_version: String,
    },
    /// It is for another cluster.
    #[error(
        "the plan is for another cluster: that of {context} at {server}; choose that with --context, or make a plan for this one with \
         openflux migrate plan -o FILE"
    )]
    Cluster {
        /// The context that it was made with.
        context: String,
        /// The address of the API server then.
        server: String,
    },
}

impl MigrationPlan {
    /// Reads a plan.
    ///
    /// # Errors
    /// It is none, or one of a version that is not known. Fields that are not known are left out.
    pub fn read(text: &str) -> Result<Self, PlanError> {
        let form = |error: serde_json::Error| PlanError::Form(error.to_string());
        let document: serde_json::Value = serde_json::from_str(text).map_err(form)?;
        let text = |key: &str| document.get(key).and_then(serde_json::Value::as_str);
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if (api_version, kind) != (Some(API_VERSION), Some(KIND)) {
            return Err(PlanError::Kind {
                kind: kind.unwrap_or("document").to_owned(),
                api_version: api_version.unwrap_or("no version").to_owned(),
            });
        }
        serde_json::from_value(document).map_err(form)
    }

    /// Makes sure that the plan is for the cluster whose namespace kube-system has this uid.
    ///
    /// # Errors
    /// It is for another one.
    pub fn is_for(&self, uid: &str) -> Result<(), PlanError> {
        if self.cluster.uid == uid {
            return Ok(());
        }
        Err(PlanError::Cluster {
            context: self.cluster.context.clone(),
            server: self.cluster.server.clone(),
        })
    }

    /// Returns the objects that move, in their order.
    pub fn moving(&self) -> impl Iterator<Item = (u32, &PlannedObject)> {
        self.objects
            .iter()
            .filter_map(|object| Some((object.wave?, object)))
    }

    /// Returns the objects of one wave, in their order.
    pub fn wave(&self, number: u32) -> impl Iterator<Item = &PlannedObject> {
        self.moving()
            .filter_map(move |(wave, object)| (wave == number).then_some(object))
    }

    /// Returns the numbers of the waves.
    pub fn waves(&self) -> BTreeSet<u32> {
        self.moving().map(|(wave, _)| wave).collect()
    }

    /// Returns what would become of all objects that the moving ones have applied.
    pub fn counts(&self) -> Counts {
        let proofs = self.moving().filter_map(|(_, object)| object.proof.as_ref());
        proofs.fold(Counts::default(), |sum, proof| sum.plus(proof.counts))
    }
}
