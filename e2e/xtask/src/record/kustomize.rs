//! Builds, recorded from the real kustomize.
//!
//! A case is a folder with `in/`, the tree that is built, and what the command says about it: `out.yaml` or `err.txt`,
//! and `warnings.txt` if it prints any. The directory that is built is `in/` itself or `in/overlay`; `flags`, if there
//! is one, holds command line flags, one a line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use e2e::tools::{Tool, ensure};

use super::{Recorder, folders};

pub(super) const KUSTOMIZE: Recorder = Recorder {
    name: "kustomize",
    about: "compat/kustomize/cases from kustomize build",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    let [kustomize] = ensure([Tool::Kustomize])?;
    for case in cases(root)? {
        record_case(&kustomize, &case).with_context(|| format!("recording {}", case.folder.display()))?;
    }
    Ok(())
}

/// One case: what the command is to do.
struct Case {
    folder: PathBuf,
    /// The directory to build.
    directory: PathBuf,
    /// Flags before it.
    flags: Vec<String>,
}

/// All cases.
fn cases(root: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for topic in folders(&root.join("compat/kustomize/cases"))? {
        for folder in folders(&topic)? {
            let overlay = folder.join("in/overlay");
            let directory = if overlay.is_dir() {
                overlay
            } else {
                folder.join("in")
            };
            let flags = fs::read_to_string(folder.join("flags")).unwrap_or_default();
            let flags = flags.lines().map(str::to_owned).collect();
            cases.push(Case {
                folder,
                directory,
                flags,
            });
        }
    }
    Ok(cases)
}

fn record_case(kustomize: &Path, case: &Case) -> Result<()> {
    let output = Command::new(kustomize)
        .arg("build")
        .args(&case.flags)
        .arg(&case.directory)
        .output()?;
    let case = &case.folder;
    let messages = String::from_utf8(output.stderr)?.replace(&case.display().to_string(), "");
    let messages = without_addresses(&messages);
    let (error, warnings) = match messages.find("Error: ") {
        Some(at) if !output.status.success() => (messages[at..].to_owned(), messages[..at].to_owned()),
        _ => (String::new(), messages),
    };
    let out = output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout))
        .transpose()?;
    write_or_remove(&case.join("out.yaml"), out)?;
    write_or_remove(&case.join("err.txt"), Some(error).filter(|text| !text.is_empty()))?;
    write_or_remove(
        &case.join("warnings.txt"),
        Some(without_time(&warnings)).filter(|text| !text.is_empty()),
    )
}

/// What a build printed on stderr, without what is different each time.
pub(crate) fn messages(stderr: &[u8]) -> String {
    without_time(&without_addresses(&String::from_utf8_lossy(stderr)))
}

/// Without the times of log lines; notes about flags are the command's own.
fn without_time(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("Flag --"));
    lines.flat_map(|line| [without_stamp(line), "\n"]).collect()
}

/// Log lines begin with the date and the time, which are different each time.
pub(crate) fn without_stamp(line: &str) -> &str {
    let is_stamp = |stamp: &str| stamp.starts_with("20") && stamp.get(4..5) == Some("/");
    if line.get(..20).is_some_and(is_stamp) {
        &line[20..]
    } else {
        line
    }
}

/// Some errors print where something was in memory.
pub(crate) fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("0x0");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    out
}

fn write_or_remove(file: &PathBuf, content: Option<String>) -> Result<()> {
    match content {
        Some(content) => fs::write(file, content)?,
        None if file.exists() => fs::remove_file(file)?,
        None => {}
    }
    Ok(())
}
