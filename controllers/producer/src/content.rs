//! What a source makes.

use std::collections::BTreeMap;

use flux_archive::{File, Files};
use serde_json::Value;

/// What a look at a source gives.
#[derive(Clone, Debug)]
pub enum Produced {
    /// What is stored is what there is.
    Unchanged,
    /// A content, which may be the one that is stored.
    Content(Content),
}

impl From<Content> for Produced {
    fn from(content: Content) -> Self {
        Self::Content(content)
    }
}

/// The content of an Artifact.
#[derive(Clone, Debug)]
pub struct Content {
    pub(crate) bytes: Bytes,
    pub(crate) word: String,
    pub(crate) token: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) more: BTreeMap<String, Value>,
    pub(crate) verified: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Bytes {
    Files(Files),
    Chart(Vec<u8>),
}

impl Content {
    /// Offers files, which are archived in the one way that gives the same files the same revision.
    pub fn files(files: Files) -> Self {
        Self::new(Bytes::Files(files))
    }

    /// Offers a chart as it is; `version` is what it says its version is.
    pub fn chart(archive: Vec<u8>, version: &str) -> Self {
        Self::new(Bytes::Chart(archive)).word(version)
    }

    fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            word: "latest".to_owned(),
            token: None,
            metadata: BTreeMap::new(),
            more: BTreeMap::new(),
            verified: None,
        }
    }

    /// Says what the revision begins with: a version, a branch; `latest` otherwise.
    ///
    /// What parses as a version is taken for that of a chart by stock's helm-controller.
    #[must_use]
    pub fn word(mut self, word: &str) -> Self {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._/+-".contains(c);
        let word: String = word
            .chars()
            .map(|c| if allowed(c) { c } else { '-' })
            .take(128)
            .collect();
        if !word.is_empty() {
            self.word = word;
        }
        self
    }

    /// Keeps what the source calls this state, for [`Run::is_current`](crate::Run::is_current); at most 1 KiB.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.chars().take(1024).collect());
        self
    }

    /// Says where the content comes from, such as `org.opencontainers.image.revision`.
    #[must_use]
    pub fn metadata(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Keeps a field of the status beside what is stored.
    #[must_use]
    pub fn remember(mut self, field: &str, value: Value) -> Self {
        self.more.insert(field.to_owned(), value);
        self
    }

    /// Says that the content was verified, and how.
    #[must_use]
    pub fn verified(mut self, how: impl Into<String>) -> Self {
        self.verified = Some(how.into());
        self
    }

    /// As the store takes it.
    pub(crate) fn stored(&self) -> artifact_store::Content<'_> {
        match &self.bytes {
            Bytes::Files(files) => {
                let files = files.iter().map(|(path, file)| File {
                    path,
                    content: &file.content,
                    executable: file.executable,
                });
                artifact_store::Content::Files(files.collect())
            }
            Bytes::Chart(archive) => artifact_store::Content::Verbatim {
                archive,
                extension: "tgz",
            },
        }
    }
}

/// The revision of a content: a word, and the hash that moves exactly when the content does.
pub(crate) fn revision(word: &str, content: &str) -> String {
    format!("{word}@sha256:{content}")
}
