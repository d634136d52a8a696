//! Runs the recorded cases: each folder of `cases/` holds inputs and what Go made of them.
//!
//! `cargo xtask record gotmpl` writes `expected.jsonl` from `cases.jsonl`, line by line.

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

#[test]
fn recorded_cases() {
    let mut failures = Vec::new();
    let mut count = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    for topic in fs::read_dir(root).unwrap() {
        let topic = topic.unwrap().path();
        let cases = fs::read_to_string(topic.join("cases.jsonl")).unwrap();
        let expected = fs::read_to_string(topic.join("expected.jsonl")).unwrap();
        assert_eq!(
            cases.lines().count(),
            expected.lines().count(),
            "record {} again",
            topic.display()
        );
        for (line, (case, want)) in cases.lines().zip(expected.lines()).enumerate() {
            let case: Json = serde_json::from_str(case).unwrap();
            let want: Json = serde_json::from_str(want).unwrap();
            let got = support::run(&case);
            count += 1;
            if !support::same(&got, &want) {
                failures.push(format!(
                    "{}:{}\ncase {case}\n got {got}\nwant {want}\n",
                    topic.display(),
                    line + 1
                ));
            }
        }
    }
    assert!(count > 0, "there are no cases");
    assert!(
        failures.is_empty(),
        "{} of {count} cases differ:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
