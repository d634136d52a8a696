//! The committed CRD is the one that the code describes, and describes what the type writes.
//!
//! After a change, `UPDATE_CRDS=1 cargo test -p artifact-crd` writes the file anew.

use std::fs;
use std::path::Path;

use artifact_crd::{
    Artifact, ArtifactSpec, ArtifactStatus, CRD_YAML, HTTP_CRD_YAML, Http, Schedule, TRANSFORMATION_CRD_YAML,
    crd, http_crd, transformation_crd,
};
use serde_json::{Value, json};

#[test]
fn the_committed_crds_are_up_to_date() {
    for (file, crd, committed) in [
        ("artifacts.yaml", crd(), CRD_YAML),
        ("https.yaml", http_crd(), HTTP_CRD_YAML),
        (
            "transformations.yaml",
            transformation_crd(),
            TRANSFORMATION_CRD_YAML,
        ),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds").join(file);
        let mut yaml = String::from("---\n");
        print(&crd, 0, &mut yaml);
        if std::env::var_os("UPDATE_CRDS").is_some() {
            fs::write(&path, &yaml).expect("the CRD file can be written");
        } else {
            assert!(
                yaml == committed,
                "{} is stale: run UPDATE_CRDS=1 cargo test -p artifact-crd",
                path.display()
            );
        }
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
        same_fields(&written[part], &schema["properties"][part], part);
    }
}

#[test]
fn the_schema_of_http_has_every_field_that_the_type_reads() {
    let spec = json!({
        "url": "https://s/a", "interval": "1m", "timeout": "1s", "suspend": true, "secretRef": {"name": "a"},
        "certSecretRef": {"name": "b"}, "proxySecretRef": {"name": "c"}, "digest": "sha256:0",
        "verify": {"checksums": {"url": "https://s/b", "file": "a"}},
        "content": {"type": "Archive", "stripComponents": 1, "path": "a", "include": ["*"], "fileName": "a"},
        "ignore": "a", "maxSize": 1, "maxUnpackedSize": 2, "redirects": "SameHost",
    });
    let object = json!({"metadata": {"name": "a"}, "spec": spec});
    let http: Http = serde_json::from_value(object).expect("an Http");
    assert_eq!(serde_json::to_value(&http.spec).expect("JSON"), spec);
    let crd = http_crd();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    same_fields(&spec, schema, "spec");
    let plain: Http = serde_json::from_value(json!({"spec": {"url": "https://s/a"}})).expect("an Http");
    assert_eq!(plain.spec.schedule, Schedule::default());
}

fn same_fields(value: &Value, schema: &Value, path: &str) {
    let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) else {
        return;
    };
    assert!(
        fields
            .keys()
            .eq(known.keys().collect::<std::collections::BTreeSet<_>>()),
        "{path}"
    );
    for (name, value) in fields {
        same_fields(value, &known[name], &format!("{path}.{name}"));
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
