//! What is asked about objects, and what is answered: the words of the endpoint that a controller has for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Finding, Proof};

/// Kind, namespace and name of a Kustomization or HelmRelease; its text is `Kustomization/apps/podinfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Name {
    /// The kind.
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Name {
    /// Names an object.
    pub fn new(kind: impl Into<String>, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

/// What a controller is asked: what would its next run of these objects change?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Question {
    /// The objects.
    pub objects: Vec<Name>,
    /// Whether everything that would change is to be told, and not only what keeps an object from moving.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub differences: bool,
}

/// What is answered about one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Answer {
    /// The object.
    pub object: Name,
    /// What was compared; nothing if it did not come to that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// What was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Everything that would change, if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Finding>,
}

impl Answer {
    /// Says that an object could not be compared, and why.
    pub fn unproven(object: Name, finding: Finding) -> Self {
        Self {
            object,
            proof: None,
            findings: vec![finding],
            differences: Vec::new(),
        }
    }

    /// Returns whether the object can change hands without anything being written.
    pub fn is_proven(&self) -> bool {
        self.findings.iter().all(Finding::is_remark)
            && self
                .proof
                .as_ref()
                .is_some_and(|proof| proof.counts.is_nothing_written())
    }
}

/// An object that a controller reconciles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Owned {
    /// The object.
    pub object: Name,
    /// The request that it was reconciled for last, as `status.lastHandledReconcileAt` has it.
    pub last_handled: String,
    /// The generation that it was reconciled at last.
    pub observed_generation: i64,
}
