//! A repository and its submodules at one commit, each by the way that leads to it.
//!
//! A network that judges where requests lead is given all that goes over HTTP, request by request (`smart`). The `git`
//! program does the rest: repositories over ssh and on this machine, and everything for a network that judges nothing,
//! so that a command line finds the credential helpers, proxies, certificates and replaced addresses that people have
//! configured for git.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kustomize::{RemoteError, RepoSpec};

use crate::bounds::{Bounds, Room, failing, io_error};
use crate::program::{self, Git, ssh};
use crate::wanted::{CheckedOut, Wanted};
use crate::{Network, Policy, smart, submodules};

/// How deep submodules may be nested where each of their hosts is checked.
const SUBMODULE_DEPTH: usize = 10;

/// Where [`clone`] puts the files of a repository that it clones into `directory`.
pub(crate) fn work_tree(directory: &Path) -> PathBuf {
    directory.join("repository")
}

/// Clones a repository at the wanted reference; nothing but its files is left.
pub(crate) fn clone(
    repo: &RepoSpec,
    directory: &Path,
    policy: &Policy,
    network: &dyn Network,
) -> Result<(), RemoteError> {
    if repo.reference.starts_with('-') {
        // It would be an option of git.
        let text = format!("invalid git reference {:?}", repo.reference);
        return Err(RemoteError::Failed(text));
    }
    let reference = match repo.reference.as_str() {
        "" => "HEAD",
        named => named,
    };
    let root = work_tree(directory);
    fs::create_dir(&root).map_err(io_error)?;
    let time = repo.timeout.min(policy.git_time);
    let room = Room::new(policy.clone_bytes);
    let cloner = Cloner {
        directory,
        time,
        policy,
        network,
        room: &room,
        program: OnceCell::new(),
    };
    let address = repo.clone_spec();
    let wanted = Wanted::Reference(reference.to_owned());
    let whole = || Bounds::new(network, &room, time);
    let checked_out = cloner.check_out(&address, &wanted, &root, repo.submodules, &whole)?;
    // All submodules together have as much time again, as `git submodule update` has.
    let shared = Bounds::new(network, &room, time);
    cloner.add_submodules(&address, &root, &checked_out, &shared, 0)
}

struct Cloner<'a> {
    /// Holds the clone and whatever making it needs.
    directory: &'a Path,
    time: Duration,
    policy: &'a Policy,
    network: &'a dyn Network,
    room: &'a Room,
    program: OnceCell<Git<'a>>,
}

impl<'a> Cloner<'a> {
    /// Fetches a repository into an empty directory; `bounds` begins a step.
    fn check_out(
        &self,
        address: &str,
        wanted: &Wanted,
        root: &Path,
        with_submodules: bool,
        bounds: &dyn Fn() -> Bounds<'a>,
    ) -> Result<CheckedOut, RemoteError> {
        self.policy.check(address)?;
        let mut checked_out = if self.network.judges() && is_http(address) {
            let repository = smart::Repository {
                address,
                wanted,
                policy: self.policy,
                network: self.network,
            };
            let what = format!("cannot fetch '{wanted}' from '{address}'");
            let clone = repository.clone_into(root, self.directory, bounds);
            clone.map_err(failing(&what))?
        } else {
            self.check_out_by_program(address, wanted, root, with_submodules)?
        };
        if !with_submodules {
            checked_out.gitlinks.clear();
        }
        Ok(checked_out)
    }

    fn check_out_by_program(
        &self,
        address: &str,
        wanted: &Wanted,
        root: &Path,
        with_submodules: bool,
    ) -> Result<CheckedOut, RemoteError> {
        // A host is judged before anything is missed.
        let options = ssh::options(self.network, address)?;
        let git = self.program()?;
        git.check_out(address, &options, wanted, root)?;
        let mut checked_out = CheckedOut::default();
        if with_submodules && self.checks_submodules() {
            checked_out.submodules = submodules::read(root)?;
            for submodule in &checked_out.submodules {
                checked_out.gitlinks.extend(git.gitlink(root, &submodule.path)?);
            }
        } else if with_submodules {
            git.update_submodules(root)?;
        }
        // A kustomization could print what is in here, and the address may hold a password.
        fs::remove_dir_all(root.join(".git")).map_err(io_error)?;
        self.room.take(program::size(root)?)?;
        Ok(checked_out)
    }

    /// Whether submodules are fetched one by one, so that each host is judged before it is asked.
    fn checks_submodules(&self) -> bool {
        self.policy.hosts.is_some() || self.network.judges()
    }

    fn add_submodules(
        &self,
        address: &str,
        root: &Path,
        parent: &CheckedOut,
        shared: &Bounds<'a>,
        depth: usize,
    ) -> Result<(), RemoteError> {
        if depth >= SUBMODULE_DEPTH && !parent.gitlinks.is_empty() {
            let text = format!("submodules are nested more than {SUBMODULE_DEPTH} deep");
            return Err(RemoteError::Failed(text));
        }
        for gitlink in &parent.gitlinks {
            shared.check()?;
            let shown = String::from_utf8_lossy(&gitlink.path);
            let Some(submodule) = parent.submodules.iter().rfind(|known| known.path == gitlink.path) else {
                let text = format!("No url found for submodule path '{shown}' in .gitmodules");
                return Err(RemoteError::Failed(text));
            };
            if submodule.is_left_out {
                continue;
            }
            let url = submodules::resolve(address, &submodule.url);
            let at = submodules::directory(root, &gitlink.path)?;
            let wanted = Wanted::Commit(gitlink.commit);
            let clone = self
                .check_out(&url, &wanted, &at, true, &|| *shared)
                .and_then(|checked_out| self.add_submodules(&url, &at, &checked_out, shared, depth + 1));
            clone.map_err(failing(&format!("submodule '{shown}'")))?;
        }
        Ok(())
    }

    /// Finds the program once it is needed.
    fn program(&self) -> Result<&Git<'a>, RemoteError> {
        if let Some(git) = self.program.get() {
            return Ok(git);
        }
        let git = Git::find(self.directory, self.time, self.policy, self.network)?;
        Ok(self.program.get_or_init(|| git))
    }
}

fn is_http(address: &str) -> bool {
    let scheme = address.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| s.eq_ignore_ascii_case("http") || s.eq_ignore_ascii_case("https"))
}
