//! From an unpacked artifact to the objects that a Kustomization applies.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use controller_kit::artifact::Digest;
use controller_kit::object::set_metadata_entry;
use envsubst::{Mode, Substitution, Variables};
use flux_api::{KUSTOMIZE_NAME, KUSTOMIZE_NAMESPACE, Kustomization};
use go_yaml::{Limits, sigs};
use kustomize::{FileTree, Gvk, Options, ResId, TreeErrorReason};
use kustomize_sops::{BuiltError, Decrypted, Decryption, SourceError, decrypt_built, decrypt_sources};
use serde_json::Value;
use sops::KeyService;

use crate::floats;

/// What a Kustomization desires.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// The objects, with owner labels and common metadata.
    pub(crate) objects: Vec<Value>,
    /// `sha256:<hex>` over the YAML of the build, as `status.history` records it.
    pub(crate) checksum: String,
    /// Values that decryption could not keep, each with its place.
    pub(crate) lost: Vec<String>,
}

/// How a build is done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner<'k> {
    /// What encrypted files are decrypted with, if they are.
    pub(crate) keys: Option<&'k dyn KeyService>,
    /// Whether variables that are not set are errors.
    pub(crate) strict: bool,
    /// Why variables are not at hand, if they are not: nobody is told before an object would need them.
    pub(crate) lacks: Option<&'k str>,
}

