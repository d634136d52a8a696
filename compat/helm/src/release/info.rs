//! What a record says about the state of its release.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::hook::or_default;
use crate::time::{self, Time};

/// The state of a release and how it came to be in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// When the first revision was deployed.
    #[serde(
        default,
        deserialize_with = "time::or_zero",
        skip_serializing_if = "Time::is_zero"
    )]
    pub first_deployed: Time,
    /// When this revision was deployed.
    #[serde(
        default,
        deserialize_with = "time::or_zero",
        skip_serializing_if = "Time::is_zero"
    )]
    pub last_deployed: Time,
    /// When it was uninstalled.
    #[serde(
        default,
        deserialize_with = "time::or_zero",
        skip_serializing_if = "Time::is_zero"
    )]
    pub deleted: Time,
    /// What happened last, for people.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub description: String,
    /// The state.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Status::is_empty"
    )]
    pub status: Status,
    /// The text for the user, from the chart's `NOTES.txt`.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub notes: String,
    /// Fields that this version does not know; they are written again, and count in no digest.
    #[serde(flatten)]
    pub unknown: Map<String, Json>,
}

/// The state of a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Status {
    /// Nobody knows.
    Unknown,
    /// It is in the cluster.
    Deployed,
    /// It was removed, and its history kept.
    Uninstalled,
    /// A later revision took its place.
    Superseded,
    /// The last action failed.
    Failed,
    /// It is being removed.
    Uninstalling,
    /// It is being installed.
    PendingInstall,
    /// It is being upgraded.
    PendingUpgrade,
    /// It is being rolled back.
    PendingRollback,
    /// A state that Helm 4.2 does not have, or none.
    Other(String),
}

impl Status {
    /// The name in records, labels and messages.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unknown => "unknown",
            Self::Deployed => "deployed",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Failed => "failed",
            Self::Uninstalling => "uninstalling",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
            Self::Other(name) => name,
        }
    }

    /// Whether an action is under way, or was when its controller died.
    pub fn is_pending(&self) -> bool {
        matches!(
            self,
            Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback
        )
    }

    fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

impl Default for Status {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for Status {
    fn from(name: String) -> Self {
        match name.as_str() {
            "unknown" => Self::Unknown,
            "deployed" => Self::Deployed,
            "uninstalled" => Self::Uninstalled,
            "superseded" => Self::Superseded,
            "failed" => Self::Failed,
            "uninstalling" => Self::Uninstalling,
            "pending-install" => Self::PendingInstall,
            "pending-upgrade" => Self::PendingUpgrade,
            "pending-rollback" => Self::PendingRollback,
            _ => Self::Other(name),
        }
    }
}

impl From<Status> for String {
    fn from(status: Status) -> Self {
        status.as_str().to_owned()
    }
}
