//! The committed CRD is the one that the code describes, and describes what the type writes.
//!
//! After a change, `UPDATE_CRDS=1 cargo test -p artifact-crd` writes the file anew.

use std::fs;
use std::path::Path;

use artifact_crd::{Artifact, ArtifactSpec, ArtifactStatus, CRD_YAML, crd};
use serde_json::{Value, json};

#[test]
fn the_committed_crd_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds/artifacts.yaml");
    let mut yaml = String::from("---\n");
    print(&crd(), 0, &mut yaml);
    if std::env::var_os("UPDATE_CRDS").is_some() {
        fs::write(&path, &yaml).expect("the CRD file can be written");
    } else {
        assert!(
            yaml == CRD_YAML,
            "{} is stale: run UPDATE_CRDS=1 cargo test -p artifact-crd",
            path.display()
        );
    }
}

#[test]
fn the_schema_has_every_field_that_the_type_writes() {
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "R", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1
    });
    let artifact = Artifact {
        spec: ArtifactSpec {
            url: "http://s/a".into(),
            revision: "r".into(),
            digest: Some("sha256:0".into()),
            last_update_time: serde_json::from_value(json!("2026-01-01T00:00:00Z")).expect("a time"),
            size: Some(1),
            metadata: Some([("a".into(), "b".into())].into()),
        },
        status: ArtifactStatus {
            observed_generation: Some(1),
            conditions: vec![serde_json::from_value(condition).expect("a condition")],
            source_generation: Some(1),
        },
        ..Artifact::default()
    };
    let crd = crd();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let written = serde_json::to_value(artifact).expect("an Artifact can be written");
    for part in ["spec", "status"] {
        for field in written[part].as_object().expect("an object").keys() {
            assert!(
                schema["properties"][part]["properties"][field].is_object(),
                "{part}.{field} is not in the schema"
            );
        }
    }
}

/// Prints block YAML: every scalar as JSON, which is YAML too.
fn print(value: &Value, indent: usize, out: &mut String) {
    let pad = &*" ".repeat(indent);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                out.extend([pad, key.as_str(), ":"]);
                print_nested(value, indent + 2, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut block = String::new();
                print(item, indent + 2, &mut block);
                out.extend([pad, "- ", &block[indent + 2..]]);
            }
        }
        scalar => out.extend([pad, scalar.to_string().as_str(), "\n"]),
    }
}

fn print_nested(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(" {}\n"),
        Value::Object(_) | Value::Array(_) => {
            out.push('\n');
            print(value, indent, out);
        }
        scalar => out.extend([" ", scalar.to_string().as_str(), "\n"]),
    }
}
