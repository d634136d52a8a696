//! Pairs of states, and what is said of each.

use serde_json::{Value, json};

use super::*;

const MANAGER: &str = "kustomize-controller";

fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
           "time": "2026-01-01T11:02:00Z", "fieldsV1": fields})
}

fn deployment(image: &str, managed: &[Value]) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "apps", "resourceVersion": "7", "uid": "u",
            "labels": {"app": "web"}, "managedFields": managed},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [
            {"name": "side", "image": "s"}, {"name": "web", "image": image}]}}},
        "status": {"replicas": 2},
    })
}

fn image_of_web() -> Value {
    json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}}}}}})
}

fn ours() -> Value {
    let mut fields = image_of_web();
    fields["f:metadata"] = json!({"f:labels": {"f:app": {}}});
    fields["f:spec"]["f:replicas"] = json!({});
    entry(MANAGER, "Apply", &fields)
}

fn ours_without_image() -> Value {
    let fields = json!({"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:replicas": {}}});
    entry(MANAGER, "Apply", &fields)
}

/// Codes, paths and owners.
fn found(live: &Value, wanted: &Value, is_same_rendering: bool) -> Vec<(String, String, Option<String>)> {
    let circumstances = Circumstances {
        object: "Deployment/apps/web",
        manager: MANAGER,
        is_same_rendering,
    };
    compare(live, wanted, circumstances)
        .into_iter()
        .map(|finding| {
            let owner = finding.owner.map(|owner| owner.manager);
            (finding.code.into_owned(), finding.path, owner)
        })
        .collect()
}

fn one(code: &str, path: &str, owner: Option<&str>) -> Vec<(String, String, Option<String>)> {
    vec![(code.to_owned(), path.to_owned(), owner.map(str::to_owned))]
}

const IMAGE: &str = "spec.template.spec.containers[1].image";

#[test]
fn what_stays_is_no_finding_whatever_time_and_status_say() {
    let live = deployment("one", &[ours()]);
    assert_eq!(found(&live, &live, false), []);
    let mut wanted = live.clone();
    wanted["metadata"]["managedFields"][0]["time"] = json!("2026-02-02T00:00:00Z");
    wanted["metadata"]["resourceVersion"] = json!("8");
    wanted["metadata"]["generation"] = json!(3);
    wanted["status"] = json!({});
    assert_eq!(found(&live, &wanted, false), []);
}

#[test]
fn a_field_of_stock_alone_is_our_fault_and_one_of_others_is_drift() {
    let wanted = deployment("two", &[ours()]);
    let live = deployment("one", &[ours()]);
    assert_eq!(found(&live, &wanted, false), one("M108", IMAGE, Some(MANAGER)));
    // A rendering that is known to be the same does not excuse it.
    assert_eq!(found(&live, &wanted, true), one("M108", IMAGE, Some(MANAGER)));
    let by_kubectl = entry("kubectl-set", "Update", &image_of_web());
    let live = deployment("one", &[ours_without_image(), by_kubectl]);
    assert_eq!(
        found(&live, &wanted, false),
        one("M201", IMAGE, Some("kubectl-set"))
    );
    // Owned by both: it was changed by somebody who writes under a name of their own.
    let live = deployment("one", &[ours(), entry("hpa", "Update", &image_of_web())]);
    assert_eq!(found(&live, &wanted, false), one("M201", IMAGE, Some("hpa")));
}

#[test]
fn what_nobody_owns_was_taken_away_if_stock_is_known_to_have_rendered_it() {
    let wanted = deployment("one", &[ours()]);
    let mut live = deployment("one", &[ours()]);
    live["metadata"]["labels"] = json!({});
    let fields = &mut live["metadata"]["managedFields"][0]["fieldsV1"];
    fields.as_object_mut().unwrap().remove("f:metadata");
    assert_eq!(
        found(&live, &wanted, true),
        one("M201", "metadata.labels.app", None)
    );
    assert_eq!(
        found(&live, &wanted, false),
        one("M108", "metadata.labels.app", None)
    );
}

#[test]
fn a_field_that_would_go_is_found_too() {
    let mut live = deployment("one", &[ours()]);
    let wanted = live.clone();
    live["spec"]["paused"] = json!(true);
    live["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:paused"] = json!({});
    assert_eq!(
        found(&live, &wanted, false),
        one("M108", "spec.paused", Some(MANAGER))
    );
}

