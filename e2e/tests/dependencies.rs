//! What is linked, against `deny.toml`: licences, versions, banned crates and sources, without a network.
//!
//! `cargo deny check` reads the same file and looks at advisories too, which it has to fetch.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The strings of one list of `deny.toml`, such as `allow` of `[licenses]`.
fn list(section: &str, key: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let section = text
        .split_once(&format!("[{section}]"))
        .expect("the section")
        .1
        .split("\n[")
        .next()
        .unwrap_or_default();
    let (_, list) = section.split_once(&format!("\n{key} = [")).expect("the list");
    let (list, _) = list.split_once(']').expect("the end of the list");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The packages that are linked on the platform of this machine.
fn packages() -> Vec<Value> {
    let rustc = Command::new("rustc").arg("-vV").output().expect("rustc starts");
    let version = String::from_utf8(rustc.stdout).expect("text");
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("the host");
    let output = Command::new(env!("CARGO"))
        .current_dir(root())
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--offline",
            "--filter-platform",
            host,
        ])
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn text<'a>(package: &'a Value, field: &str) -> &'a str {
    package[field].as_str().unwrap_or_default()
}

/// Whether the terms of an SPDX expression can be met with the allowed licences alone.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.trim();
    for (operator, all) in [(" OR ", false), ("/", false), (" AND ", true)] {
        let parts = split_outside_parentheses(expression, operator);
        if parts.len() > 1 {
            let mut met = parts.iter().map(|part| is_met(part, allowed));
            return if all {
                met.all(|met| met)
            } else {
                met.any(|met| met)
            };
        }
    }
    match expression
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
    {
        Some(inner) => is_met(inner, allowed),
        None => allowed.contains(expression),
    }
}

fn split_outside_parentheses<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && at >= start && text[at..].starts_with(separator) => {
                parts.push(&text[start..at]);
                start = at + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[test]
fn expressions_of_licences_are_read_as_spdx_has_them() {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned));
    for expression in [
        "MIT",
        "MIT/GPL-3.0",
        "GPL-3.0 OR MIT",
        "(GPL-3.0 OR MIT) AND Apache-2.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_met(expression, &allowed), "{expression}");
    }
    for expression in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
    ] {
        assert!(!is_met(expression, &allowed), "{expression}");
    }
}

#[test]
fn only_allowed_licences_are_linked() {
    let allowed = list("licenses", "allow");
    let refused: Vec<_> = packages()
        .iter()
        .filter(|package| !is_met(text(package, "license"), &allowed))
        .map(|package| format!("{}: {:?}", text(package, "name"), text(package, "license")))
        .collect();
    assert!(
        refused.is_empty(),
        "add them to deny.toml, or do without: {refused:#?}"
    );
}

#[test]
fn a_crate_is_linked_in_one_version() {
    let mut versions = BTreeMap::<String, BTreeSet<String>>::new();
    for package in packages() {
        let name = text(&package, "name").to_owned();
        versions
            .entry(name)
            .or_default()
            .insert(text(&package, "version").to_owned());
    }
    let several: BTreeSet<_> = versions
        .iter()
        .filter(|(_, all)| all.len() > 1)
        .map(|(name, _)| name.clone())
        .collect();
    assert_eq!(
        several,
        list("bans", "skip"),
        "deny.toml lists others than there are"
    );
}

#[test]
fn nothing_banned_is_linked_and_all_comes_from_the_registry() {
    let banned = list("bans", "deny");
    for package in packages() {
        let name = text(&package, "name");
        assert!(!banned.contains(name), "{name} is banned by deny.toml");
        let source = text(&package, "source");
        assert!(
            source.is_empty() || source.starts_with("registry+"),
            "{name} comes from {source}"
        );
    }
}
