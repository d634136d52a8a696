use controller_kit::artifact::Digest;
use envsubst::Variables;
use flux_api::{KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE, Kustomization};
use go_yaml::{Limits, sigs};
use kustomize::{MemoryTree, Options};
use serde_json::{Value, json};

use super::{Manner, Rendered, render};

fn kustomization(spec: &Value) -> Kustomization {
    serde_json::from_value(json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "app", "namespace": "apps"}, "spec": spec,
    }))
    .unwrap()
}

fn check(files: &[(&str, &str)], spec: &Value, variables: &[(&str, &str)]) -> Result<Vec<Value>, String> {
    let tree = files
        .iter()
        .fold(MemoryTree::new(), |tree, (path, text)| tree.with(path, *text));
    let variables = variables.iter().map(|(name, value)| (*name, *value)).collect();
    let manner = Manner {
        strict: true,
        ..Manner::default()
    };
    render(&tree, &kustomization(spec), &variables, &Options::flux(), &manner)
        .map(|rendered| rendered.objects)
        .map_err(|error| error.to_string())
}

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  key: ${value}\n";

#[test]
fn variables_are_substituted_after_the_build() {
    let objects = check(
        &[("a.yaml", CONFIG_MAP)],
        &json!({"postBuild": {}}),
        &[("value", "x")],
    )
    .unwrap();
    assert_eq!(objects[0]["data"], json!({"key": "x"}));
    let missing = check(
        &[("a.yaml", CONFIG_MAP)],
        &json!({"postBuild": {}}),
        &[("other", "x")],
    )
    .unwrap_err();
    assert!(
        missing.contains("variable not set (strict mode): \"value\""),
        "{missing}"
    );
    let without = check(&[("a.yaml", CONFIG_MAP)], &json!({}), &[]).unwrap();
    assert_eq!(without[0]["data"], json!({"key": "${value}"}));
}

/// The cases of `cases/post-build`, as Flux's own library substitutes; `cargo xtask record flux-kustomize` writes them.
#[test]
fn variables_are_substituted_as_kustomize_controller_does() {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/post-build");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a part of a case");
    let mut count = 0;
    for case in std::fs::read_dir(cases).expect("cases") {
        let case = case.expect("a case").path();
        let spec = read(&case.join("spec.yaml"));
        let spec = sigs::to_value(spec.as_bytes(), &Limits::default()).expect("a spec");
        let substitute = spec.pointer("/postBuild/substitute").and_then(Value::as_object);
        let variables = substitute.into_iter().flatten();
        let variables = variables.map(|(name, value)| (name.as_str(), value.as_str().expect("a text")));
        let mut tree = MemoryTree::new();
        for file in std::fs::read_dir(case.join("in")).expect("an artifact") {
            let path = file.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            tree = tree.with(&format!("/{name}"), read(&path));
        }
        let object = kustomization(&spec);
        let manner = Manner {
            strict: true,
            ..Manner::default()
        };
        let rendered = render(&tree, &object, &variables.collect(), &Options::flux(), &manner);
        let mut rendered = rendered.expect("a build");
        for value in &mut rendered.objects {
            let metadata = value.get_mut("metadata").and_then(Value::as_object_mut);
            metadata.expect("metadata").remove("labels");
        }
        let expected: Vec<Value> = serde_json::from_str(&read(&case.join("objects.json"))).expect("objects");
        assert_eq!(rendered.objects, expected, "{}", case.display());
        let out = Digest::sha256(read(&case.join("out.yaml")).as_bytes());
        assert_eq!(rendered.checksum, out.to_string(), "{}", case.display());
        count += 1;
    }
    assert!(count >= 3, "only {count} cases");
}

