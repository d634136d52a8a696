//! Release records: the Secrets of one namespace, as Helm keeps them.
//!
//! Which records there are is read from their metadata; of the records themselves, which may be large, only those are
//! read whose content somebody asks for.

mod error;
mod record;
mod secret;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use controller_kit::object::{name as name_of, resource_version};
use controller_kit::{Ask, Mapping, Rest, RestError, is_newer};
use flux_deployer::HandOver;
use helm::release::{DecodeError, Release, Status, storage};
use http::Method;
use serde_json::{Value, json};

use secret::Entry;

pub use error::StorageError;

/// Who writes records, as the API server notes it.
const MANAGER: &str = "helm-controller";

/// The records of one namespace as one identity sees them; remembers what it wrote.
#[derive(Clone)]
pub struct Storage {
    rest: Rest,
    namespace: String,
    written: Vec<Release>,
    /// The Secrets as they were when they had been written, by name.
    left: HashMap<String, Left>,
    /// Tells that nothing is to be written any more.
    hand_over: Option<HandOver>,
    is_stopped: bool,
}

/// A Secret as it was left.
#[derive(Clone)]
struct Left {
    version: String,
    content: u64,
}

impl Left {
    /// Takes note of a Secret and of the metadata that the API server answered.
    fn of(secret: &Value, answer: &Value) -> Self {
        let mut hasher = DefaultHasher::new();
        secret
            .pointer("/data/release")
            .and_then(Value::as_str)
            .hash(&mut hasher);
        Self {
            version: resource_version(answer).to_owned(),
            content: hasher.finish(),
        }
    }
}

/// Who writes a record knows its content, which may be large.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// How often a record is written anew of which somebody else changes all but the content.
const ATTEMPTS: usize = 5;

impl Storage {
    /// The records in a namespace.
    pub fn new(rest: Rest, namespace: &str) -> Self {
        Self {
            rest,
            namespace: namespace.to_owned(),
            written: Vec::new(),
            left: HashMap::new(),
            hand_over: None,
            is_stopped: false,
        }
    }

    /// Writes nothing once the object of the release is another controller's.
    #[must_use]
    pub fn until(self, hand_over: HandOver) -> Self {
        Self {
            hand_over: Some(hand_over),
            ..self
        }
    }

    /// Makes sure that the release is still ours to go on with.
    pub(crate) fn go_on(&mut self) -> Result<(), StorageError> {
        self.is_stopped |= self.hand_over.as_ref().is_some_and(HandOver::is_over);
        if self.is_stopped {
            return Err(StorageError::HandedOver);
        }
        Ok(())
    }

    /// Whether something was left undone because the release is somebody else's to go on with.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// What was written: the last state of each revision, in the order of the writes.
    pub fn written(&self) -> &[Release] {
        &self.written
    }

    /// Reads the newest revision; nothing if there is none.
    ///
    /// # Errors
    /// It could not be read, or no revision can be.
    pub async fn last(&self, name: &str) -> Result<Option<Release>, StorageError> {
        self.newest(name, None).await
    }

    /// Reads the newest revision that is deployed; nothing if none is.
    pub(crate) async fn deployed(&self, name: &str) -> Result<Option<Release>, StorageError> {
        match self.newest(name, Some(&Status::Deployed)).await {
            Err(StorageError::Damaged { .. }) => Ok(None),
            other => other,
        }
    }

