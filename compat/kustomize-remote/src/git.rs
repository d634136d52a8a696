//! A shallow clone by the `git` program.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kustomize::{RemoteError, RepoSpec};

use crate::Policy;
use crate::process::{self, Bounds, Outcome};

/// How deep submodules may be nested where each of their hosts is checked.
const SUBMODULE_DEPTH: usize = 10;

/// Variables that would make git work on another repository than the clone, as they do within a git hook.
const OF_ANOTHER_REPOSITORY: [&str; 8] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
];

/// Where [`clone`] puts the files of a repository that it clones into `directory`.
pub(crate) fn work_tree(directory: &Path) -> PathBuf {
    directory.join("repository")
}

/// Clones a repository at the wanted reference; nothing but its files is left.
pub(crate) fn clone(repo: &RepoSpec, directory: &Path, policy: &Policy) -> Result<(), RemoteError> {
    let address = repo.clone_spec();
    policy.check(&address)?;
    if repo.reference.starts_with('-') {
        // It would be an option of git.
        let text = format!("invalid git reference {:?}", repo.reference);
        return Err(RemoteError::Failed(text));
    }
    let program = find_git()?;
    let git = Git {
        own_ssh: has_own_ssh(&program),
        program,
        directory,
        time: repo.timeout.min(policy.git_time),
        policy,
    };
    let root = work_tree(directory);
    fs::create_dir(&root).map_err(io_error)?;
    let reference = if repo.reference.is_empty() {
        "HEAD"
    } else {
        &repo.reference
    };
    git.run(&root, &["init"])?;
    git.run(&root, &["remote", "add", "origin", &address])?;
    git.run(&root, &["fetch", "--depth=1", &address, reference])?;
    git.run(&root, &["checkout", "FETCH_HEAD"])?;
    if repo.submodules {
        if policy.hosts.is_some() {
            git.update_checked_submodules(&root, 0)?;
        } else {
            git.run(&root, &["submodule", "update", "--init", "--recursive"])?;
        }
    }
    // A kustomization could print what is in here, and the address may hold a password.
    fs::remove_dir_all(root.join(".git")).map_err(io_error)
}

fn find_git() -> Result<PathBuf, RemoteError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|directory| directory.join("git"))
        .find(|program| program.is_file())
        .ok_or_else(|| {
            let text = "no 'git' program on path: exec: \"git\": executable file not found in $PATH";
            RemoteError::Failed(text.to_owned())
        })
}

fn has_own_ssh(git: &Path) -> bool {
    let in_environment = ["GIT_SSH_COMMAND", "GIT_SSH"]
        .iter()
        .any(|variable| env::var_os(variable).is_some());
    in_environment
        || Command::new(git)
            .args(["config", "--get", "core.sshCommand"])
            .current_dir("/")
            .output()
            .is_ok_and(|output| output.status.success())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn io_error(error: io::Error) -> RemoteError {
    RemoteError::Failed(format!("cannot clone: {error}"))
}

/// git within its bounds.
struct Git<'a> {
    program: PathBuf,
    /// Holds the clone and what git says.
    directory: &'a Path,
    time: Duration,
    policy: &'a Policy,
    /// Whether the environment or git's configuration says how to run ssh.
    own_ssh: bool,
}

impl Git<'_> {
    /// Runs one command in a directory of the clone and returns what it printed.
    fn run(&self, at: &Path, arguments: &[&str]) -> Result<String, RemoteError> {
        let shown = || format!("{} {}", self.program.display(), arguments.join(" "));
        let bounds = Bounds {
            time: self.time,
            directory: self.directory,
            bytes: self.policy.clone_bytes,
        };
        let mut command = self.command(at, arguments);
        let outcome = process::run(&mut command, &self.directory.join("output"), &bounds);
        match outcome.map_err(|e| RemoteError::Failed(format!("failed to run '{}': {e}", shown())))? {
            Outcome::Ended(status, output) if status.success() => Ok(output),
            Outcome::Ended(status, output) => {
                let status = status
                    .code()
                    .map_or_else(|| status.to_string(), |code| format!("exit status {code}"));
                let text = format!("failed to run '{}': {output}: {status}", shown());
                Err(RemoteError::Failed(text))
            }
            Outcome::TimedOut => Err(RemoteError::TimedOut(format!(
                "hit {:?} timeout running '{}'",
                self.time,
                shown()
            ))),
            Outcome::TooLarge => Err(RemoteError::TooLarge(format!(
                "the clone is larger than {} bytes: '{}'",
                self.policy.clone_bytes,
                shown()
            ))),
        }
    }

    fn command(&self, at: &Path, arguments: &[&str]) -> Command {
        let mut git = Command::new(&self.program);
        // Nothing runs from a template, nothing is asked, and only protocols that kustomize names are spoken.
        let mut settings = vec![
            "advice.detachedHead=false",
            "init.templateDir=",
            "protocol.allow=never",
            "protocol.http.allow=always",
            "protocol.https.allow=always",
            "protocol.ssh.allow=always",
        ];
        if self.policy.local_repositories {
            settings.push("protocol.file.allow=user");
        }
        if self.policy.hosts.is_some() {
            settings.push("http.followRedirects=false");
        }
        if env::var_os("GIT_ASKPASS").is_none() {
            settings.push("core.askPass=");
        }
        for setting in settings {
            git.args(["-c", setting]);
        }
        git.args(arguments).current_dir(at);
        for variable in OF_ANOTHER_REPOSITORY {
            git.env_remove(variable);
        }
        git.env("GIT_TERMINAL_PROMPT", "0")
            .env_remove("SSH_ASKPASS")
            .env("SSH_ASKPASS_REQUIRE", "never");
        if !self.own_ssh {
            git.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
        }
        git
    }

    /// Updates submodules level by level, so that every host is checked before it is asked.
    fn update_checked_submodules(&self, root: &Path, depth: usize) -> Result<(), RemoteError> {
        if !root.join(".gitmodules").is_file() {
            return Ok(());
        }
        if depth >= SUBMODULE_DEPTH {
            let text = format!("submodules are nested more than {SUBMODULE_DEPTH} deep");
            return Err(RemoteError::Failed(text));
        }
        self.run(root, &["submodule", "init"])?;
        let urls = self.run(root, &["config", "--get-regexp", r"^submodule\..*\.url$"])?;
        for url in urls.lines().filter_map(|line| line.split_once(' ')) {
            self.policy.check(url.1)?;
        }
        self.run(root, &["submodule", "update"])?;
        let paths = self.run(
            root,
            &[
                "config",
                "--file",
                ".gitmodules",
                "--get-regexp",
                r"^submodule\..*\.path$",
            ],
        )?;
        for (_, path) in paths.lines().filter_map(|line| line.split_once(' ')) {
            let submodule = root.join(path).canonicalize().map_err(io_error)?;
            if submodule.starts_with(self.directory.canonicalize().map_err(io_error)?) {
                self.update_checked_submodules(&submodule, depth + 1)?;
            }
        }
        Ok(())
    }
}
