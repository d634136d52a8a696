//! The CustomResourceDefinition has the fields that the types read and write, and no others.

use std::collections::BTreeSet;

use artifact_crd::transformation_crd;
use serde_json::{Value, json};
use transform_controller::{Status, Transformation};

/// A specification with every field, none of which has its default.
fn everything() -> Value {
    let copy = json!({
        "from": "@git/a", "to": "@artifact/", "exclude": ["b"], "strategy": "Merge", "optional": true,
        "stripPrefix": true, "mergeInside": true,
    });
    let metadata = json!({"labels": {"a": "b"}, "annotations": {"c": "d"}});
    let steps = json!([
        {"copy": copy},
        {"merge": {"files": ["a"], "to": "b", "nullDeletes": true}},
        {"extract": {"path": "a", "to": "b", "keepArchive": true, "optional": true}},
        {"remove": {"paths": ["a"]}},
        {"move": {"from": "a", "to": "b"}},
        {"file": {"path": "a", "content": "b", "executable": true}},
        {"kustomize": {
            "path": "a", "targetNamespace": "b", "namePrefix": "c", "nameSuffix": "d", "patches": [{}], "images": [{}],
            "components": ["e"], "ignoreMissingComponents": true, "commonMetadata": metadata, "to": "f", "keep": true,
        }},
        {"helm": {
            "path": "a", "releaseName": "b", "namespace": "c", "values": {}, "valuesFiles": ["d"], "includeCRDs": false,
            "hooks": "Drop", "skipTests": false, "kubeVersion": "1.36", "apiVersions": ["v1"], "now": "2026-01-01T00:00:00Z",
            "to": "e", "keep": true,
        }},
        {"substitute": {"vars": {"a": "b"}, "varsFrom": ["@env"], "files": ["c"], "strict": true}},
        {"chart": {"path": "a", "valuesFiles": ["b"], "ignoreMissingValuesFiles": true}},
    ]);
    json!({
        "interval": "1h", "timeout": "1m", "suspend": true,
        "inputs": [
            {"name": "git", "sourceRef": {"apiVersion": "v1", "kind": "A", "name": "b", "namespace": "c"}, "optional": true},
            {"name": "env", "configMap": {"name": "a"}},
        ],
        "discover": {"pattern": "@git/{a}", "match": "Files", "max": 1, "onNone": "Empty", "bareCaptureLabels": true},
        "outputs": [{
            "name": "a", "copy": [copy], "steps": steps, "ignore": "a", "ignoreDefaults": true, "revision": "a",
            "origin": "@git", "originUpdate": "Always", "labels": {"a": "b"}, "annotations": {"a": "b"},
        }],
        "commonMetadata": metadata,
    })
}

/// The fields of all elements of a list together are those of its items.
fn same_fields(values: &[&Value], schema: &Value, path: &str) {
    if let Some(items) = schema.get("items") {
        let all: Vec<_> = values
            .iter()
            .filter_map(|value| value.as_array())
            .flatten()
            .collect();
        return same_fields(&all, items, &format!("{path}[]"));
    }
    let Some(known) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    let maps: Vec<_> = values.iter().filter_map(|value| value.as_object()).collect();
    let fields: BTreeSet<_> = maps.iter().flat_map(|map| map.keys()).collect();
    assert_eq!(fields, known.keys().collect(), "{path}");
    for (name, schema) in known {
        let values: Vec<_> = maps.iter().filter_map(|map| map.get(name)).collect();
        same_fields(&values, schema, &format!("{path}.{name}"));
    }
}

#[test]
fn the_schema_has_every_field_and_no_other() {
    let spec = everything();
    let status = json!({
        "observedGeneration": 1, "lastHandledReconcileAt": "a",
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "R", "message": "", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
        "inputs": [{"name": "a", "key": "b", "revision": "c", "digest": "d"}],
        "outputs": [{
            "artifactName": "a", "revision": "b", "digest": "c", "size": 1, "buildKey": "d", "failure": "e",
        }],
    });
    let object = json!({"metadata": {"name": "a"}, "spec": spec, "status": status});
    let read: Transformation = serde_json::from_value(object).expect("a Transformation");
    assert_eq!(serde_json::to_value(&read.spec).expect("JSON"), spec);
    assert_eq!(serde_json::to_value(&read.status).expect("JSON"), status);
    let crd = transformation_crd();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    same_fields(&[&spec], &schema["spec"], "spec");
    same_fields(&[&status], &schema["status"], "status");
    assert_eq!(serde_json::to_value(Status::default()).expect("JSON"), json!({}));
}
