//! Builds every case of `cases/` and compares with what the real kustomize printed; `cargo xtask record kustomize`
//! writes the expected side. Where a failing build is deliberately worded differently (see `COMPATIBILITY.md`), the case
//! has our words in `differs.txt` beside the recorded ones.

use std::path::{Path, PathBuf};
use std::{fs, io};

use kustomize::{LoadRestrictions, MemoryTree, Notice, Options, Reorder, build_with_notices};

#[test]
fn cases_build_as_recorded() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut failures = Vec::new();
    let mut count = 0;
    for topic in folders(&root)? {
        for case in folders(&topic)? {
            count += 1;
            if let Err(difference) = check(&case) {
                failures.push(format!("{}\n{difference}", case.display()));
            }
        }
    }
    assert!(count > 0, "there are no cases in {}", root.display());
    assert!(
        failures.is_empty(),
        "{} of {count} cases differ:\n\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
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

fn folders(parent: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
