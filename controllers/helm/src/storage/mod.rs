//! Release records: the Secrets of one namespace, as Helm keeps them.
//!
//! Which records there are is read from their metadata; of the records themselves, which may be large, only those are
//! read whose content somebody asks for.

mod error;
mod record;
mod secret;

use controller_kit::object::name as name_of;
use controller_kit::{Ask, Mapping, Rest, RestError};
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
}

impl Storage {
    /// The records in a namespace.
    pub fn new(rest: Rest, namespace: &str) -> Self {
        Self {
            rest,
            namespace: namespace.to_owned(),
            written: Vec::new(),
        }
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
        match self.read(&secret).await? {
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

    /// Creates a record; old ones make room first, so that no more than `max_history` remain, if that is not 0.
    pub(crate) async fn create(&mut self, release: &Release, max_history: usize) -> Result<(), StorageError> {
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
        let ask = Ask::new(Method::POST, &path).with("application/json", &secret);
        self.rest.ask(&ask).await.map_err(|error| {
            if error.is_already_there() {
                StorageError::AlreadyExists
            } else {
                StorageError::Create(error.without_values())
            }
        })?;
        self.observe(release.clone());
        Ok(())
    }

    /// Replaces a record, whatever it is by now: that a revision is pending keeps all others off it.
    pub(crate) async fn update(&mut self, release: &Release) -> Result<(), StorageError> {
        let secret = secret::write(release, &release.labels_on_update(now())).map_err(|error| {
            StorageError::Encode {
                action: "update",
                name: release.name.clone(),
                error,
            }
        })?;
        let path = format!("{}?fieldManager={MANAGER}", self.path(&release.secret_name()));
        let ask = Ask::new(Method::PUT, &path).with("application/json", &secret);
        let answer = self.rest.ask(&ask).await;
        answer.map_err(|error| StorageError::Update(error.without_values()))?;
        self.observe(release.clone());
        Ok(())
    }

    /// Deletes a record.
    pub(crate) async fn delete(&mut self, name: &str, version: i64) -> Result<(), StorageError> {
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
        let is_deployed = |entry: &&Entry| entry.labels.get("status").map(String::as_str) == Some("deployed");
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
            match self.read(&entry.secret).await? {
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
            match self.read(&entry.secret).await? {
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

    async fn read(&self, secret: &str) -> Result<Option<Result<Release, DecodeError>>, StorageError> {
        let found = self.rest.get(&secrets(), &self.namespace, secret).await;
        let found = found.map_err(|error: RestError| StorageError::Get {
            secret: secret.to_owned(),
            error,
        })?;
        Ok(found.map(|found| {
            debug_assert_eq!(name_of(&found), secret);
            secret::read(&found)
        }))
    }

    fn path(&self, secret: &str) -> String {
        secrets().path(&self.namespace, secret)
    }
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
