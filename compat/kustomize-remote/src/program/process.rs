//! A program that runs for a bounded time, fills a bounded directory, and is gone afterwards with all that it started.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How much of what a program says is kept.
const OUTPUT_BYTES: u64 = 64 * 1024;
/// Between two looks at a program that runs.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(25)];
/// Between two looks at the size of the directory.
const MEASURE_EVERY: Duration = Duration::from_millis(200);

/// What a program may use.
pub(crate) struct Bounds<'a> {
    pub(crate) time: Duration,
    /// The directory that it fills, and how many bytes may be in it.
    pub(crate) directory: &'a Path,
    pub(crate) bytes: u64,
    /// Tells whether nobody waits for it any more.
    pub(crate) is_cancelled: &'a dyn Fn() -> bool,
}

/// How a program ended.
pub(crate) enum Outcome {
    /// By itself; with what it printed to both streams.
    Ended(ExitStatus, String),
    TimedOut,
    TooLarge,
    Cancelled,
}

/// Runs a program in a process group of its own, without input; `output` is a file for what it prints.
pub(crate) fn run(command: &mut Command, output: &Path, bounds: &Bounds<'_>) -> io::Result<Outcome> {
    let log = File::create(output)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()?;
    let ended = wait(&mut child, bounds);
    if !matches!(ended, Ok(Ended::Itself(_))) {
        // The group is the program's own; one that has just ended by itself is no error.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        child.wait()?;
    }
    Ok(match ended? {
        Ended::TimedOut => Outcome::TimedOut,
        Ended::TooLarge => Outcome::TooLarge,
        Ended::Cancelled => Outcome::Cancelled,
        Ended::Itself(_) if size(bounds.directory)? > bounds.bytes => Outcome::TooLarge,
        Ended::Itself(status) => {
            let mut said = Vec::new();
            File::open(output)?.take(OUTPUT_BYTES).read_to_end(&mut said)?;
            Outcome::Ended(status, String::from_utf8_lossy(&said).into_owned())
        }
    })
}

enum Ended {
    Itself(ExitStatus),
    TimedOut,
    TooLarge,
    Cancelled,
}

fn wait(child: &mut Child, bounds: &Bounds<'_>) -> io::Result<Ended> {
    let start = Instant::now();
    let mut measured = start;
    let mut pause = PAUSES[0];
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Itself(status));
        }
        if (bounds.is_cancelled)() {
            return Ok(Ended::Cancelled);
        }
        if start.elapsed() > bounds.time {
            return Ok(Ended::TimedOut);
        }
        if measured.elapsed() > MEASURE_EVERY {
            if size(bounds.directory)? > bounds.bytes {
                return Ok(Ended::TooLarge);
            }
            measured = Instant::now();
        }
        sleep(pause);
        pause = (pause * 2).min(PAUSES[1]);
    }
}

/// Bytes of all files below a directory while a program may still be changing it; symbolic links are not followed.
pub(crate) fn size(directory: &Path) -> io::Result<u64> {
    let mut total = 0;
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let entries = match fs::read_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(found) if found.is_dir() => open.push(entry.path()),
                Ok(found) => total += found.len(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(total)
}