    /// Reads one revision; nothing if there is none.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn get(&self, name: &str, version: i64) -> Result<Option<Release>, StorageError> {
        let secret = storage::secret_name(name, version);
        match self.read_release(&secret).await? {
            None => Ok(None),
            Some(Ok(release)) => Ok(Some(release)),
            Some(Err(error)) => Err(StorageError::Decode { secret, error }),
        }
    }

    /// Reads all revisions that can be read, oldest first.
    ///
    /// # Errors
    /// They could not be read.
    pub async fn history(&self, name: &str) -> Result<Vec<Release>, StorageError> {
        self.all(name, None).await
    }

    /// Reads all revisions that are deployed, oldest first.
    pub(crate) async fn all_deployed(&self, name: &str) -> Result<Vec<Release>, StorageError> {
        self.all(name, Some(&Status::Deployed)).await
    }

    /// Gives the revisions that there are, oldest first, whether they can be read or not.
    pub(crate) async fn versions(&self, name: &str) -> Result<Vec<i64>, StorageError> {
        let entries = self.entries(name, None).await?;
        Ok(entries.iter().map(|entry| entry.version).collect())
    }

    /// Whether nothing was missing of an upgrade or a rollback but the record that it is deployed.
    pub(crate) async fn was_completed(&self, pending: &Release) -> Result<bool, StorageError> {
        let entries = self.entries(&pending.name, None).await?;
        let is_rollback = pending.info.status == Status::PendingRollback;
        Ok(was_completed(&entries, pending.version, is_rollback))
    }

    /// Creates a record; old ones make room first, so that no more than `max_history` remain, if that is not 0.
    pub(crate) async fn create(&mut self, release: &Release, max_history: usize) -> Result<(), StorageError> {
        self.go_on()?;
        if let Some(most) = max_history.checked_sub(1) {
            self.prune(&release.name, most).await?;
        }
        let secret = secret::write(release, &release.labels_on_create(now())).map_err(|error| {
            StorageError::Encode {
                action: "create",
                name: release.name.clone(),
                error,
            }
        })?;
        let path = format!("{}?fieldManager={MANAGER}", secrets().collection(&self.namespace));
        let ask = Ask {
            accept: METADATA,
            ..Ask::new(Method::POST, &path).with("application/json", &secret)
        };
        let answer = self.rest.ask(&ask).await.map_err(|error| {
            if error.is_already_there() {
                StorageError::AlreadyExists
            } else {
                StorageError::Create(error.without_values())
            }
        })?;
        self.left
            .insert(release.secret_name(), Left::of(&secret, &answer));
        self.observe(release.clone());
        Ok(())
    }

    /// Replaces a record, whatever it is by now; one that was written here only if nobody else has written it since, who
    /// may have found it pending and gone on with it.
    pub(crate) async fn update(&mut self, release: &Release) -> Result<(), StorageError> {
        self.go_on()?;
        let mut secret = secret::write(release, &release.labels_on_update(now())).map_err(|error| {
            StorageError::Encode {
                action: "update",
                name: release.name.clone(),
                error,
            }
        })?;
        let answer = self.replace(&release.secret_name(), &mut secret).await?;
        self.left
            .insert(release.secret_name(), Left::of(&secret, &answer));
        self.observe(release.clone());
        Ok(())
    }

    async fn replace(&self, name: &str, secret: &mut Value) -> Result<Value, StorageError> {
        let path = format!("{}?fieldManager={MANAGER}", self.path(name));
        let mut left = self.left.get(name).cloned();
        let mut attempt = 1;
        loop {
            if let Some(left) = &left {
                secret["metadata"]["resourceVersion"] = left.version.as_str().into();
            }
            let ask = Ask {
                accept: METADATA,
                ..Ask::new(Method::PUT, &path).with("application/json", secret)
            };
            let error = match self.rest.ask(&ask).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let Some(known) = left
                .as_mut()
                .filter(|_| error.is_conflict() && attempt < ATTEMPTS)
            else {
                return Err(StorageError::Update(error.without_values()));
            };
            // A label or an annotation is no concern of ours.
            let now = self.read(name).await?.ok_or(StorageError::NotFound)?;
            let now = Left::of(&now, &now);
            if now.content != known.content {
                return Err(StorageError::Changed(name.to_owned()));
            }
            *known = now;
            attempt += 1;
        }
    }

    /// Deletes a record.
    pub(crate) async fn delete(&mut self, name: &str, version: i64) -> Result<(), StorageError> {
        self.go_on()?;
        let release = self.get(name, version).await?.ok_or(StorageError::NotFound)?;
        self.remove(&storage::secret_name(name, version)).await?;
        self.observe(release);
        Ok(())
    }

    /// Deletes a record that nobody can read.
    pub(crate) async fn delete_unread(&self, name: &str, version: i64) -> Result<(), StorageError> {
        self.remove(&storage::secret_name(name, version)).await
    }

    async fn remove(&self, secret: &str) -> Result<(), StorageError> {
        let (path, options) = (
            self.path(secret),
            json!({"kind": "DeleteOptions", "apiVersion": "v1"}),
        );
        let ask = Ask::new(Method::DELETE, &path).with("application/json", &options);
        self.rest.ask(&ask).await.map_err(StorageError::Delete)?;
        Ok(())
    }

    /// Deletes the oldest records until no more than `most` remain; the last one that is deployed stays.
    async fn prune(&mut self, name: &str, most: usize) -> Result<(), StorageError> {
        let entries = self.entries(name, None).await?;
        let excess = entries.len().saturating_sub(most);
        if excess == 0 {
            return Ok(());
        }
        let is_deployed = |entry: &&Entry| entry.is(&Status::Deployed);
        let last_deployed = entries.iter().rev().find(is_deployed).map(|entry| entry.version);
        let old = entries
            .iter()
            .filter(|entry| Some(entry.version) != last_deployed);
        let mut errors = Vec::new();
        for entry in old.take(excess) {
            match self.delete(name, entry.version).await {
                // One that is damaged is in nobody's way but the limit's.
                Err(StorageError::Decode { .. }) => {
                    errors.extend(self.remove(&entry.secret).await.err());
                }
                other => errors.extend(other.err()),
            }
        }
        let count = errors.len();
        match errors.into_iter().next() {
            None => Ok(()),
            Some(error) if count == 1 => Err(error),
            Some(first) => Err(StorageError::Prune {
                count,
                first: Box::new(first),
            }),
        }
    }

    fn observe(&mut self, release: Release) {
        let same = |known: &Release| (&known.name, known.version) == (&release.name, release.version);
        self.written.retain(|known| !same(known));
        self.written.push(release);
    }

    /// Reads the newest revision that can be read, of those with a status if one is given.
    async fn newest(&self, name: &str, status: Option<&Status>) -> Result<Option<Release>, StorageError> {
        let mut damaged = None;
        for entry in self.entries(name, status).await?.into_iter().rev() {
            match self.read_release(&entry.secret).await? {
                None => {}
                Some(Ok(release)) => return Ok(Some(with_all_labels(release, entry))),
                Some(Err(error)) => {
                    tracing::warn!(secret = entry.secret, %error, "a release record is damaged");
                    damaged = damaged.or(Some((entry.secret, error)));
                }
            }
        }
        match damaged {
            None => Ok(None),
            Some((secret, error)) => Err(StorageError::Damaged {
                name: name.to_owned(),
                secret,
                error,
            }),
        }
    }

    async fn all(&self, name: &str, status: Option<&Status>) -> Result<Vec<Release>, StorageError> {
        let mut releases = Vec::new();
        for entry in self.entries(name, status).await? {
            match self.read_release(&entry.secret).await? {
                None => {}
                Some(Ok(release)) => releases.push(with_all_labels(release, entry)),
                Some(Err(error)) => {
                    tracing::warn!(secret = entry.secret, %error, "a release record is damaged");
                }
            }
        }
        Ok(releases)
    }

    /// Lists the records of a release by their metadata, oldest first.
    async fn entries(&self, name: &str, status: Option<&Status>) -> Result<Vec<Entry>, StorageError> {
        if !is_label_value(name) {
            return Err(StorageError::Name(name.to_owned()));
        }
        let mut selector = storage::selector(name);
        if let Some(status) = status {
            selector = format!("{selector},status={status}");
        }
        let selector = percent_encoding::utf8_percent_encode(&selector, percent_encoding::NON_ALPHANUMERIC);
        let path = format!(
            "{}?labelSelector={selector}",
            secrets().collection(&self.namespace)
        );
        let ask = Ask {
            accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            ..Ask::new(Method::GET, &path)
        };
        let list = self.rest.ask(&ask).await.map_err(StorageError::Query)?;
        let items = list.get("items").and_then(Value::as_array);
        let mut entries: Vec<Entry> = items.into_iter().flatten().filter_map(Entry::of).collect();
        entries.sort_by_key(|entry| entry.version);
        Ok(entries)
    }

    async fn read_release(&self, secret: &str) -> Result<Option<Result<Release, DecodeError>>, StorageError> {
        let found = self.read(secret).await?;
        Ok(found.map(|found| {
            debug_assert_eq!(name_of(&found), secret);
            secret::read(&found)
        }))
    }

    async fn read(&self, secret: &str) -> Result<Option<Value>, StorageError> {
        let found = self.rest.get(&secrets(), &self.namespace, secret).await;
        found.map_err(|error: RestError| StorageError::Get {
            secret: secret.to_owned(),
            error,
        })
    }

    fn path(&self, secret: &str) -> String {
        secrets().path(&self.namespace, secret)
    }
}

