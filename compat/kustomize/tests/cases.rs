//! Builds every case below `cases/` and compares with what the real kustomize gave; `cargo xtask record kustomize`.

use std::fs;
use std::path::{Path, PathBuf};

use kustomize::{MemoryTree, Options, build};

#[test]
fn builds_give_what_kustomize_gives() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let cases: Vec<PathBuf> = folders(&root).iter().flat_map(|topic| folders(topic)).collect();
    assert!(!cases.is_empty());
    let failed: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(
        failed.is_empty(),
        "{} of {} cases fail\n\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}

fn check(case: &Path) -> Result<(), String> {
    let tree = add(MemoryTree::new(), case, &case.join("in"));
    let start = if case.join("in/overlay").is_dir() {
        "in/overlay"
    } else {
        "in"
    };
    let output = build(&tree, start, &Options::default()).and_then(|output| output.to_yaml());
    let (recorded, ours) = match &output {
        Ok(yaml) => (case.join("out.yaml"), yaml.clone()),
        Err(error) => (case.join("err.txt"), error.to_string()),
    };
    match fs::read_to_string(&recorded) {
        Ok(expected) if expected == ours => Ok(()),
        Ok(expected) => Err(format!(
            "{}\n{}",
            case.display(),
            first_difference(&expected, &ours)
        )),
        Err(_) => Err(format!(
            "{}\nthe real kustomize does not end like this:\n{ours}",
            case.display()
        )),
    }
}

fn first_difference(expected: &str, ours: &str) -> String {
    let mut lines = expected
        .lines()
        .map(Some)
        .chain([None])
        .zip(ours.lines().map(Some).chain([None]))
        .enumerate();
    match lines.find(|(_, (a, b))| a != b) {
        Some((i, (a, b))) => format!(
            "line {}\n  expected: {}\n  ours:     {}\n",
            i + 1,
            a.unwrap_or("(end)"),
            b.unwrap_or("(end)")
        ),
        None => "they differ in their last line break".to_owned(),
    }
}

fn add(tree: MemoryTree, case: &Path, path: &Path) -> MemoryTree {
    if path.is_dir() {
        return entries(path)
            .iter()
            .fold(tree, |tree, entry| add(tree, case, entry));
    }
    let name = path.strip_prefix(case).expect("files are below their case");
    tree.with(
        name.to_str().expect("names are UTF-8"),
        fs::read(path).expect("files can be read"),
    )
}

fn folders(path: &Path) -> Vec<PathBuf> {
    entries(path).into_iter().filter(|entry| entry.is_dir()).collect()
}

fn entries(path: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(path)
        .expect("folders can be listed")
        .map(|entry| entry.expect("entries can be listed").path())
        .collect();
    entries.sort();
    entries
}