/// Why an artifact could not be rendered; all of these need an edit of the source or of the Kustomization.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    /// `spec.path` is not in the artifact.
    #[error("kustomization path not found: stat {0}")]
    Path(String),
    /// `spec.path` is a file; stock writes a kustomization below it.
    #[error("open {0}/kustomization.yaml: not a directory remove {0}/kustomization.yaml: not a directory")]
    File(String),
    /// Substitution has given an object the id of others.
    #[error("in Replace: id matched {0} resources")]
    Twice(usize),
    /// The kustomization could not be generated.
    #[error(transparent)]
    Generation(kustomize::Error),
    /// Encrypted files could not be decrypted.
    #[error(transparent)]
    Sources(#[from] SourceError),
    /// The build failed.
    #[error("kustomize build failed: {0}")]
    Build(#[from] kustomize::Error),
    /// The build of decrypted files failed; what is in them is left out.
    #[error("kustomize build failed: {0}")]
    Decrypted(String),
    /// An object could not be decrypted.
    #[error(transparent)]
    Object(#[from] BuiltError),
    /// An object that could not be told from others in the cluster.
    #[error("the built object '{subject}' has no {field}, which everything that is applied needs")]
    Identity {
        /// The object, as far as it has a name.
        subject: String,
        /// Path of the field.
        field: &'static str,
    },
    /// What looks like a list has something in it that is no object.
    #[error("items member is not an object: map[string]interface {{}}")]
    Item,
    /// A variable could not be substituted.
    #[error("post build failed for '{subject}': envsubst error: {source}")]
    Substitution {
        /// The object.
        subject: String,
        /// What is wrong.
        source: envsubst::Error,
    },
    /// The variables are not at hand.
    #[error("post build failed for '{subject}': {reason}")]
    Variables {
        /// The object that is the first to need them.
        subject: String,
        /// Why.
        reason: String,
    },
    /// The result of a substitution is not YAML any more.
    #[error("post build failed for '{subject}': envsubst error: YAMLToJSON: {}", without_values(.source))]
    Yaml {
        /// The object.
        subject: String,
        /// What is wrong.
        source: go_yaml::Error,
    },
}

/// Gives the text of an error about YAML that variables are a part of, which may be secret: without what it quotes.
fn without_values(error: &go_yaml::Error) -> String {
    let text = error.to_string();
    if error.kind() == go_yaml::ErrorKind::Syntax {
        // It quotes no more than punctuation.
        return text;
    }
    let (mut shown, mut quote) = (String::with_capacity(text.len()), None);
    for c in text.chars() {
        match quote {
            Some(end) if c == end => {
                shown.push_str("xxxxx");
                shown.push(c);
                quote = None;
            }
            Some(_) => {}
            None => {
                shown.push(c);
                quote = ['\'', '"', '`'].contains(&c).then_some(c);
            }
        }
    }
    shown
}

/// Ends a build when it is dropped, so that one that nobody waits for any more does not keep a core.
#[derive(Debug, Default)]
pub(crate) struct EndOnDrop(Arc<AtomicBool>);

impl EndOnDrop {
    /// The flag that the build looks at, see [`Options::cancelled`].
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Builds and substitutes; CPU-bound and free of I/O.
///
/// # Errors
/// See [`RenderError`].
pub(crate) fn render(
    tree: &dyn FileTree,
    object: &Kustomization,
    variables: &Variables,
    options: &Options,
    manner: &Manner<'_>,
) -> Result<Rendered, RenderError> {
    let path = path(tree, object)?;
    if tree.resolve(&path).is_ok_and(|found| !found.is_dir) {
        return Err(RenderError::File(path));
    }
    // A specification that came out of JSON goes back into it.
    let spec = serde_json::to_value(&object.spec).unwrap_or_default();
    let generated =
        kustomize::generate_kustomization(tree, &path, &spec, options).map_err(RenderError::Generation)?;
    let decryption = manner.keys.map(Decryption::new);
    let layered = generated.over(tree);
    let sources = match &decryption {
        Some(decryption) => decrypt_sources(&layered, &path, decryption, &options.limits)?,
        None => Decrypted::nothing(tree),
    };
    let output = generated.build(&sources, &path, options).map_err(|error| {
        if sources.is_empty() {
            RenderError::Build(error)
        } else {
            RenderError::Decrypted(sources.redacted(&error.to_string()))
        }
    })?;
    let mut lost = sources.lost().to_vec();
    let substitution = substitution(object, variables, manner);
    let mut yaml = String::new();
    let mut printer = output.printer();
    let mut objects = Vec::with_capacity(output.objects().len());
    let mut ids: HashMap<String, usize> = HashMap::new();
    for object in output.objects().iter().filter(|_| substitution.is_some()) {
        *ids.entry(identity(&object.id())).or_default() += 1;
    }
    for built in output.into_objects() {
        let (mut text, mut value) = (printer.yaml(&built)?, built.to_json()?);
        if let Some(field) = missing_identity(&value) {
            return Err(RenderError::Identity {
                subject: built.id().to_string(),
                field,
            });
        }
        if let Some(decryption) = &decryption {
            let change = decrypt_built(&mut value, decryption)?;
            if change.changed {
                text = sigs::value_to_string(&value).map_err(|source| RenderError::Yaml {
                    subject: built.id().to_string(),
                    source,
                })?;
            }
            lost.extend(change.lost.iter().map(|place| format!("{}: {place}", built.id())));
        }
        if let Some(substitution) = substitution.as_ref().filter(|_| !opts_out(&value)) {
            let subject = || {
                let id = built.id();
                format!("{}/{}", id.gvk, id.name)
            };
            if let Some(reason) = manner.lacks {
                return Err(RenderError::Variables {
                    subject: subject(),
                    reason: reason.to_owned(),
                });
            }
            let replaced = substitution.as_ref().map_err(Clone::clone);
            let replaced = replaced.and_then(|substitution| substitution.apply(&text));
            let replaced = replaced.map_err(|source| RenderError::Substitution {
                subject: subject(),
                source,
            })?;
            let yaml_error = |source| RenderError::Yaml {
                subject: subject(),
                source,
            };
            let is_replaced = matches!(replaced, Cow::Owned(_));
            if is_replaced {
                value = sigs::to_value(replaced.as_bytes(), &Limits::default()).map_err(yaml_error)?;
            }
            if floats::round(&mut value) || is_replaced {
                text = sigs::value_to_string(&value).map_err(yaml_error)?;
            }
            // A name may have become a number by now; without one it would be left out, and the object pruned.
            if let Some(field) = missing_identity(&value) {
                return Err(RenderError::Identity {
                    subject: subject(),
                    field,
                });
            }
            let (before, after) = (identity(&built.id()), identity(&id_of(&value)));
            if before != after {
                ids.entry(before).and_modify(|count| *count -= 1);
                let same = ids.entry(after).or_default();
                *same += 1;
                if *same > 1 {
                    return Err(RenderError::Twice(*same));
                }
            }
        }
        if !yaml.is_empty() {
            yaml.push_str("---\n");
        }
        yaml.push_str(&text);
        flatten(value, &mut objects)?;
    }
    for value in &mut objects {
        label(value, object);
    }
    Ok(Rendered {
        objects,
        checksum: Digest::sha256(yaml.as_bytes()).to_string(),
        lost,
    })
}

/// What an object is called after substitution.
fn id_of(object: &Value) -> ResId {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let gvk = Gvk::from_api_version(text("/apiVersion"), text("/kind"));
    ResId::new(gvk, text("/metadata/name"), text("/metadata/namespace"))
}

/// What two ids have in common if they are those of one object.
fn identity(id: &ResId) -> String {
    format!("{}/{}.{}", id.gvk, id.name, id.effective_namespace())
}

/// Finds `spec.path` in the artifact; as in stock, `..` stops at its root.
///
/// # Errors
/// There is no such thing.
pub(crate) fn path(tree: &dyn FileTree, object: &Kustomization) -> Result<String, RenderError> {
    let path = clamp(&object.spec.path);
    match tree.resolve(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(RenderError::Path(match error.reason() {
            TreeErrorReason::NotDirectory => format!("{path}: not a directory"),
            _ => format!("{path}: no such file or directory"),
        })),
    }
}

/// Joins a path to the root, resolving `.` and `..` without leaving it.
fn clamp(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

/// What substitutes, if anything is; that a name is not valid is told about the first object, as in stock.
fn substitution<'v>(
    object: &Kustomization,
    variables: &'v Variables,
    manner: &Manner<'_>,
) -> Option<Result<Substitution<'v>, envsubst::Error>> {
    let post_build = object.spec.post_build.as_ref()?;
    if variables.is_empty() && !post_build.always() && manner.lacks.is_none() {
        return None;
    }
    let mode = if manner.strict { Mode::Strict } else { Mode::Lax };
    Some(Substitution::new(variables, mode, envsubst::Limits::default()))
}

fn opts_out(object: &Value) -> bool {
    let marker = |field: &str| {
        object
            .get("metadata")?
            .get(field)?
            .get(envsubst::SUBSTITUTE)?
            .as_str()
    };
    envsubst::is_disabled(marker("labels"), marker("annotations"))
}

/// Gives the field that an object lacks to be told from others; `generateName` is no name, since it gives another
/// object each time.
fn missing_identity(object: &Value) -> Option<&'static str> {
    let fields = [
        ("/apiVersion", "apiVersion"),
        ("/kind", "kind"),
        ("/metadata/name", "metadata.name"),
    ];
    let lacks = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
    };
    fields
        .into_iter()
        .find(|(pointer, _)| lacks(pointer))
        .map(|(_, field)| field)
}