/// Whether nothing was missing of the upgrade or rollback that made a pending revision but the record that it is deployed.
///
/// The last thing before is to supersede the revision that was deployed, so that one which was written after the pending
/// one tells. A rollback that fails supersedes the revision before it, which tells nothing then.
fn was_completed(entries: &[Entry], version: i64, is_rollback: bool) -> bool {
    let Some(pending) = entries.iter().find(|entry| entry.version == version) else {
        return false;
    };
    let tells = |entry: &Entry| {
        entry.is(&Status::Superseded)
            && is_newer(&entry.written, &pending.written)
            && !(is_rollback && entry.version == version - 1)
    };
    let is_newest = entries.iter().all(|entry| entry.version <= version);
    is_newest && !entries.iter().any(|entry| entry.is(&Status::Deployed)) && entries.iter().any(tells)
}

/// What is found by its labels keeps all of them, so that the next revision inherits them, as with Helm.
fn with_all_labels(mut release: Release, entry: Entry) -> Release {
    release.labels = entry.labels;
    release
}

fn secrets() -> Mapping {
    Mapping {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        plural: "secrets".to_owned(),
        namespaced: true,
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn is_label_value(text: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn what_was_superseded_last_tells_that_its_successor_was_complete() {
        let entries = |entries: &[(i64, &str, u64)]| -> Vec<Entry> {
            let entry = |(version, status, written): &(i64, &str, u64)| Entry {
                secret: format!("v{version}"),
                version: *version,
                labels: BTreeMap::from([("status".to_owned(), (*status).to_owned())]),
                written: written.to_string(),
            };
            entries.iter().map(entry).collect()
        };
        let upgrade = "pending-upgrade";
        for (records, is_rollback, expected) in [
            (vec![(1, "superseded", 20), (2, upgrade, 12)], false, true),
            (vec![(1, "superseded", 11), (2, upgrade, 12)], false, false),
            (vec![(1, "deployed", 20), (2, upgrade, 12)], false, false),
            (vec![(1, "failed", 20), (2, upgrade, 12)], false, false),
            (
                vec![(1, "superseded", 20), (2, "deployed", 5), (3, upgrade, 12)],
                false,
                false,
            ),
            (
                vec![(1, "superseded", 20), (2, upgrade, 12), (3, "failed", 30)],
                false,
                false,
            ),
            (
                vec![
                    (1, "superseded", 20),
                    (2, "failed", 5),
                    (3, "pending-rollback", 12),
                ],
                true,
                true,
            ),
            (
                vec![
                    (1, "superseded", 5),
                    (2, "superseded", 20),
                    (3, "pending-rollback", 12),
                ],
                true,
                false,
            ),
            (vec![], false, false),
        ] {
            let version = records
                .iter()
                .find(|(_, status, _)| status.starts_with("pending"));
            let version = version.map_or(1, |(version, _, _)| *version);
            assert_eq!(
                was_completed(&entries(&records), version, is_rollback),
                expected,
                "{records:?}"
            );
        }
    }
}
