//! Builds every case of `cases/` and compares with what the real kustomize printed; `cargo xtask record kustomize`
//! writes the expected side. Where a failing build is deliberately worded differently (see `COMPATIBILITY.md`), the case
//! has our words in `differs.txt` beside the recorded ones.

mod common;

use std::path::Path;
use std::{fs, io};

use common::check_cases;
use kustomize::{LoadRestrictions, MemoryTree, Notice, Options, Reorder, build_with_notices};

#[test]
fn cases_build_as_recorded() -> io::Result<()> {
    check_cases("cases", check)
}

fn check(case: &Path) -> Result<(), String> {
    let mut tree = MemoryTree::new();
    load(&case.join("in"), "/in", &mut tree).map_err(|error| error.to_string())?;
    let root = if case.join("in/overlay").is_dir() {
        "/in/overlay"
    } else {
        "/in"
    };
    let mut notices = Vec::new();
    let built = build_with_notices(&tree, root, &options(case)?, &mut notices);
    let (out, err) = match built.and_then(|output| output.to_yaml()) {
        Ok(yaml) => (Some(yaml), None),
        Err(error) => (None, Some(format!("Error: {error}\n"))),
    };
    let lines = notices
        .into_iter()
        .map(|(Notice::Warning(line) | Notice::Log(line))| line + "\n");
    let warnings = Some(lines.collect::<String>()).filter(|text| !text.is_empty());
    let differs = fs::read_to_string(case.join("differs.txt")).ok();
    if differs.is_some() && !(case.join("err.txt").exists() && err.is_some()) {
        return Err("differs.txt is for builds that fail here and there, in other words".to_owned());
    }
    let err_file = if differs.is_some() {
        "differs.txt"
    } else {
        "err.txt"
    };
    for (file, ours) in [("out.yaml", out), (err_file, err), ("warnings.txt", warnings)] {
        let recorded = fs::read_to_string(case.join(file)).ok();
        if recorded != ours {
            return Err(format!(
                "--- recorded {file}\n{}\n--- ours\n{}",
                show(recorded),
                show(ours)
            ));
        }
    }
    Ok(())
}

fn show(text: Option<String>) -> String {
    text.unwrap_or_else(|| "(none)".to_owned())
}

fn options(case: &Path) -> Result<Options, String> {
    let mut options = Options::default();
    for flag in fs::read_to_string(case.join("flags")).unwrap_or_default().lines() {
        match flag {
            "--load-restrictor=LoadRestrictionsNone" => {
                options.load_restrictions = Some(LoadRestrictions::None);
            }
            "--reorder=none" => options.reorder = Some(Reorder::None),
            "--reorder=legacy" => options.reorder = Some(Reorder::Legacy),
            "--enable-managedby-label" => options.managed_by_label = true,
            other => return Err(format!("unknown flag {other}")),
        }
    }
    Ok(options)
}

fn load(from: &Path, to: &str, tree: &mut MemoryTree) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let path = format!("{to}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            load(&entry.path(), &path, tree)?;
        } else {
            tree.insert(&path, fs::read(entry.path())?);
        }
    }
    Ok(())
}
