//! A shallow clone by the `git` program.

mod process;
pub(crate) mod ssh;

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gix_hash::ObjectId;
use kustomize::RemoteError;

use self::process::{Bounds, Outcome};
use crate::bounds::{given_up, io_error};
use crate::submodules::Gitlink;
use crate::wanted::Wanted;
use crate::{Network, Policy};

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

fn find_git() -> Result<PathBuf, RemoteError> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|directory| directory.join("git"))
        .find(|program| program.is_file())
        .ok_or_else(|| {
            let text = "no 'git' program on path: exec: \"git\": executable file not found in $PATH \
                        (repositories over ssh and file URLs need it; those over HTTP need it on a command line)";
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

/// Gives the bytes of all files below a directory.
pub(crate) fn size(directory: &Path) -> Result<u64, RemoteError> {
    process::size(directory).map_err(io_error)
}

/// git within its bounds.
pub(crate) struct Git<'a> {
    program: PathBuf,
    /// Holds the clone and what git says.
    directory: &'a Path,
    time: Duration,
    policy: &'a Policy,
    network: &'a dyn Network,
    own_ssh: Option<OsString>,
}

impl<'a> Git<'a> {
    /// Finds the program.
    pub(crate) fn find(
        directory: &'a Path,
        time: Duration,
        policy: &'a Policy,
        network: &'a dyn Network,
    ) -> Result<Self, RemoteError> {
        let program = find_git()?;
        Ok(Self {
            own_ssh: own_ssh(&program),
            program,
            directory,
            time,
            policy,
            network,
        })
    }

    /// Fetches into an empty directory, and checks out what is wanted.
    ///
    /// `ssh` are options for ssh.
    pub(crate) fn check_out(
        &self,
        address: &str,
        ssh: &str,
        wanted: &Wanted,
        root: &Path,
    ) -> Result<(), RemoteError> {
        let wanted_text = wanted.to_string();
        self.run(root, &["init"])?;
        self.run(root, &["remote", "add", "origin", address])?;
        let fetched = self.run_over(ssh, root, &["fetch", "--depth=1", address, &wanted_text]);
        match wanted {
            Wanted::Reference(_) => {
                fetched?;
                self.run(root, &["checkout", "FETCH_HEAD"])?;
            }
            Wanted::Commit(_) => {
                if let Err(RemoteError::Failed(_)) = fetched {
                    // A server need not give out a commit that no reference names.
                    self.run_over(ssh, root, &["fetch", address, "+refs/*:refs/fetched/*"])?;
                } else {
                    fetched?;
                }
                self.run(root, &["checkout", &wanted_text])?;
            }
        }
        Ok(())
    }

    /// Fetches and checks out the submodules, without a look at their hosts.
    pub(crate) fn update_submodules(&self, root: &Path) -> Result<(), RemoteError> {
        self.run(root, &["submodule", "update", "--init", "--recursive"])?;
        Ok(())
    }

    /// Gives the submodule at a path of what is checked out, if there is one.
    pub(crate) fn gitlink(&self, root: &Path, path: &[u8]) -> Result<Option<Gitlink>, RemoteError> {
        let Ok(text) = std::str::from_utf8(path) else {
            return Ok(None);
        };
        let listed = ["--literal-pathspecs", "ls-files", "--stage", "-z", "--", text];
        let listed = self.run(root, &listed)?;
        Ok(listed.split('\0').find_map(|entry| {
            let (stage, at) = entry.split_once('\t')?;
            let id = stage.strip_prefix("160000 ")?.split(' ').next()?;
            Some(Gitlink {
                path: (at == text).then(|| path.to_owned())?,
                commit: ObjectId::from_hex(id.as_bytes()).ok()?,
            })
        }))
    }

    /// Runs one command that reaches no other machine.
    fn run(&self, at: &Path, arguments: &[&str]) -> Result<String, RemoteError> {
        self.run_over("", at, arguments)
    }

    /// Runs one command in a directory of the clone, with options for ssh, and returns what it printed.
    fn run_over(&self, ssh: &str, at: &Path, arguments: &[&str]) -> Result<String, RemoteError> {
        let shown = || format!("{} {}", self.program.display(), arguments.join(" "));
        let bounds = Bounds {
            time: self.time,
            directory: self.directory,
            bytes: self.policy.clone_bytes,
            is_cancelled: &|| self.network.is_cancelled(),
        };
        let mut command = self.command(ssh, at, arguments);
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
            Outcome::Cancelled => Err(given_up()),
            Outcome::TooLarge => Err(RemoteError::TooLarge(format!(
                "the clone is larger than {} bytes: '{}'",
                self.policy.clone_bytes,
                shown()
            ))),
        }
    }

    fn command(&self, ssh: &str, at: &Path, arguments: &[&str]) -> Command {
        let mut git = Command::new(&self.program);
        // Nothing runs from a template, nothing is asked, and only protocols that kustomize names are spoken.
        let mut settings = vec![
            "advice.detachedHead=false",
            "init.templateDir=",
            "protocol.allow=never",
            "protocol.ssh.allow=always",
        ];
        if !self.network.judges() {
            settings.extend(["protocol.http.allow=always", "protocol.https.allow=always"]);
        }
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
        if self.own_ssh.is_none() || !ssh.is_empty() {
            let mut own = self
                .own_ssh
                .clone()
                .unwrap_or_else(|| "ssh -o BatchMode=yes".into());
            own.push(ssh);
            git.env("GIT_SSH_COMMAND", own);
        }
        git
    }
}
