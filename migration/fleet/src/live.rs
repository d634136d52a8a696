//! What an applied object is like in the cluster.

use std::collections::BTreeMap;

use flux_api::ObjectId;

use crate::text::Mark;

/// How an object is doing, in the words of Flux's health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// `Current`, `InProgress`, `Failed`, `Terminating`, `NotFound` or `Unknown`.
    pub status: String,
    /// Why.
    pub message: String,
}

impl Live {
    /// Says how an object is doing.
    pub fn new(status: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            message: message.into(),
        }
    }

    /// Returns how that is shown.
    pub fn mark(&self) -> Mark {
        match self.status.as_str() {
            "Current" => Mark::Good,
            "InProgress" | "Terminating" => Mark::Busy,
            "Failed" | "NotFound" => Mark::Bad,
            _ => Mark::Unknown,
        }
    }

    /// Returns what is said about it where that is worth a word.
    pub fn note(&self) -> String {
        match self.status.as_str() {
            "Current" => String::new(),
            "NotFound" => "not there".to_owned(),
            _ if self.message.is_empty() => self.status.clone(),
            status => format!("{status}: {}", self.message),
        }
    }
}

/// An object on the way from what was asked for to what applied it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The object.
    pub id: ObjectId,
    /// How it is doing.
    pub live: Live,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}
