//! What one run of a program takes, measured from a process of its own.
//!
//! The kernel counts as the memory of a program what its process had before it became that program: that of the process
//! that started it. So we start ourselves anew, with little memory, and that process starts the program.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use wait4::Wait4 as _;

use crate::workspace;

/// What one process took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) time: Duration,
    /// The most memory that it held at a time, in bytes.
    pub(super) memory: u64,
}

/// Runs a command to its end; nothing if it fails.
pub(super) fn cost(command: &Command) -> Result<Option<Cost>> {
    let output = Command::new(std::env::current_exe()?)
        .args([OsStr::new("measure"), command.get_program()])
        .args(command.get_args())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot measure {command:?}"))?;
    if !output.status.success() {
        bail!("measuring {command:?} ended with {}", output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let (Some(nanoseconds), Some(memory)) = (numbers.next(), numbers.next()) else {
        return Ok(None);
    };
    Ok(Some(Cost {
        time: Duration::from_nanos(nanoseconds?),
        memory: memory?,
    }))
}

/// The process of its own: runs a program, and prints its time and its memory if it succeeds.
pub(crate) fn run(command: &[OsString]) -> Result<()> {
    let [program, arguments @ ..] = command else {
        bail!("name a program");
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // With a user to switch to, even if it is the same, the standard library copies this process instead of lending it, and
    // the copy does not have what is only mapped from files.
    command.uid(nix::unistd::getuid().as_raw());
    let start = Instant::now();
    let end = command
        .spawn()
        .and_then(|mut child| child.wait4())
        .with_context(|| format!("cannot run {command:?}"))?;
    let time = start.elapsed().as_nanos();
    if end.status.success() {
        workspace::say(&format!("{time} {}", end.rusage.maxrss));
    }
    Ok(())
}
