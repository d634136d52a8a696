//! What an object refers to, as its author gets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use artifact_crd::Artifact;
use bytes::Bytes;
use controller_kit::artifact::{ArtifactTree, ContentCache, ContentError, Digest, FetchError, Refusal};
use controller_kit::author::Failure;

/// The condition of everything that goes wrong with an artifact.
const FAILED: &str = "ArtifactFailed";

/// The Artifacts that an object refers to, in the order of its references.
pub struct Inputs {
    first: Input,
    others: Vec<Input>,
}

/// An Artifact, and the way to its content.
pub struct Input {
    artifact: Arc<Artifact>,
    content: Arc<ContentCache>,
    is_unreachable: AtomicBool,
}

impl Inputs {
    pub(crate) fn new(first: Input, others: Vec<Input>) -> Self {
        Self { first, others }
    }

    /// Gives what the first reference leads to.
    pub fn first(&self) -> &Input {
        &self.first
    }

    /// Gives what a reference leads to, counted from zero.
    pub fn get(&self, index: usize) -> Option<&Input> {
        self.iter().nth(index)
    }

    /// Gives everything.
    pub fn iter(&self) -> impl Iterator<Item = &Input> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Gives the revisions, as a status shows them.
    pub fn revisions(&self) -> String {
        let revisions: Vec<_> = self.iter().map(Input::revision).collect();
        revisions.join(", ")
    }

    /// Gives the digests, which tell one state of all inputs from another.
    pub fn digests(&self) -> String {
        let digests: Vec<_> = self.iter().map(Input::digest).collect();
        digests.join(" ")
    }

    /// Tells whether somebody could not get the content of one although it may be there.
    pub fn is_unreachable(&self) -> bool {
        self.iter()
            .any(|input| input.is_unreachable.load(Ordering::Relaxed))
    }
}

impl Input {
    pub(crate) fn new(artifact: Arc<Artifact>, content: Arc<ContentCache>) -> Self {
        Self {
            artifact,
            content,
            is_unreachable: AtomicBool::new(false),
        }
    }

    /// Gives the files of the artifact: from this process, from its cache, or from the artifact's server, verified and within
    /// the limits of the process.
    ///
    /// # Errors
    /// They cannot be had at the moment, or are not what the Artifact says.
    pub async fn tree(&self) -> Result<Arc<ArtifactTree>, Failure> {
        let digest = self.expected()?;
        let (url, namespace) = self.place();
        let tree = self.content.tree(url, &digest, namespace, Refusal::Stands).await;
        tree.map_err(|error| self.failed(&error))
    }

    /// Gives the artifact as it is served, under the rules of [`Input::tree`].
    ///
    /// # Errors
    /// It cannot be had at the moment, or is not what the Artifact says.
    pub async fn bytes(&self) -> Result<Bytes, Failure> {
        let digest = self.expected()?;
        let (url, namespace) = self.place();
        let bytes = self.content.bytes(url, &digest, namespace, Refusal::Stands).await;
        bytes.map_err(|error| self.failed(&error))
    }

    /// Gives the revision.
    pub fn revision(&self) -> &str {
        &self.artifact.spec.revision
    }

    /// Gives what a revision of something that is made of this may begin with: the version or branch of this one.
    pub fn word(&self) -> &str {
        word(self.revision())
    }

    /// Gives the digest of what is served; empty if the Artifact does not say.
    pub fn digest(&self) -> &str {
        self.artifact.spec.digest.as_deref().unwrap_or_default()
    }

    /// Gives what the source calls the revision that this comes from, if it was made of another.
    pub fn origin(&self) -> Option<&str> {
        let metadata = self.artifact.spec.metadata.as_ref()?;
        metadata.get(flux_api::ORIGIN_REVISION).map(String::as_str)
    }

    /// Gives the Artifact itself.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    fn place(&self) -> (&str, &str) {
        let namespace = self.artifact.metadata.namespace.as_deref();
        (&self.artifact.spec.url, namespace.unwrap_or_default())
    }

    fn expected(&self) -> Result<Digest, Failure> {
        let name = self.artifact.metadata.name.as_deref().unwrap_or_default();
        if self.digest().is_empty() {
            let message =
                format!("Artifact {name:?} has no spec.digest, so that what it points to cannot be verified");
            return Err(Failure::later(FAILED, message));
        }
        let digest = self.digest().parse::<Digest>();
        digest.map_err(|error| Failure::later(FAILED, format!("Artifact {name:?}: {error}")))
    }

    fn failed(&self, error: &ContentError) -> Failure {
        let passes = match error {
            ContentError::Fetch(fetch) => {
                fetch.is_transient()
                    || matches!(**fetch, FetchError::NotFound { .. } | FetchError::Digest { .. })
            }
            ContentError::Unpack(_) => false,
            ContentError::Aborted => true,
        };
        if passes {
            self.is_unreachable.store(true, Ordering::Relaxed);
            return Failure::retry(FAILED, error.to_string());
        }
        Failure::later(FAILED, error.to_string())
    }
}

/// `6.1.0` of `6.1.0@sha256:...` and of `6.1.0`, `main` of `main@sha1:...`, and `latest` of what is a digest alone.
fn word(revision: &str) -> &str {
    let word = revision.split('@').next().unwrap_or_default();
    if word.is_empty() || word.contains(':') {
        "latest"
    } else {
        word
    }
}

#[cfg(test)]
mod tests {
    use super::word;

    #[test]
    fn a_revision_has_a_word() {
        for (revision, expected) in [
            ("6.1.0@sha256:abc", "6.1.0"),
            ("6.1.0", "6.1.0"),
            ("main@sha1:abc", "main"),
            ("sha256:abc", "latest"),
            ("", "latest"),
        ] {
            assert_eq!(word(revision), expected, "{revision}");
        }
    }
}
