//! `openflux kustomize build` as a process, against what the real kustomize printed and wrote for the cases of
//! `migration/cases/kustomize-build`, and how it ends.
//!
//! `cargo xtask record kustomize-command` writes the expected side: `stdout`, `stderr`, `status` and the files `written/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};

/// Runs the command in a folder, with nothing of the developer's environment.
fn build(folder: &Path, args: &[&str], environment: &str) -> Result<Output> {
    let output = Command::new(env!("CARGO_BIN_EXE_openflux"))
        .args(["kustomize", "build"])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PWD", folder)
        .envs(environment.lines().filter_map(|line| line.split_once('=')))
        .output()?;
    Ok(output)
}

/// An empty folder for one case.
fn folder(name: &str) -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("kustomize_build")
        .join(name);
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    fs::create_dir_all(&path)?;
    Ok(path.canonicalize()?)
}

#[test]
fn builds_end_as_with_kustomize() -> Result<()> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/kustomize-build");
    let mut run = 0;
    let mut failures = Vec::new();
    for case in fs::read_dir(&cases)? {
        let case = case?.path();
        let name = case.file_name().unwrap_or_default().display().to_string();
        let (ours, theirs) = outcomes(&name, &case).with_context(|| name.clone())?;
        run += 1;
        if ours != theirs {
            failures.push(format!("{name}\n--- kustomize\n{theirs}\n--- ours\n{ours}"));
        }
    }
    ensure!(run > 0, "there are no cases");
    ensure!(
        failures.is_empty(),
        "{} of {run} cases fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

/// All that there is to see of our run of a case, and of the recorded one.
fn outcomes(name: &str, case: &Path) -> Result<(String, String)> {
    let recorded = |name: &str| fs::read_to_string(case.join(name)).unwrap_or_default();
    let work = folder(name)?;
    copy(&case.join("in"), &work)?;
    let before = files(&work)?;
    let args = recorded("args");
    let directory = work.join(recorded("directory").trim_end());
    let output = build(
        &directory,
        &args.lines().collect::<Vec<_>>(),
        &recorded("environment"),
    )?;
    let mut written = files(&work)?;
    written.retain(|name, content| before.get(name) != Some(content));
    let theirs = if case.join("written").is_dir() {
        files(&case.join("written"))?
    } else {
        BTreeMap::new()
    };
    let stderr = String::from_utf8_lossy(&output.stderr).replace(&work.display().to_string(), "$IN");
    let stderr: String = stderr.split_inclusive('\n').map(without_stamp).collect();
    let status = output.status.code().context("killed")?;
    let show = |status: &str, stdout: &str, stderr: &str, written: &BTreeMap<PathBuf, String>| {
        format!("status {status}\n{stdout}\nstderr:\n{stderr}\nwritten: {written:#?}")
    };
    Ok((
        show(
            &status.to_string(),
            &String::from_utf8_lossy(&output.stdout),
            &stderr,
            &written,
        ),
        show(
            recorded("status").trim_end(),
            &recorded("stdout"),
            &recorded("stderr"),
            &theirs,
        ),
    ))
}

/// Log lines begin with the date and the time.
fn without_stamp(line: &str) -> &str {
    let is_stamp = |stamp: &str| stamp.starts_with("20") && stamp.get(4..5) == Some("/");
    match line.get(..20) {
        Some(stamp) if is_stamp(stamp) => line.get(20..).unwrap_or_default(),
        _ => line,
    }
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
fn files(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    fn add(folder: &Path, root: &Path, files: &mut BTreeMap<PathBuf, String>) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                add(&path, root, files)?;
            } else if entry.file_type()?.is_file() {
                files.insert(path.strip_prefix(root)?.to_owned(), fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }
    let mut found = BTreeMap::new();
    add(folder, folder, &mut found)?;
    Ok(found)
}

/// Bounds are ours alone.
#[test]
fn a_used_up_limit_ends_the_build_with_status_1() -> Result<()> {
    let folder = folder("limits")?;
    fs::write(
        folder.join("kustomization.yaml"),
        "resources: [a.yaml]\nnamePrefix: p-\n",
    )?;
    fs::write(
        folder.join("a.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    )?;
    for (flag, error) in [
        ("--limit-steps", "the build takes more than 3 steps"),
        ("--limit-made-bytes", "the build makes more than 3 bytes"),
        ("--limit-output-bytes", "the output is larger than 3 bytes"),
    ] {
        let output = build(&folder, &[flag, "3"], "")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(1) && output.stdout.is_empty() && said.contains(error),
            "{flag}: {}: {said}",
            output.status
        );
    }
    Ok(())
}
