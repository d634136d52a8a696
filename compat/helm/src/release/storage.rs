//! Where Helm keeps records: Secrets, found by their labels.

use std::collections::BTreeMap;

use super::Release;

/// The type of the Secrets.
pub const SECRET_TYPE: &str = "helm.sh/release.v1";

/// The key of the record in the Secret's data.
pub const SECRET_KEY: &str = "release";

/// The labels that Helm sets itself; all others are the user's.
pub const SYSTEM_LABELS: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];

/// The name of the Secret of a revision.
pub fn secret_name(release: &str, version: i64) -> String {
    format!("sh.helm.release.v1.{release}.v{version}")
}

/// The label selector that finds all revisions of a release.
pub fn selector(release: &str) -> String {
    format!("name={release},owner=helm")
}

/// The labels that the user gave; reading a single record keeps only these.
#[must_use]
pub fn user_labels(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    labels
        .iter()
        .filter(|(key, _)| !SYSTEM_LABELS.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

impl Release {
    /// The name of the Secret that keeps it.
    pub fn secret_name(&self) -> String {
        secret_name(&self.name, self.version)
    }

    /// The labels of a Secret that is about to be created, at a time in seconds since 1970.
    pub fn labels_on_create(&self, now: i64) -> BTreeMap<String, String> {
        self.secret_labels("createdAt", now)
    }

    /// The labels of a Secret that is about to be replaced, at a time in seconds since 1970.
    pub fn labels_on_update(&self, now: i64) -> BTreeMap<String, String> {
        self.secret_labels("modifiedAt", now)
    }

    /// Helm lays the release's labels over the time, so that one which was read with all labels keeps its old times.
    fn secret_labels(&self, time: &str, now: i64) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([(time.to_owned(), now.to_string())]);
        labels.extend(self.labels.clone());
        let own = [
            ("name", self.name.clone()),
            ("owner", "helm".to_owned()),
            ("status", self.info.status.to_string()),
            ("version", self.version.to_string()),
        ];
        labels.extend(own.map(|(key, value)| (key.to_owned(), value)));
        labels
    }
}
