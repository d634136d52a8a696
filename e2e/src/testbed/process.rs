//! A child process with a log file, that never outlives us.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use super::watchdog;

/// A running program in its own process group; dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time, user and system together.
    pub cpu: Duration,
    /// Resident memory now, in bytes.
    pub resident: u64,
    /// The most resident memory ever, in bytes.
    pub peak_resident: u64,
}

impl Process {
    /// Starts `program`, with stdout and stderr appended to `<logs>/<name>.log`.
    pub fn spawn<S: AsRef<OsStr>>(
        name: &str,
        logs: &Path,
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| log.display().to_string())?;
        // The shell waits for one line, so that the program starts only when the watchdog knows its group; when we die
        // before that, the shell reads the end of its input and ends as well. A file that may grow no longer is an error of the
        // write, as a full disk is, and no signal that ends the program.
        let mut child = Command::new("/bin/sh")
            .args(["-c", r#"trap '' XFSZ; read -r _ && exec "$0" "$@""#])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        watchdog::watch_group(child.id()).context("starting the watchdog")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(b"go\n")?;
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            log,
        })
    }

    /// The name it was started under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that holds what it printed.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it printed so far.
    pub fn output(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Its exit status when it has ended.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it to end (SIGTERM), kills it after `patience`, and returns how it ended.
    pub fn stop(&mut self, patience: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill()
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::KILL);
        Ok(self.child.wait()?)
    }

    /// Stops it in the middle of whatever it does (SIGSTOP): its connections stay open and answer nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// CPU time and memory so far.
    pub fn usage(&self) -> Result<Usage> {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let stat =
            std::fs::read_to_string(proc.join("stat")).context("reading /proc, which only Linux has")?;
        // utime and stime are the 14th and 15th field; the second one, the command, may itself contain spaces.
        let after_command = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = after_command
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|n| n.parse::<u64>().ok())
            .sum();
        let status = std::fs::read_to_string(proc.join("status"))?;
        let kibibytes = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
                .unwrap_or(0)
        };
        Ok(Usage {
            // The unit of /proc is fixed at 100 ticks a second.
            cpu: Duration::from_millis(ticks * 10),
            resident: kibibytes("VmRSS") * 1024,
            peak_resident: kibibytes("VmHWM") * 1024,
        })
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself already.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.kill();
        }
        watchdog::forget_group(self.child.id());
    }
}
