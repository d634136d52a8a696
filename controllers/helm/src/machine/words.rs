//! What users read, in stock's words.

use std::collections::BTreeMap;

use flux_api::{HELM_GROUP, ReleaseSnapshot, event};

/// An event to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether something went wrong.
    pub is_error: bool,
    /// Its reason.
    pub reason: &'static str,
    /// Its text.
    pub message: String,
    /// What it is about; nothing if it carries no metadata.
    pub about: Option<About>,
}

/// The release that an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Version of the chart.
    pub revision: String,
    /// Digest of the values; tells events apart.
    pub token: String,
    /// Version of the application.
    pub app_version: String,
    /// Digest of the OCI artifact.
    pub oci_digest: String,
}

impl About {
    /// The release of a snapshot.
    pub fn of(snapshot: &ReleaseSnapshot) -> Self {
        Self {
            revision: snapshot.chart_version.clone(),
            token: snapshot.config_digest.clone(),
            app_version: snapshot.app_version.clone(),
            oci_digest: snapshot.oci_digest.clone(),
        }
    }

    /// The metadata of the event, with the prefix of HelmReleases.
    pub fn metadata(&self) -> BTreeMap<String, String> {
        let pairs = [
            (event::REVISION, &self.revision),
            (event::TOKEN, &self.token),
            (event::APP_VERSION, &self.app_version),
            (event::OCI_DIGEST, &self.oci_digest),
        ];
        pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (format!("{HELM_GROUP}/{key}"), value.clone()))
            .collect()
    }
}

/// Adds the last lines of the log of an action.
pub(super) fn with_log(message: &str, log: &str) -> String {
    if log.is_empty() {
        message.to_owned()
    } else {
        format!("{message}\n\nLast Helm logs:\n\n{log}")
    }
}

/// `release ns/name.vN with chart c@v`.
pub(super) fn release(snapshot: &ReleaseSnapshot) -> String {
    format!("release {} with chart {}", snapshot.full_name(), snapshot.chart())
}
