//! Objects of a build, and what the real kustomize-controller makes of them (`cargo xtask record sops`).

use std::fs;
use std::path::Path;

use serde_json::Value;
use sops::{Limits, LocalKeys, decrypt_object};

#[derive(serde::Deserialize)]
struct Case {
    object: Value,
    result: Value,
    #[serde(default)]
    error: String,
}

#[test]
fn objects_become_what_the_controller_makes_of_them() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut keys = LocalKeys::default();
    for name in ["a", "b"] {
        let text = fs::read_to_string(cases.join("keys").join(name).with_extension("agekey")).unwrap();
        keys.add_age_identities(&text).unwrap();
    }
    let text = fs::read_to_string(cases.join("objects.jsonl")).unwrap();
    assert!(text.lines().count() > 30);
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let mut object = case.object;
        match decrypt_object(&mut object, &keys, &Limits::default()) {
            Ok(change) => {
                assert_eq!(case.error, "", "{line}");
                let result = if change.changed { object } else { Value::Null };
                assert_eq!(result, case.result, "{line}");
            }
            Err(error) => {
                // The same mark stands for both formats, and upstream takes either; it also tells the line of a file.
                let theirs = case.error.replace(" JSON file", " binary file");
                let ours = error.to_string().replace(" JSON file", " binary file");
                let cut = theirs.split(" not found: ").next().unwrap_or_default();
                assert!(
                    ours == theirs || ours == format!("{cut} not found"),
                    "{line}\n{ours}"
                );
            }
        }
    }
}
