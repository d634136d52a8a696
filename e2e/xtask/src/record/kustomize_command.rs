//! `kustomize build` as a command: what it prints where, what it writes, and how it ends.
//!
//! A case is a folder with `in/`, the tree that the command works on, and `args`, one a line. `directory`, if there is
//! one, names the folder of `in/` that is the working directory, and `environment` variables, one a line. Recorded are
//! `stdout`, `stderr` and `status`, and under `written/` the files that the command made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use e2e::tools::{Tool, ensure};

use super::kustomize::{without_addresses, without_stamp};
use super::{Recorder, folders};
use crate::workspace;

pub(super) const KUSTOMIZE_COMMAND: Recorder = Recorder {
    name: "kustomize-command",
    about: "migration/cases/kustomize-build from kustomize build, with all that it prints and writes",
    run: record,
};

fn record(root: &Path) -> Result<()> {
    let [kustomize] = ensure([Tool::Kustomize])?;
    for case in folders(&root.join("migration/cases/kustomize-build"))? {
        record_case(&kustomize, &case).with_context(|| format!("recording {}", case.display()))?;
    }
    Ok(())
}

fn record_case(kustomize: &Path, case: &Path) -> Result<()> {
    let name = case.file_name().context("a case has a name")?;
    let work = workspace::target_folder().join("kustomize-command").join(name);
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    let work = work.canonicalize()?;
    copy(&case.join("in"), &work)?;
    let before = files(&work)?;
    let lines = |name: &str| fs::read_to_string(case.join(name)).unwrap_or_default();
    let directory = work.join(lines("directory").trim_end());
    let environment = lines("environment");
    let output = Command::new(kustomize)
        .arg("build")
        .args(lines("args").lines())
        .current_dir(&directory)
        .env_clear()
        .env("PWD", &directory)
        .envs(environment.lines().filter_map(|line| line.split_once('=')))
        .output()?;
    let place = work.display().to_string();
    fs::write(case.join("stdout"), output.stdout)?;
    let said = without_addresses(&String::from_utf8(output.stderr)?).replace(&place, "$IN");
    let said: String = said.split_inclusive('\n').map(without_stamp).collect();
    fs::write(case.join("stderr"), said)?;
    let status = output.status.code().context("kustomize was killed")?;
    fs::write(case.join("status"), format!("{status}\n"))?;
    let written = case.join("written");
    if written.exists() {
        fs::remove_dir_all(&written)?;
    }
    for (name, content) in files(&work)? {
        if before.get(&name) != Some(&content) {
            let file = written.join(name);
            fs::create_dir_all(file.parent().context("a file in a folder")?)?;
            fs::write(file, content)?;
        }
    }
    Ok(())
}

/// Copies a tree with its links.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, target)?;
        } else if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The files of a tree with their contents; links are not followed.
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    fn add(folder: &Path, root: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                add(&path, root, files)?;
            } else if entry.file_type()?.is_file() {
                files.insert(path.strip_prefix(root)?.to_owned(), fs::read(&path)?);
            }
        }
        Ok(())
    }
    let mut found = BTreeMap::new();
    add(folder, folder, &mut found)?;
    Ok(found)
}