#[test]
fn whatever_has_items_is_a_list() {
    let check = |items: &str| {
        let text = format!("apiVersion: example.org/v1\nkind: Menu\nmetadata: {{name: a}}\nitems: {items}\n");
        check(&[("a.yaml", &text)], &json!({}), &[])
    };
    let inner = "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}";
    let objects = check(&format!("[{inner}]")).unwrap();
    let names: Vec<_> = objects.iter().map(|object| &object["metadata"]["name"]).collect();
    assert_eq!(names, ["b"]);
    assert_eq!(check("[]"), Ok(vec![]));
    assert_eq!(
        check("[text]"),
        Err("items member is not an object: map[string]interface {}".to_owned())
    );
    assert!(check("[{kind: ConfigMap}]").is_err());
    assert_eq!(check("{a: b}").unwrap()[0]["items"], json!({"a": "b"}));
}

#[test]
fn what_a_variable_breaks_is_named_without_its_value() {
    for value in ["*hunter2", "hunter2: [hunter2", "&hunter2 !!hunter2 hunter2"] {
        let error = check(
            &[("a.yaml", CONFIG_MAP)],
            &json!({"postBuild": {}}),
            &[("value", value)],
        );
        let Err(error) = error else { continue };
        assert!(
            error.contains("post build failed for") && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn objects_carry_their_owner_and_common_metadata() {
    let spec = json!({"commonMetadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}});
    let objects = check(&[("a.yaml", CONFIG_MAP)], &spec, &[]).unwrap();
    assert_eq!(
        objects[0]["metadata"]["labels"],
        json!({"team": "a", KUSTOMIZE_NAME: "app", KUSTOMIZE_NAMESPACE: "apps"})
    );
    assert_eq!(objects[0]["metadata"]["annotations"], json!({"note": "b"}));
}

#[test]
fn labels_of_which_one_is_no_string_give_way_to_those_of_the_owner() {
    let text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {k: true, other: x}}}";
    let objects = check(&[("a.yaml", text)], &json!({}), &[]).unwrap();
    assert_eq!(
        objects[0]["metadata"]["labels"],
        json!({KUSTOMIZE_NAME: "app", KUSTOMIZE_NAMESPACE: "apps"})
    );
}

#[test]
fn an_object_without_a_name_is_refused_and_not_left_out() {
    let text = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: run-\n";
    let error = check(&[("a.yaml", text)], &json!({}), &[]).unwrap_err();
    assert!(error.contains("metadata.name"), "{error}");
}

/// A ConfigMap with a name that is substituted, and more metadata.
fn named(name: &str, more: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n{more}")
}

fn substituted(first: &str, second: &str, variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let files = [("a.yaml", first), ("b.yaml", second)];
    let objects = check(&files, &json!({"postBuild": {}}), variables)?;
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    Ok(objects.iter().map(name).collect())
}

#[test]
fn a_name_that_becomes_no_text_is_refused_and_not_left_out() {
    for value in ["42", "true", "null", "\"\"", "[a]", "1.5"] {
        let error = substituted(&named("${x}", ""), &named("b", ""), &[("x", value)]).unwrap_err();
        assert!(error.contains("has no metadata.name"), "{value}: {error}");
        assert!(error.contains("ConfigMap.v1.[noGrp]/${x}"), "{value}: {error}");
    }
    // Two of them have no id in common, since they have none.
    let both = [("x", "1"), ("y", "2")];
    let error = substituted(&named("${x}", ""), &named("${y}", ""), &both).unwrap_err();
    assert!(error.contains("has no metadata.name"), "{error}");
    let quoted = substituted(&named("\"${x}\"", ""), &named("b", ""), &[("x", "\"42\"")]);
    assert_eq!(quoted.unwrap(), ["42", "b"]);
}

#[test]
fn what_substitution_makes_one_object_is_refused() {
    let same = [("x", "same"), ("y", "same")];
    let error = substituted(&named("${x}", ""), &named("${y}", ""), &same).unwrap_err();
    assert_eq!(error, "in Replace: id matched 2 resources");
    let error = substituted(&named("${x}", ""), &named("same", ""), &same).unwrap_err();
    assert_eq!(error, "in Replace: id matched 2 resources");
    let apart = substituted(
        &named("${x}", "  namespace: one\n"),
        &named("${y}", "  namespace: two\n"),
        &same,
    );
    assert_eq!(apart.unwrap(), ["same", "same"]);
}

#[test]
fn an_object_that_opts_out_keeps_its_id() {
    let out = format!("  labels: {{{}: disabled}}\n", envsubst::SUBSTITUTE);
    let error = substituted(&named("${x}", ""), &named("same", &out), &[("x", "same")]).unwrap_err();
    assert_eq!(error, "in Replace: id matched 2 resources");
    let names = substituted(&named("${x}", ""), &named("same", &out), &[("x", "other")]);
    assert_eq!(names.unwrap(), ["other", "same"]);
}

#[test]
fn names_that_are_swapped_meet_on_their_way() {
    // As in stock, one after the other takes its new id: the first finds the second under it.
    let swapped = [("x", "${y}"), ("y", "${x}")];
    let error = substituted(&named("${x}", ""), &named("${y}", ""), &swapped).unwrap_err();
    assert_eq!(error, "in Replace: id matched 2 resources");
    // The second has gone on by then.
    let after = [("x", "${y}"), ("y", "b")];
    let names = substituted(&named("${y}", ""), &named("${x}", ""), &after);
    assert_eq!(names.unwrap(), ["b", "${y}"]);
}

#[test]
fn a_missing_path_is_an_error() {
    let error = check(&[("a.yaml", CONFIG_MAP)], &json!({"path": "./gone"}), &[]).unwrap_err();
    assert!(error.contains("kustomization path not found"), "{error}");
}

const KEY: &str = include_str!("../../../../compat/sops/cases/keys/a.agekey");
const ENCRYPTED: &str = include_str!("../../../../compat/sops/cases/enc/secret.yaml");

fn decrypted(files: &[(&str, &str)], spec: &Value, keys: &sops::LocalKeys) -> Result<Rendered, String> {
    let tree = files
        .iter()
        .fold(MemoryTree::new(), |tree, (path, text)| tree.with(path, *text));
    let manner = Manner {
        keys: Some(keys),
        strict: true,
        ..Manner::default()
    };
    render(
        &tree,
        &kustomization(spec),
        &Variables::default(),
        &Options::flux(),
        &manner,
    )
    .map_err(|error| error.to_string())
}

#[test]
fn encrypted_objects_are_decrypted_before_variables_are_substituted() {
    let mut keys = sops::LocalKeys::default();
    keys.add_age_identities(KEY).expect("a key");
    let rendered = decrypted(&[("secret.yaml", ENCRYPTED)], &json!({}), &keys).expect("a build");
    let secret = &rendered.objects[0];
    assert_eq!(secret["stringData"]["password"], "hunter2");
    assert_eq!(secret.get("sops"), None);
    let error = decrypted(
        &[("secret.yaml", ENCRYPTED)],
        &json!({}),
        &sops::LocalKeys::default(),
    );
    let error = error.map(|_| ()).unwrap_err();
    assert!(
        error.starts_with(
            "decryption failed for 'Secret.v1.[noGrp]/app': failed to decrypt and format '/app' Secret data: \
             cannot get sops data key: Failed to get the data key"
        ),
        "{error}"
    );
}

#[test]
fn what_a_build_of_decrypted_files_stumbles_on_is_not_told() {
    let mut keys = sops::LocalKeys::default();
    keys.add_age_identities(KEY).expect("a key");
    // A Secret is no patch of this one; the whole patch would be quoted.
    let files = [
        (
            "kustomization.yaml",
            "resources: [a.yaml]\npatches: [{path: patch.yaml, target: {kind: ConfigMap}}]\n",
        ),
        ("a.yaml", CONFIG_MAP),
        (
            "patch.yaml",
            include_str!("../../../../compat/sops/cases/enc/strings.yaml"),
        ),
    ];
    let error = decrypted(&files, &json!({}), &keys).map(|_| ()).unwrap_err();
    assert!(error.starts_with("kustomize build failed: "), "{error}");
    for secret in ["hunter2", "gcc x", "ld y"] {
        assert!(!error.contains(secret), "{error}");
    }
}
