//! References to other machines: what counts as one, and the trait through which they are followed.

mod redact;
mod repo;

pub use redact::redact_urls;
pub use repo::RepoSpec;

use std::sync::Arc;

use crate::FileTree;

/// Follows remote references for a build; a build without one refuses them.
///
/// Implementations decide which hosts are allowed and bound time and size. They are called from the thread of the build.
/// What they hand out counts towards the [`Limits`](crate::Limits) of the build like any other file.
pub trait Remote: Send + Sync {
    /// The body of a GET of an `http` or `https` URL; more than `limit` bytes are [`RemoteError::TooLarge`].
    fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, RemoteError>;

    /// A shallow clone of a repository at the wanted reference.
    fn clone_repo(&self, repo: &RepoSpec) -> Result<CloneOf, RemoteError>;
}

impl RemoteError {
    /// The same error without what URLs in its text may give away.
    #[must_use]
    pub fn redacted(self) -> Self {
        match self {
            Self::Status(code, reason) => Self::Status(code, redact_urls(&reason)),
            Self::TooLarge(text) => Self::TooLarge(redact_urls(&text)),
            Self::TimedOut(text) => Self::TimedOut(redact_urls(&text)),
            Self::Failed(text) => Self::Failed(redact_urls(&text)),
        }
    }
}

/// A repository on this machine for the time of a build.
#[derive(Clone)]
pub struct CloneOf {
    /// The files of the repository.
    pub tree: Arc<dyn FileTree>,
    /// The directory of the tree that is the repository's root.
    pub root: String,
}

/// Why a remote reference could not be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteError {
    /// The server answered with this status, outside of 2xx.
    Status(u16, String),
    /// There is more than this build may still read, or than the implementation allows.
    TooLarge(String),
    /// The other side took too long.
    TimedOut(String),
    /// Anything else, in the words of whoever noticed it.
    Failed(String),
}

/// Whether a path is a URL that is fetched as one file.
pub(crate) fn is_remote_file(path: &str) -> bool {
    let scheme = path.split_once(':').map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| s.eq_ignore_ascii_case("http") || s.eq_ignore_ascii_case("https"))
}
