//! Follows the remote references of kustomizations: files over HTTP(S), and git repositories.
//!
//! A build of [`kustomize`] is pure; what lies on other machines comes to it through its trait [`Remote`]. [`Fetcher`] is
//! that trait as kustomize 5.8.1 does it: a GET for a file, and for a repository one commit without its history, checked
//! out with its submodules. Unlike upstream it is bounded by a [`Policy`], never asks for a password, and ends when time
//! is up or nobody waits any more. Whoever makes a fetcher hands in the [`Network`], which may forbid hosts and addresses:
//! `Direct`, a feature, is the network as it is.
//!
//! A network that judges where requests lead is given those of git's protocol, too, so that no program is needed; what
//! is not HTTP is done by the `git` program. A network that judges nothing leaves all repositories to the program, with
//! the credentials that git and ssh find in their environment and their configuration.
//!
//! Make one for each build: a repository that a build names several times is cloned once, and the clones vanish with the
//! fetcher.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use kustomize::Options;
//! use kustomize_remote::{Fetcher, Network, Policy};
//!
//! fn options(network: Arc<dyn Network>) -> Options {
//!     let mut options = Options::flux();
//!     options.remote = Some(Arc::new(Fetcher::new(Policy::default(), network)));
//!     options
//! }
//! ```
//!
//! Errors show no credentials of the URLs that they name.
//!
//! Without a remote, a build refuses every remote reference: that is `--no-remote-bases`.

mod bounds;
mod clone;
#[cfg(feature = "direct")]
mod direct;
mod host;
mod http;
mod network;
mod policy;
mod program;
mod smart;
mod submodules;
mod wanted;

#[cfg(feature = "direct")]
pub use direct::Direct;
pub use network::{Answer, Network, NetworkError, Request};
pub use policy::Policy;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kustomize::{CloneOf, DiskTree, Remote, RemoteError, RepoSpec};
use tempfile::TempDir;

/// Fetches what one build refers to.
#[derive(Debug)]
pub struct Fetcher {
    policy: Policy,
    network: Arc<dyn Network>,
    clones: Mutex<BTreeMap<CloneKey, TempDir>>,
}

/// What makes two clones the same: repository, reference, with or without submodules.
type CloneKey = (String, String, bool);

impl Fetcher {
    /// A fetcher that has fetched nothing yet.
    pub fn new(policy: Policy, network: Arc<dyn Network>) -> Self {
        Self {
            policy,
            network,
            clones: Mutex::default(),
        }
    }
}

impl Remote for Fetcher {
    fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, RemoteError> {
        http::get(&*self.network, &self.policy, url, limit).map_err(RemoteError::redacted)
    }

    fn clone_repo(&self, repo: &RepoSpec) -> Result<CloneOf, RemoteError> {
        let key = (repo.clone_spec(), repo.reference.clone(), repo.submodules);
        let mut clones = self.clones.lock().unwrap_or_else(PoisonError::into_inner);
        if !clones.contains_key(&key) {
            let directory = tempfile::Builder::new()
                .prefix("kustomize-")
                .tempdir()
                .map_err(|e| RemoteError::Failed(format!("cannot make a directory to clone into: {e}")))?;
            let cloned = clone::clone(repo, directory.path(), &self.policy, &*self.network);
            cloned.map_err(RemoteError::redacted)?;
            clones.insert(key.clone(), directory);
        }
        // Looked up again because the map owns the directory.
        let work_tree = clones
            .get(&key)
            .map(|directory| clone::work_tree(directory.path()));
        let tree = DiskTree::new(work_tree.unwrap_or_default())
            .map_err(|e| RemoteError::Failed(format!("cannot read the clone: {e}")))?;
        Ok(CloneOf {
            root: tree.root().to_owned(),
            tree: Arc::new(tree),
        })
    }
}