/// What has items is a list, whatever it is called, and becomes them; what is no Kubernetes object, or is kustomize's own
/// configuration, is left out.
fn flatten(mut object: Value, objects: &mut Vec<Value>) -> Result<(), RenderError> {
    if object.get("items").is_some_and(Value::is_array)
        && let Some(Value::Array(items)) = object.get_mut("items").map(Value::take)
    {
        for item in items {
            if !item.is_object() {
                return Err(RenderError::Item);
            }
            if let Some(field) = missing_identity(&item) {
                let subject = id_of(&item).to_string();
                return Err(RenderError::Identity { subject, field });
            }
            objects.push(item);
        }
        return Ok(());
    }
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let configures_kustomize = text("kind").eq_ignore_ascii_case("Kustomization")
        && text("apiVersion").starts_with("kustomize.config.k8s.io/");
    if missing_identity(&object).is_none() && !configures_kustomize {
        objects.push(object);
    }
    Ok(())
}

/// Sets owner labels, then common metadata, which may override them as in stock.
fn label(value: &mut Value, object: &Kustomization) {
    let meta = &object.metadata;
    set_metadata_entry(
        value,
        "labels",
        KUSTOMIZE_NAME,
        meta.name.as_deref().unwrap_or_default(),
    );
    set_metadata_entry(
        value,
        "labels",
        KUSTOMIZE_NAMESPACE,
        meta.namespace.as_deref().unwrap_or_default(),
    );
    if let Some(common) = &object.spec.common_metadata {
        for (key, text) in &common.labels {
            set_metadata_entry(value, "labels", key, text);
        }
        for (key, text) in &common.annotations {
            set_metadata_entry(value, "annotations", key, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use kustomize::MemoryTree;
    use serde_json::json;

    use super::*;

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

    const CONFIG_MAP: &str =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  key: ${value}\n";

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
            let expected: Vec<Value> =
                serde_json::from_str(&read(&case.join("objects.json"))).expect("objects");
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
            let text =
                format!("apiVersion: example.org/v1\nkind: Menu\nmetadata: {{name: a}}\nitems: {items}\n");
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

    const KEY: &str = include_str!("../../../compat/sops/cases/keys/a.agekey");
    const ENCRYPTED: &str = include_str!("../../../compat/sops/cases/enc/secret.yaml");

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
                include_str!("../../../compat/sops/cases/enc/strings.yaml"),
            ),
        ];
        let error = decrypted(&files, &json!({}), &keys).map(|_| ()).unwrap_err();
        assert!(error.starts_with("kustomize build failed: "), "{error}");
        for secret in ["hunter2", "gcc x", "ld y"] {
            assert!(!error.contains(secret), "{error}");
        }
    }
}
