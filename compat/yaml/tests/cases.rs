//! Every recorded input gives what the Go libraries gave; see `cargo xtask record yaml`.
//!
//! A topic has `inputs.json`, written by hand, and `expected.jsonl`, recorded: one line per input with the answer to each
//! request. What a request means on our side is in `support`.

use std::fs;
use std::path::Path;

use serde_json::Value;

mod support;

#[test]
fn cases_give_what_go_gives() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut failures = Vec::new();
    let mut checked = 0;
    for topic in fs::read_dir(folder).expect("a folder of topics") {
        let topic = topic.expect("a topic").path();
        let lines = fs::read_to_string(topic.join("expected.jsonl")).expect("a recorded topic");
        for line in lines.lines() {
            let case: Value = serde_json::from_str(line).expect("a recorded line is JSON");
            let input = input_bytes(&case["input"]);
            for (request, recorded) in case["answers"].as_object().expect("answers by request") {
                checked += 1;
                let go = match (recorded["out"].as_str(), recorded["err"].as_str()) {
                    (Some(out), _) => Ok(out.to_owned()),
                    (None, err) => Err(err.expect("an answer or an error").to_owned()),
                };
                let ours = support::answer(request, &input);
                if !support::same(&ours, &go) {
                    let (topic, input) = (topic.file_name().expect("a name"), &case["input"]);
                    failures.push(format!(
                        "{} {request} {input}\n  go:   {go:?}\n  ours: {ours:?}",
                        topic.display()
                    ));
                }
            }
        }
    }
    assert!(checked > 1000, "only {checked} answers were found");
    assert!(
        failures.is_empty(),
        "{} of {checked} answers differ\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// A text, or `{"hex": ...}` for bytes that are none.
fn input_bytes(input: &Value) -> Vec<u8> {
    if let Some(text) = input.as_str() {
        return text.as_bytes().to_vec();
    }
    let digits = input["hex"].as_str().expect("a text or hex digits");
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("two hex digits")
        })
        .collect()
}
