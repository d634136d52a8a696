//! Rules of the repository that a reader relies on and no compiler checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

mod circles;

use circles::Crate;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the repository")
}

fn metadata(extra: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .args(extra)
        .output()
        .expect("the command starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Crate name -> names of the workspace's crates that it depends on, tests left out.
fn workspace_crates() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(&["--no-deps"]);
    let names: BTreeSet<_> = array(&metadata["packages"])
        .map(|package| text(&package["name"]))
        .collect();
    array(&metadata["packages"])
        .map(|package| {
            let ours = array(&package["dependencies"])
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| text(&dependency["name"]))
                .filter(|name| names.contains(name));
            (
                text(&package["name"]).to_owned(),
                ours.map(str::to_owned).collect(),
            )
        })
        .collect()
}

/// One crate of the arrow table: its level and the crates of the same level that it may use.
struct Row {
    level: usize,
    same_level: BTreeSet<String>,
}

/// Reads rows such as ``| 6 | `e2e` `xtask` [`e2e`] | ... |``.
fn arrow_table() -> BTreeMap<String, Row> {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let mut rows = BTreeMap::new();
    for line in architecture.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, level, crates, ..] = cells[..] else {
            continue;
        };
        let Ok(level) = level.parse::<usize>() else {
            continue;
        };
        let mut last = String::new();
        for word in crates.split_whitespace() {
            let name = word.trim_matches(['[', ']', '`', ',']).to_owned();
            if word.starts_with('[') || word.starts_with("`[") {
                let row: &mut Row = rows.get_mut(&last).expect("brackets follow a crate");
                row.same_level.insert(name);
            } else {
                last.clone_from(&name);
                rows.insert(
                    name,
                    Row {
                        level,
                        same_level: BTreeSet::new(),
                    },
                );
            }
        }
    }
    rows
}

