//! What an event says, and who says it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

/// How serious an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something happened as intended.
    Info,
    /// Something went wrong.
    Error,
    /// A detail, which the notification receiver does not hear of.
    Trace,
}

/// The object that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Regarding {
    /// `group/version`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Resource version.
    pub resource_version: String,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// What it is about.
    pub regarding: Regarding,
    /// How serious it is.
    pub severity: Severity,
    /// Machine-readable reason.
    pub reason: String,
    /// Text for people; cut at 39,000 bytes for the receiver.
    pub message: String,
    /// Metadata keys, such as `kustomize.toolkit.fluxcd.io/revision`.
    pub metadata: BTreeMap<String, String>,
}

/// An event on its way: who reports it, and when.
pub(super) struct Report {
    pub(super) controller: Arc<str>,
    pub(super) event: EventRecord,
    pub(super) at: Timestamp,
}

impl Report {
    /// Says that an event is delivered to nobody.
    pub(super) fn dropped(&self) {
        let event = &self.event;
        let Regarding {
            kind,
            namespace,
            name,
            ..
        } = &event.regarding;
        let subject = format!("{kind}/{namespace}/{name}");
        tracing::warn!(%subject, reason = %event.reason, "dropped an event, because too many wait for delivery");
    }
}

/// Cuts a text at a number of bytes, or a little before.
pub(super) fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 9), "aé");
    }
}
