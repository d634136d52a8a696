//! A shallow clone by the `git` program.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kustomize::{RemoteError, RepoSpec};

use crate::pin::{Route, route};
use crate::process::{self, Bounds, Outcome};
use crate::{Network, Policy};

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
pub(crate) fn clone(
    repo: &RepoSpec,
    directory: &Path,
    policy: &Policy,
    network: &dyn Network,
) -> Result<(), RemoteError> {
    let address = repo.clone_spec();
    policy.check(&address)?;
    if repo.reference.starts_with('-') {
        // It would be an option of git.
        let text = format!("invalid git reference {:?}", repo.reference);
        return Err(RemoteError::Failed(text));
    }
    let program = find_git()?;
    let git = Git {
        own_ssh: own_ssh(&program),
        program,
        directory,
        time: repo.timeout.min(policy.git_time),
        policy,
        network,
    };
    let root = work_tree(directory);
    fs::create_dir(&root).map_err(io_error)?;
    let reference = if repo.reference.is_empty() {
        "HEAD"
    } else {
        &repo.reference
    };
    let route = git.route(&root, &address)?;
    git.run(&root, &["init"])?;
    git.run(&root, &["remote", "add", "origin", &route.address])?;
    let fetch = ["fetch", "--depth=1", &route.address, reference];
    git.run_along(&route, &root, &fetch)?;
    git.run(&root, &["checkout", "FETCH_HEAD"])?;
    if repo.submodules {
        if policy.hosts.is_some() || route.is_judged {
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

/// How the environment or git's configuration says to run ssh, in the order in which git looks.
fn own_ssh(git: &Path) -> Option<OsString> {
    let configured = || {
        let mut config = Command::new(git);
        config
            .args(["config", "--get", "core.sshCommand"])
            .current_dir("/");
        let output = config.output().ok().filter(|output| output.status.success())?;
        Some(OsString::from_vec(output.stdout.trim_ascii_end().to_vec()))
    };
    let program = || {
        let mut quoted = OsString::from("'");
        quoted.push(env::var_os("GIT_SSH")?);
        quoted.push("'");
        Some(quoted)
    };
    env::var_os("GIT_SSH_COMMAND")
        .or_else(configured)
        .or_else(program)
}

/// The first version of git that can be told the addresses of a host (`http.curloptResolve`).
const PINS_SINCE: [u32; 2] = [2, 37];

/// Reads what `git version` prints, such as `git version 2.39.5 (Apple Git-154)`.
fn version(text: &str) -> Option<[u32; 2]> {
    let mut numbers = text.strip_prefix("git version ")?.split(['.', ' ', '\n']);
    let mut number = || numbers.next()?.parse().ok();
    Some([number()?, number()?])
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
    network: &'a dyn Network,
    own_ssh: Option<OsString>,
}

impl Git<'_> {
    /// Finds out how an address may be reached.
    fn route(&self, at: &Path, address: &str) -> Result<Route, RemoteError> {
        let route = route(self.network, self.policy, address)?;
        if route.is_judged {
            let found = self.run(at, &["version"])?;
            if version(&found).is_none_or(|version| version < PINS_SINCE) {
                let [major, minor] = PINS_SINCE;
                let text = format!(
                    "git {major}.{minor} or newer is needed, which keeps to checked addresses: {}",
                    found.trim()
                );
                return Err(RemoteError::Failed(text));
            }
        }
        Ok(route)
    }

    /// Runs one command that reaches no other machine.
    fn run(&self, at: &Path, arguments: &[&str]) -> Result<String, RemoteError> {
        self.run_along(&Route::default(), at, arguments)
    }

    /// Runs one command in a directory of the clone and returns what it printed.
    fn run_along(&self, route: &Route, at: &Path, arguments: &[&str]) -> Result<String, RemoteError> {
        let shown = || format!("{} {}", self.program.display(), arguments.join(" "));
        let bounds = Bounds {
            time: self.time,
            directory: self.directory,
            bytes: self.policy.clone_bytes,
            is_cancelled: &|| self.network.is_cancelled(),
        };
        let mut command = self.command(route, at, arguments);
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
            Outcome::Cancelled => Err(RemoteError::Failed("the build was given up".to_owned())),
            Outcome::TooLarge => Err(RemoteError::TooLarge(format!(
                "the clone is larger than {} bytes: '{}'",
                self.policy.clone_bytes,
                shown()
            ))),
        }
    }

    fn command(&self, route: &Route, at: &Path, arguments: &[&str]) -> Command {
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
        let pins = route.settings.iter().map(String::as_str);
        for setting in settings.into_iter().chain(pins) {
            git.args(["-c", setting]);
        }
        git.args(arguments).current_dir(at);
        for variable in OF_ANOTHER_REPOSITORY {
            git.env_remove(variable);
        }
        git.env("GIT_TERMINAL_PROMPT", "0")
            .env_remove("SSH_ASKPASS")
            .env("SSH_ASKPASS_REQUIRE", "never");
        if self.own_ssh.is_none() || !route.ssh.is_empty() {
            let mut ssh = self
                .own_ssh
                .clone()
                .unwrap_or_else(|| "ssh -o BatchMode=yes".into());
            ssh.push(&route.ssh);
            git.env("GIT_SSH_COMMAND", ssh);
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
        for (key, url) in urls.lines().filter_map(|line| line.split_once(' ')) {
            self.policy.check(url)?;
            let route = self.route(root, url)?;
            self.run(root, &["config", key, &route.address])?;
            let key = format!("{}.path", key.trim_end_matches(".url"));
            let path = self.run(root, &["config", "--file", ".gitmodules", "--get", &key])?;
            let path = path.trim_end_matches('\n');
            self.run_along(&route, root, &["submodule", "update", "--", path])?;
            let submodule = root.join(path).canonicalize().map_err(io_error)?;
            if submodule.starts_with(self.directory.canonicalize().map_err(io_error)?) {
                self.update_checked_submodules(&submodule, depth + 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_git() {
        for (text, expected) in [
            ("git version 2.39.5\n", Some([2, 39])),
            ("git version 2.37.GIT", Some([2, 37])),
            ("git version 2.50.1 (Apple Git-155)", Some([2, 50])),
            ("busybox", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }
}