#[test]
fn lists_and_whole_fields_have_owners_too() {
    let state = |list: Value, data: &str, fields: &Value| {
        json!({"metadata": {"managedFields": [entry(MANAGER, "Apply", fields)]},
               "list": list, "data": {"a.b": data}})
    };
    // A list without keys is owned as a whole, and `{}` has everything below it.
    let fields = json!({"f:list": {}, "f:data": {"f:a.b": {}}});
    let live = state(json!([1, 2]), "x", &fields);
    assert_eq!(
        found(&live, &state(json!([1, 3]), "x", &fields), false),
        one("M108", "list[1]", Some(MANAGER))
    );
    assert_eq!(
        found(&live, &state(json!([1]), "x", &fields), false),
        one("M108", "list", Some(MANAGER))
    );
    assert_eq!(
        found(&live, &state(json!([1, 2]), "y", &fields), false),
        one("M108", "data[\"a.b\"]", Some(MANAGER))
    );
}

#[test]
fn names_tell_the_elements_of_a_list_apart() {
    let with = |names: &[&str]| {
        let list: Vec<_> = names.iter().map(|name| json!({"name": name, "v": 1})).collect();
        json!({"spec": {"env": list}})
    };
    let paths = |live: &Value, wanted: &Value| -> Vec<String> {
        differences(live, wanted, 10)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        paths(&with(&["a", "b"]), &with(&["a", "b", "c"])),
        ["spec.env[2]"]
    );
    assert_eq!(paths(&with(&["a", "b"]), &with(&["b"])), ["spec.env[0]"]);
    assert_eq!(paths(&with(&["a", "b"]), &with(&["b", "a"])), ["spec.env"]);
}

#[test]
fn owners_have_to_stay_where_no_value_changes() {
    let live = deployment("one", &[ours_without_image()]);
    let wanted = deployment("one", &[ours()]);
    assert_eq!(found(&live, &wanted, true), one("M109", "spec.template", None));
    let mut other = ours();
    other["apiVersion"] = json!("apps/v2");
    let wanted = deployment("one", &[other]);
    let live = deployment("one", &[ours()]);
    assert_eq!(found(&live, &wanted, true), one("M109", "apiVersion", None));
    // The order of entries says nothing.
    let hpa = entry("hpa", "Update", &json!({"f:spec": {"f:replicas": {}}}));
    let live = deployment("one", &[ours(), hpa.clone()]);
    let wanted = deployment("one", &[hpa, ours()]);
    assert_eq!(found(&live, &wanted, true), []);
}

#[test]
fn no_value_is_ever_told() {
    let secret = |value: &str, fields: &Value| {
        json!({"kind": "Secret", "metadata": {"name": "s", "managedFields": [entry(MANAGER, "Apply", fields)]},
               "data": {"password": value}})
    };
    let fields = json!({"f:data": {"f:password": {}}, "f:metadata": {"f:finalizers": {"v:\"canary\"": {}}}});
    let other = json!({"f:data": {"f:password": {}}, "f:metadata": {"f:finalizers": {}}});
    for (live, wanted) in [
        (secret("canary", &fields), secret("canary2", &fields)),
        (secret("canary", &fields), secret("canary", &other)),
    ] {
        let circumstances = Circumstances {
            object: "Secret/apps/s",
            manager: MANAGER,
            is_same_rendering: false,
        };
        let findings = compare(&live, &wanted, circumstances);
        assert_eq!(findings.len(), 1);
        let text = serde_json::to_string(&findings).unwrap();
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn what_a_tool_left_is_named_with_the_tool() {
    let by_kubectl = entry("kubectl-edit", "Update", &image_of_web());
    let live = deployment("one", &[ours_without_image(), by_kubectl]);
    let finding = cleanup(&live, "Deployment/apps/web", MANAGER, |owner| {
        owner.manager.starts_with("kubectl")
    });
    assert_eq!(finding.code, "M201");
    assert_eq!(finding.path, "spec.template.spec.containers[name=web].image");
    assert!(finding.why.contains("kubectl-edit"), "{}", finding.why);
    let nobody = cleanup(&deployment("one", &[ours()]), "x", MANAGER, |_| false);
    assert_eq!(nobody.path, "metadata.annotations");
}

#[test]
fn what_is_told_is_bounded() {
    let state = |value: u32| {
        let fields: serde_json::Map<_, _> = (0..1000).map(|at| (format!("k{at}"), json!(value))).collect();
        json!({"data": fields})
    };
    assert_eq!(found(&state(1), &state(2), false).len(), TOLD);
}
