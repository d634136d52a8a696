//! Normalisation as Flux's own library does it: `cargo xtask record normalize` writes the expected side.
#![expect(clippy::unwrap_used, reason = "a broken case file may stop the test")]

use std::fs;
use std::path::Path;

#[path = "normalize/case.rs"]
mod case;

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cases/normalize")
        .join(name);
    let lines = fs::read_to_string(path).unwrap();
    let failures: Vec<String> = lines.lines().filter_map(|line| case::check(line).err()).collect();
    assert!(!lines.is_empty());
    assert!(
        failures.is_empty(),
        "{} cases differ, first:\n{}",
        failures.len(),
        failures[..failures.len().min(5)].join("\n")
    );
}

#[test]
fn kinds() {
    check("kinds.jsonl");
}

#[test]
fn values_of_all_forms_everywhere() {
    check("values.jsonl");
}

#[test]
fn wrong_values_at_every_field() {
    check("wrong.jsonl");
}

#[test]
fn written_by_hand() {
    check("written.jsonl");
}
