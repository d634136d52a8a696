//! Where things are, and how commands are run in the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap_or_default()
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs this task, in the repository's root.
pub(crate) fn cargo<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut cargo = e2e::cargo();
    cargo.args(arguments);
    cargo
}

/// Runs a command with our own stdin, stdout and stderr; an unsuccessful end is an error that names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}

/// One line per entry, for messages that list what there is.
pub(crate) fn listing(entries: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    entries
        .map(|(name, about)| format!("\n  {name:12} {about}"))
        .collect::<Vec<_>>()
        .concat()
}

/// Says something about the progress of a task.
pub(crate) fn explain(text: &str) {
    use std::io::Write as _;
    // Progress is a courtesy: a closed stderr must not fail a task.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints a report.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    // A closed stdout is the reader's choice.
    let _ = writeln!(std::io::stdout(), "{text}");
}
