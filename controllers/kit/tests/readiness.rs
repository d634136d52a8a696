//! Replays `cases/readiness`, recorded from kustomize-controller's own libraries by `cargo xtask record readiness`; or
//! the folder named by `READINESS_CASES`, which is how thousands of random objects are compared.

use std::path::Path;

use controller_kit::readiness::{Status, judge};
use serde_json::{Value, json};

/// Long after the objects that say when they were created, and long before those of the far future.
const NOW: i64 = 1_900_000_000;

#[test]
fn same_as_kstatus() {
    let root = std::env::var_os("READINESS_CASES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/readiness"),
        Into::into,
    );
    let (mut wrong, mut total) = (Vec::new(), 0);
    for file in std::fs::read_dir(root).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let expected: Value = serde_json::from_str(line).unwrap();
            let object = &expected["object"];
            let mut actual = json!({"object": object});
            let (status, word, said) = match judge(object) {
                Ok(readiness) => {
                    let readiness = readiness.at(NOW);
                    (readiness.status, "message", readiness.message.into_owned())
                }
                Err(error) => (Status::Unknown, "error", error.to_string()),
            };
            actual["status"] = status.as_str().into();
            if !said.is_empty() {
                actual[word] = said.into();
            }
            total += 1;
            if actual != expected {
                wrong.push(format!("expected {expected}\n     got {actual}"));
            }
        }
    }
    assert!(total > 500, "only {total} cases");
    let first = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {total} differ:\n{first}", wrong.len());
}

#[test]
fn what_no_node_takes_has_a_grace() {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]},
    });
    let readiness = judge(&pod).unwrap();
    let created = "2026-01-01T00:00:00Z"
        .parse::<jiff::Timestamp>()
        .unwrap()
        .as_second();
    assert_eq!(readiness.fails_at, Some(created + 15));
    assert_eq!(readiness.clone().at(created + 14).status, Status::InProgress);
    assert_eq!(readiness.at(created + 15).status, Status::Failed);
}