#[test]
fn arrows_are_those_of_the_table() {
    let table = arrow_table();
    let crates = workspace_crates();
    let (listed, existing): (BTreeSet<_>, BTreeSet<_>) = (table.keys().collect(), crates.keys().collect());
    assert_eq!(
        listed, existing,
        "the arrow table in ARCHITECTURE.md lists other crates than the workspace has"
    );
    let mut wrong = Vec::new();
    for (from, uses) in &crates {
        for to in uses {
            let (source, target) = (&table[from], &table[to]);
            if target.level > source.level || target.level == source.level && !source.same_level.contains(to)
            {
                wrong.push(format!(
                    "{from} (level {}) uses {to} (level {})",
                    source.level, target.level
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_crates_link_no_runtime_and_no_client() {
    // Read per crate: a build of the whole workspace unifies features and would hide who brings what.
    for (name, row) in arrow_table() {
        if row.level > 2 {
            continue;
        }
        let output = Command::new(env!("CARGO"))
            .current_dir(root())
            .args([
                "tree",
                "--locked",
                "--offline",
                "--edges=normal",
                "--prefix=none",
                "--package",
                &name,
            ])
            .output()
            .expect("the command starts");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let tree = String::from_utf8_lossy(&output.stdout);
        for line in tree.lines() {
            let dependency = line.split(' ').next().unwrap_or_default();
            assert!(
                !["kube-client", "kube-runtime", "tokio", "hyper", "reqwest"].contains(&dependency),
                "{name} is pure, yet links {dependency}"
            );
        }
    }
}

/// Every Rust file that is tracked or about to be.
fn rust_files() -> Vec<(PathBuf, String)> {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])
        .output()
        .expect("the command starts");
    let list = String::from_utf8(output.stdout).expect("names in UTF-8");
    let files: Vec<_> = list
        .lines()
        .map(PathBuf::from)
        // A file that is deleted but not yet committed is still listed.
        .filter_map(|path| Some((path.clone(), fs::read_to_string(root().join(path)).ok()?)))
        .collect();
    assert!(!files.is_empty(), "git lists no Rust file");
    files
}

#[test]
fn nothing_is_left_over() {
    // Written in two halves, so that this file does not find itself.
    let banned = [
        ("todo", "!("),
        ("dbg", "!("),
        ("unimplemented", "!("),
        ("FIX", "ME"),
        ("TO", "DO:"),
        ("#[ign", "ore"),
        ("#[al", "low("),
        ("#![al", "low("),
    ]
    .map(|(start, end)| format!("{start}{end}"));
    let mut found = Vec::new();
    for (path, content) in rust_files() {
        for (number, line) in content.lines().enumerate() {
            // An example in documentation may leave a part to its reader.
            if line.trim_start().starts_with("//! #") || line.trim_start().starts_with("/// #") {
                continue;
            }
            found.extend(
                banned
                    .iter()
                    .filter(|word| line.contains(word.as_str()))
                    .map(|word| format!("{}:{}: {word}", path.display(), number + 1)),
            );
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// Files that may be longer than the limit, each with the reason why they hold one idea all the same.
const LONG_FILES: &[(&str, &str)] = &[];

#[test]
fn files_are_short_enough_to_read() {
    const LIMIT: usize = 900;
    for (path, content) in rust_files() {
        let lines = content.lines().count();
        let justified = LONG_FILES.iter().any(|(file, _)| Path::new(file) == path);
        assert!(
            lines <= LIMIT || justified,
            "{} has {lines} lines: split it by ideas, or justify it in LONG_FILES",
            path.display()
        );
        assert!(
            lines > LIMIT || !justified,
            "{} is short now: take it off LONG_FILES",
            path.display()
        );
    }
}

#[test]
fn the_readme_maps_every_folder_of_a_crate() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let metadata = metadata(&["--no-deps"]);
    let missing: Vec<_> = array(&metadata["packages"])
        .filter_map(|package| {
            let manifest = Path::new(text(&package["manifest_path"]));
            let folder = manifest
                .parent()?
                .strip_prefix(root())
                .ok()?
                .display()
                .to_string();
            (!readme.contains(&folder)).then_some(folder)
        })
        .collect();
    assert!(missing.is_empty(), "README.md's map does not mention {missing:?}");
}

#[test]
fn the_readme_shows_the_programs_of_third_parties_as_they_are() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for name in ["nightly", "filemap"] {
        let path = format!("controllers/examples/src/bin/{name}.rs");
        let program = fs::read_to_string(root().join(&path)).unwrap();
        let lines = program.lines().count();
        assert!(
            lines <= 60,
            "{path} has {lines} lines: a source and a deployer are short"
        );
        assert!(
            readme.contains(&format!("```rust\n{program}```")),
            "README.md does not show {path} as it is"
        );
    }
}

#[test]
fn only_the_listed_folders_are_at_the_top() {
    let output = Command::new("git")
        .current_dir(root())
        .args(["ls-files"])
        .output()
        .expect("the command starts");
    let list = String::from_utf8(output.stdout).expect("names in UTF-8");
    let folders: BTreeSet<_> = list
        .lines()
        .filter_map(|path| path.split_once('/'))
        .map(|(top, _)| top)
        .filter(|top| !top.starts_with('.'))
        .collect();
    let expected = [
        "artifact-crd",
        "compat",
        "controllers",
        "docs",
        "e2e",
        "migration",
    ];
    assert_eq!(folders, BTreeSet::from(expected));
}

#[test]
fn files_call_down_and_are_never_called_back() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for package in array(&metadata(&["--no-deps"])["packages"]) {
        let manifest = Path::new(text(&package["manifest_path"]));
        let src = manifest.parent().expect("a folder").join("src");
        let code = Crate::read(&src);
        seen += code.uses().len();
        for (folder, circle) in code.circles() {
            if !Crate::says_why(&src, &folder) {
                let place = src.join(folder.join("/"));
                wrong.push(format!("{}: {circle:?}", place.display()));
            }
        }
    }
    assert!(seen > 1000, "nothing was understood: {seen}");
    assert!(
        wrong.is_empty(),
        "files in a circle, of which the mod.rs of their folder says nothing: {wrong:#?}"
    );
}
