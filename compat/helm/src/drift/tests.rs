use std::path::Path;

use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    desired: Value,
    live: Value,
    dry_run: Value,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    patch: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Rule {
    paths: Vec<String>,
    target: Option<Target>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Target {
    group: String,
    version: String,
    kind: String,
    name: String,
    namespace: String,
    annotation_selector: String,
    label_selector: String,
}

impl Rule {
    fn read(&self) -> IgnoreRule {
        IgnoreRule {
            paths: self.paths.clone(),
            target: self.target.as_ref().map(|target| IgnoreTarget {
                group: target.group.clone(),
                version: target.version.clone(),
                kind: target.kind.clone(),
                name: target.name.clone(),
                namespace: target.namespace.clone(),
                annotation_selector: target.annotation_selector.clone(),
                label_selector: target.label_selector.clone(),
            }),
        }
    }
}

impl Case {
    fn rules(&self) -> Result<IgnoreRules, String> {
        let rules: Vec<_> = self.rules.iter().map(Rule::read).collect();
        IgnoreRules::new(&rules).map_err(|error| error.to_string())
    }

    /// What a caller does.
    fn diff(&self) -> Result<Diff, String> {
        let rules = self.rules()?;
        let desired = self.desired.clone();
        if is_excluded(&rules, &desired) || is_marked(&self.live) {
            return Ok(Diff::exclusion(desired));
        }
        if self.dry_run.pointer("/metadata/resourceVersion").is_none() {
            return Ok(Diff::creation(desired));
        }
        Diff::between(desired, self.live.clone(), &self.dry_run, &rules).map_err(|error| error.to_string())
    }

    /// What is different from what upstream found out.
    fn difference(&self) -> Option<String> {
        let diff = match self.diff() {
            Ok(diff) => diff,
            Err(error) => return (error != self.error).then_some(error),
        };
        if self.error.starts_with("panic: ") {
            return None;
        }
        let name = match diff.found {
            DiffType::Create => "create",
            DiffType::Update => "update",
            DiffType::Exclude => "exclude",
            DiffType::None => "none",
        };
        let mut patch = String::new();
        let rules = self.rules().unwrap();
        let paths = rules.paths_for(&self.desired);
        if !["create", "exclude"].contains(&name) {
            let operations = upstream_patch(&self.live, &self.dry_run, &paths).unwrap();
            let operations: Vec<_> = operations.iter().map(Operation::to_json).collect();
            if !operations.is_empty() {
                patch = format!("[{}]", operations.join(","));
            }
            self.check_correction(&diff, &paths);
        }
        // What upstream calls a change and is ignored all the same is none: by a rule, or as a label that is too many.
        let is_ignored = !paths.is_empty() || self.patch.contains(r#""path":"/metadata"}"#);
        let nothing_to_do = is_ignored && name == "none" && self.r#type == "update";
        let summary = summarize(std::slice::from_ref(&diff));
        let ours = (name, patch.as_str(), summary.as_str());
        let theirs = (self.r#type.as_str(), self.patch.as_str(), self.summary.as_str());
        let is_same = ours == theirs || nothing_to_do && ours.1 == theirs.1;
        (!is_same || !self.error.is_empty())
            .then(|| format!("ours:   {ours:?}\ntheirs: {theirs:?} {}", self.error))
    }

    /// The correction makes the object what it should be, and leaves alone what is none of its business.
    fn check_correction(&self, diff: &Diff, paths: &[&str]) {
        let mut mended = self.live.clone();
        for operation in diff.correction() {
            apply(&mut mended, operation);
        }
        let wanted = pointers::with_ignored_of(&self.dry_run, &self.live, paths);
        let left = compare(&mended, &wanted, difference::Style::Careful);
        if diff.found == DiffType::Update {
            assert_eq!(left, [], "{mended}");
        }
        let others = |object: &Value| {
            let mut object = object.clone();
            let metadata = object["metadata"].as_object_mut().unwrap();
            metadata.remove("labels");
            metadata.remove("annotations");
            (object["metadata"].clone(), object["status"].clone())
        };
        assert_eq!(others(&mended), others(&self.live));
    }
}

fn apply(document: &mut Value, operation: &Operation) {
    let (parent, token) = operation.path.rsplit_once('/').unwrap();
    let token = token.replace("~1", "/").replace("~0", "~");
    match (document.pointer_mut(parent).unwrap(), operation.kind) {
        (Value::Object(fields), OperationKind::Remove) => _ = fields.remove(&token).unwrap(),
        (Value::Object(fields), kind) => {
            let had = fields.insert(token, operation.value.clone().unwrap());
            assert_eq!(had.is_some(), kind == OperationKind::Replace);
        }
        (Value::Array(items), OperationKind::Remove) => _ = items.remove(token.parse().unwrap()),
        (Value::Array(items), OperationKind::Add) if token == "-" => {
            items.push(operation.value.clone().unwrap());
        }
        (Value::Array(items), OperationKind::Replace) => {
            items[token.parse::<usize>().unwrap()] = operation.value.clone().unwrap();
        }
        other => panic!("{other:?}"),
    }
}

/// `cargo xtask record drift` writes the cases; more random ones than are kept may be given by their file.
#[test]
fn drift_is_what_helm_controller_finds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/drift");
    let random = std::env::var_os("DRIFT_CASES").map(Into::into);
    for file in [folder.join("chosen.jsonl"), folder.join("random.jsonl")]
        .into_iter()
        .chain(random)
    {
        let text = std::fs::read_to_string(&file).unwrap();
        let differences = text.lines().filter_map(|line| {
            let case: Case = serde_json::from_str(line).unwrap();
            Some(format!("{line}\n{}", case.difference()?))
        });
        let differences: Vec<_> = differences.collect();
        if let Some(shortest) = differences.iter().min_by_key(|text| text.len()) {
            panic!("{} cases differ; the shortest:\n{shortest}", differences.len());
        }
        assert!(text.lines().count() > 10, "{}", file.display());
    }
}

fn deployment(spec: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "spec": spec,
        "metadata": {"name": "web", "namespace": "apps", "resourceVersion": "7", "finalizers": ["f"]},
    })
}

