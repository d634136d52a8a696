//! A record as a Secret.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use controller_kit::object::{metadata_map, name, resource_version};
use helm::release::{DecodeError, EncodeError, Release, Status, storage};
use serde_json::{Value, json};

/// What the labels of a Secret say of its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Name of the Secret.
    pub(super) secret: String,
    /// The revision.
    pub(super) version: i64,
    /// All labels.
    pub(super) labels: BTreeMap<String, String>,
    /// Its resource version.
    pub(super) written: String,
}

impl Entry {
    /// Whether its label says that the record has a status.
    pub(super) fn is(&self, status: &Status) -> bool {
        self.labels.get("status").map(String::as_str) == Some(status.as_str())
    }

    /// Reads the metadata of a Secret; nothing if it does not say which revision it is.
    pub(super) fn of(secret: &Value) -> Option<Self> {
        let labels = labels(secret);
        let name = name(secret).to_owned();
        let labelled = || labels.get("version")?.parse().ok();
        let named = || name.rsplit_once(".v")?.1.parse().ok();
        Some(Self {
            version: labelled().or_else(named)?,
            secret: name,
            labels,
            written: resource_version(secret).to_owned(),
        })
    }
}

fn labels(secret: &Value) -> BTreeMap<String, String> {
    let labels = metadata_map(secret, "labels").into_iter().flatten();
    labels
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Reads the record of a Secret; its labels are those that the user gave.
pub(super) fn read(secret: &Value) -> Result<Release, DecodeError> {
    let data = secret.pointer("/data/release").and_then(Value::as_str);
    // What is not base64 here is so there either, and says where.
    let text = STANDARD.decode(data.unwrap_or_default());
    let mut release = Release::decode(text.as_deref().unwrap_or_default())?;
    release.labels = storage::user_labels(&labels(secret));
    Ok(release)
}

/// Writes a record as a Secret with the given labels.
pub(super) fn write(release: &Release, labels: &BTreeMap<String, String>) -> Result<Value, EncodeError> {
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": release.secret_name(), "labels": labels},
        "type": storage::SECRET_TYPE,
        "data": {storage::SECRET_KEY: STANDARD.encode(release.encode()?)},
    }))
}

#[cfg(test)]
mod tests {
    use helm::release::{Info, Status};

    use super::*;

    fn release() -> Release {
        Release {
            name: "web".into(),
            namespace: "apps".into(),
            version: 7,
            info: Info {
                status: Status::Deployed,
                ..Info::default()
            },
            labels: BTreeMap::from([("team".into(), "a".into())]),
            ..Release::default()
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let release = release();
        let secret = write(&release, &release.labels_on_create(5)).unwrap();
        assert_eq!(secret["metadata"]["name"], "sh.helm.release.v1.web.v7");
        assert_eq!(
            secret["metadata"]["labels"],
            json!({"name": "web", "owner": "helm", "status": "deployed", "version": "7", "createdAt": "5", "team": "a"})
        );
        let read = read(&secret).unwrap();
        assert_eq!(read.to_json().unwrap(), release.to_json().unwrap());
        assert_eq!(read.labels, release.labels, "system labels are left out");
    }

    #[test]
    fn a_revision_is_known_by_label_or_by_name() {
        let entry = |metadata: Value| Entry::of(&json!({"metadata": metadata})).map(|entry| entry.version);
        let name = "sh.helm.release.v1.web.v7";
        assert_eq!(entry(json!({"name": name, "labels": {"version": "3"}})), Some(3));
        assert_eq!(entry(json!({"name": name, "labels": {"version": "x"}})), Some(7));
        assert_eq!(entry(json!({"name": name})), Some(7));
        assert_eq!(entry(json!({"name": "other"})), None);
    }

    #[test]
    fn damage_is_named() {
        let damaged = |data: Value| read(&json!({"data": data})).unwrap_err().to_string();
        assert_eq!(damaged(json!({})), "unexpected end of JSON input");
        let twice = |text: &[u8]| json!({"release": STANDARD.encode(STANDARD.encode(text))});
        assert_eq!(damaged(twice(&[0x1f, 0x8b, 8, 0])), "unexpected EOF");
        assert!(damaged(twice(b"{")).starts_with("json: "));
        let once = json!({"release": STANDARD.encode("!!")});
        assert_eq!(damaged(once), "illegal base64 data at input byte 0");
    }
}