fn rules(paths: &[&str]) -> IgnoreRules {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    IgnoreRules::new(&[IgnoreRule { paths, target: None }]).unwrap()
}

fn correction(live: &Value, dry_run: &Value, paths: &[&str]) -> Vec<String> {
    let diff = Diff::between(dry_run.clone(), live.clone(), dry_run, &rules(paths)).unwrap();
    diff.correction().iter().map(Operation::to_json).collect()
}

#[test]
fn what_is_ignored_survives_the_correction_of_what_is_around_it() {
    let live = deployment(&json!({"replicas": 5, "a": 1, "b": 2, "c": 3}));
    let dry_run = deployment(&json!({"replicas": 2, "a": 4, "b": 5, "c": 6}));
    assert_eq!(
        correction(&live, &dry_run, &["/spec/replicas"]),
        [r#"{"value":{"a":4,"b":5,"c":6,"replicas":5},"op":"replace","path":"/spec"}"#]
    );
}

#[test]
fn the_element_behind_an_ignored_one_is_the_one_that_is_corrected() {
    let live = deployment(&json!({"l": [{"a": 1}, {"a": 2}, {"a": 3, "long": "enough to be left alone"}]}));
    let dry_run =
        deployment(&json!({"l": [{"a": 4}, {"a": 5}, {"a": 6, "long": "enough to be left alone"}]}));
    let replace =
        |at: usize, value: i64| format!(r#"{{"value":{value},"op":"replace","path":"/spec/l/{at}/a"}}"#);
    assert_eq!(
        correction(&live, &dry_run, &["/spec/l/0"]),
        [replace(1, 5), replace(2, 6)]
    );
    // The second pointer counts the elements that are left.
    assert_eq!(
        correction(&live, &dry_run, &["/spec/l/0", "/spec/l/1"]),
        [replace(1, 5)]
    );
}

#[test]
fn metadata_is_never_replaced_as_a_whole() {
    let mut live = deployment(&json!({}));
    let mut dry_run = live.clone();
    live["metadata"]["labels"] = json!({"a": "1"});
    live["metadata"]["annotations"] = json!({"b": "1"});
    dry_run["metadata"]["labels"] = json!({"a": "2", "c": "3", "d": "4"});
    dry_run["metadata"]["annotations"] = json!({"b": "2", "e": "5", "f": "6"});
    assert_eq!(
        correction(&live, &dry_run, &[]),
        [
            r#"{"value":{"b":"2","e":"5","f":"6"},"op":"replace","path":"/metadata/annotations"}"#,
            r#"{"value":{"a":"2","c":"3","d":"4"},"op":"replace","path":"/metadata/labels"}"#,
        ]
    );
}

#[test]
fn all_rules_without_a_target_count() {
    let rule = |path: &str| IgnoreRule {
        paths: vec![path.to_owned()],
        target: None,
    };
    let rules = IgnoreRules::new(&[rule("/spec/a"), rule("/spec/b")]).unwrap();
    let (live, dry_run) = (
        deployment(&json!({"a": 1, "b": 2})),
        deployment(&json!({"a": 3, "b": 4})),
    );
    let diff = Diff::between(dry_run.clone(), live, &dry_run, &rules).unwrap();
    assert_eq!(diff.diff_type(), DiffType::None);
}

#[test]
fn a_secret_is_mended_by_its_values_and_logged_without_them() {
    let secret = |data: Value| {
        json!({
            "apiVersion": "v1", "kind": "Secret", "data": data,
            "metadata": {"name": "s", "namespace": "apps", "resourceVersion": "7"},
        })
    };
    let masked = |live: Value, dry_run: Value| {
        let dry_run = secret(dry_run);
        let diff = Diff::between(dry_run.clone(), secret(live), &dry_run, &IgnoreRules::default()).unwrap();
        let masked: Vec<_> = diff.masked_correction().iter().map(Operation::to_json).collect();
        (diff.correction_body(), masked.join(","))
    };
    let (sent, logged) = masked(
        json!({"a": "MQ==", "b": "Mg=="}),
        json!({"a": "Mw==", "b": "Mg=="}),
    );
    assert!(sent.contains("Mw=="));
    assert_eq!(
        logged,
        r#"{"value":"*** (after)","op":"replace","path":"/data/a"}"#
    );
    let (sent, logged) = masked(
        json!({"a": "MQ==", "b": "Mg=="}),
        json!({"a": "Mw==", "b": "Mg==", "c": "Mw==", "d": "Mw=="}),
    );
    assert!(sent.contains(r#""path":"/data""#));
    assert_eq!(
        logged,
        r#"{"value":{"a":"*** (after)","b":"***","c":"***","d":"***"},"op":"replace","path":"/data"}"#
    );
}

#[test]
fn the_words_are_those_of_helm_controller() {
    let named = |kind: &str, name: &str| json!({"kind": kind, "apiVersion": "v1", "metadata": {"name": name, "namespace": "apps"}});
    let dry_run = deployment(&json!({"a": 1}));
    let diffs = [
        Diff::between(
            dry_run.clone(),
            deployment(&json!({"a": 2})),
            &dry_run,
            &rules(&[]),
        )
        .unwrap(),
        Diff::creation(named("Service", "s")),
        Diff::creation(json!({"kind": "Namespace", "metadata": {"name": "n"}})),
        Diff::exclusion(named("ConfigMap", "c")),
        Diff::between(dry_run.clone(), dry_run.clone(), &dry_run, &rules(&[])).unwrap(),
    ];
    assert!(has_changes(&diffs) && !has_changes(&diffs[3..]));
    assert_eq!(
        drift_message("apps/web.v2", &diffs),
        "Cluster state of release apps/web.v2 has drifted from the desired state:\n\
         Deployment/apps/web changed (0 additions, 1 changes, 0 removals)\n\
         Service/apps/s removed\nNamespace/n removed\nConfigMap/apps/c excluded"
    );
    assert_eq!(summarize_briefly(&diffs), "removed: 2, changed: 1, excluded: 1");
    let mut correction = Correction::default();
    assert_eq!(correction.message("apps/web.v2"), None);
    correction.failures.push(correction_failure(
        &diffs[0],
        mask_error("a \"x\" is invalid: b: not so"),
    ));
    assert_eq!(
        correction.message("apps/web.v2").unwrap(),
        "Failed to correct cluster state of release apps/web.v2:\nDeployment/apps/web patch failure: not so"
    );
    correction
        .done
        .push((resource_name(diffs[1].desired()), Corrected::Created));
    correction
        .done
        .push(("Job/apps/j".to_owned(), Corrected::Configured));
    assert_eq!(
        correction.message("apps/web.v2").unwrap(),
        "Failed to partially correct cluster state of release apps/web.v2:\nDeployment/apps/web patch failure: not so\n\n\
         Successful corrections:\nService/apps/s created\nJob/apps/j configured"
    );
    correction.failures.clear();
    assert_eq!(
        correction.message("apps/web.v2").unwrap(),
        "Cluster state of release apps/web.v2 has been corrected:\nService/apps/s created\nJob/apps/j configured"
    );
}

#[test]
fn objects_are_marked_as_helm_marks_them() {
    let mut object = json!({"metadata": {"labels": {"a": "b"}, "annotations": {"x": 1}}});
    set_helm_metadata(&mut object, "web", "apps");
    assert_eq!(
        object,
        json!({"metadata": {
            "labels": {"a": "b", "app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "apps"},
        }})
    );
}
