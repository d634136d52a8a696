//! Whole transformations: what comes out, and what is refused and how that is told.

use std::sync::Arc;

use flux_transform::spec::Spec;
use flux_transform::{Built, Failure, Inputs, Limits, Reason, Source, Tree, Wanted, Work, build, outputs};
use serde_json::{Value, json};

type Files<'f> = &'f [(&'f str, &'f str)];

fn source(files: Files<'_>, revision: &str) -> Source {
    let files = files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec()));
    Source {
        files: Arc::new(files.collect()),
        revision: Some(revision.to_owned()),
        origin: None,
    }
}

fn inputs(all: &[(&str, Files<'_>)]) -> Inputs {
    let all = all.iter();
    all.map(|(name, files)| {
        (
            (*name).to_owned(),
            source(files, "main@sha1:0123456789012345678901234567890123456789"),
        )
    })
    .collect()
}

fn spec(outputs: &Value) -> Spec {
    let spec = json!({
        "inputs": [
            {"name": "git", "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
            {"name": "env", "configMap": {"name": "values"}},
            {"name": "vars", "configMap": {"name": "vars"}},
        ],
        "outputs": outputs,
    });
    serde_json::from_value(spec).expect("a specification")
}

fn run(spec: &Spec, inputs: &Inputs) -> Result<Vec<(Wanted, Built)>, Failure> {
    let work = Work::within(Limits::default());
    let wanted = outputs(spec, inputs, &work)?;
    let built = |wanted: Wanted| build(&wanted, inputs, &work).map(|built| (wanted, built));
    wanted.into_iter().map(built).collect()
}

/// Runs the steps of one output on the files of `git`.
fn steps(files: Files<'_>, steps: &Value) -> Result<Built, Failure> {
    let inputs = inputs(&[
        ("git", files),
        ("env", &[("values.yaml", "replicas: 3\n")]),
        ("vars", &[("region", "eu")]),
    ]);
    let spec =
        spec(&json!([{"name": "out", "copy": [{"from": "@git/", "to": "@artifact/"}], "steps": steps}]));
    run(&spec, &inputs).map(|mut all| all.remove(0).1)
}

fn text(tree: &Tree, path: &str) -> String {
    let file = tree.file(path).expect("the file");
    String::from_utf8_lossy(&file.content).into_owned()
}

fn paths(tree: &Tree) -> Vec<&str> {
    tree.files().map(|(path, _)| path).collect()
}

#[track_caller]
fn refused(result: Result<Built, Failure>, reason: Reason, expected: &str) {
    let failure = result.expect_err("a failure");
    assert!(failure.to_string().contains(expected), "{failure}");
    assert_eq!(failure.reason(), reason, "{failure}");
}

const CHART: Files<'static> = &[
    (
        "charts/web/Chart.yaml",
        "apiVersion: v2\nname: web\nversion: 1.2.3\n",
    ),
    ("charts/web/values.yaml", "replicas: 1\nname: x\n"),
    ("charts/web/.helmignore", "*.md\n"),
    ("charts/web/README.md", "x"),
    (
        "charts/web/templates/web.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {replicas: \"{{ .Values.replicas }}\", name: {{ .Values.name }}}\n",
    ),
];

#[test]
fn files_are_merged_moved_removed_and_written() {
    let files = [
        ("a.yaml", "x: {p: 1}\n"),
        ("b.json", r#"{"x": {"z": 2}}"#),
        ("d/c", "c"),
        ("tmp/x", ""),
    ];
    let built = steps(
        &files,
        &json!([
            {"merge": {"files": ["a.yaml", "b.json", "@env/values.yaml"], "to": "all.yaml"}},
            {"move": {"from": "d", "to": "e/f"}},
            {"remove": {"paths": ["tmp", "*.json", "nothing/*"]}},
            {"file": {"path": "run.sh", "content": "#!/bin/sh\n", "executable": true}},
        ]),
    )
    .expect("an output");
    assert_eq!(paths(&built.files), ["a.yaml", "all.yaml", "e/f/c", "run.sh"]);
    assert_eq!(
        text(&built.files, "all.yaml"),
        "replicas: 3\nx:\n  p: 1\n  z: 2\n"
    );
    assert!(built.files.file("run.sh").is_some_and(|file| file.executable));
    let step = |step: Value| steps(&files, &json!([step]));
    refused(
        step(json!({"move": {"from": "d", "to": "tmp"}})),
        Reason::ValidationFailed,
        "is there already",
    );
    refused(
        step(json!({"move": {"from": "x", "to": "y"}})),
        Reason::NothingMatched,
        "output out, step 1 (move): from",
    );
    refused(
        step(json!({"merge": {"files": ["gone"], "to": "x"}})),
        Reason::NothingMatched,
        "there is no file \"gone\"",
    );
    refused(
        step(json!({"merge": {"files": ["d/c"], "to": "x"}})),
        Reason::BuildFailed,
        "d/c: ",
    );
    refused(
        step(json!({"file": {"path": "../x", "content": ""}})),
        Reason::ValidationFailed,
        "leaves its root",
    );
    refused(
        step(json!({"file": {"path": "d", "content": ""}})),
        Reason::BuildFailed,
        r#""d/c" is there, which copy 1 wrote"#,
    );
}

#[test]
fn a_chart_is_rendered_with_values_in_order() {
    let built = steps(
        CHART,
        &json!([{"helm": {"path": "charts/web", "releaseName": "r", "valuesFiles": ["@env/values.yaml"], "values": {"name": "n"}}}]),
    )
    .expect("an output");
    assert_eq!(paths(&built.files), ["manifests.yaml"]);
    let expected = "---\n# Source: web/templates/web.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: r}\ndata: {replicas: \"3\", name: n}\n";
    assert_eq!(text(&built.files, "manifests.yaml"), expected);
}

#[test]
fn rendering_is_closed() {
    for (expression, expected) in [
        ("randAlphaNum 8", "randAlphaNum is refused"),
        ("uuidv4", "uuidv4 is refused"),
        ("genCA \"a\" 1", "genCA is refused"),
        ("htpasswd \"a\" \"b\"", "htpasswd is refused"),
        ("now", "now is refused"),
        ("date \"2006\" \"x\"", "means the time now"),
        ("getHostByName \"a\"", "getHostByName is refused"),
        ("env \"HOME\"", "not defined"),
    ] {
        let template = format!("a: {{{{ {expression} | quote }}}}\n");
        let mut files = CHART.to_vec();
        files.push(("charts/web/templates/bad.yaml", &template));
        let step = json!([{"helm": {"path": "charts/web", "releaseName": "r"}}]);
        refused(steps(&files, &step), Reason::BuildFailed, expected);
    }
    let mut files = CHART.to_vec();
    files.push((
        "charts/web/templates/now.yaml",
        "a: {{ now | date \"2006-01-02\" }}\nb: {{ lookup \"v1\" \"Secret\" \"\" \"\" | len }}\n",
    ));
    let step = json!([{"helm": {"path": "charts/web", "releaseName": "r", "now": "2026-01-31T12:00:00Z"}}]);
    let built = steps(&files, &step).expect("an output");
    assert!(text(&built.files, "manifests.yaml").contains("a: 2026-01-31\nb: 0\n"));
}

#[test]
fn a_chart_is_made_of_a_directory() {
    let mut files = CHART.to_vec();
    files.extend([
        (
            "charts/common/Chart.yaml",
            "apiVersion: v2\nname: common\nversion: 0.1.0\ntype: library\n",
        ),
        ("charts/common/templates/_a.tpl", "{{ define \"a\" }}{{ end }}"),
    ]);
    files[0].1 = "apiVersion: v2\nname: web\nversion: 1.2.3\ndependencies: [{name: common, version: 0.1.0, repository: \"file://../common\"}]\n";
    let built = steps(&files, &json!([{"chart": {"path": "charts/web", "valuesFiles": ["charts/web/values.yaml", "@env/values.yaml"]}}]))
        .expect("an output");
    let expected = [
        "web/.helmignore",
        "web/Chart.yaml",
        "web/charts/common/Chart.yaml",
        "web/charts/common/templates/_a.tpl",
        "web/templates/web.yaml",
        "web/values.yaml",
    ];
    assert_eq!(paths(&built.files), expected);
    assert_eq!(text(&built.files, "web/values.yaml"), "name: x\nreplicas: 3\n");
    assert_eq!(built.word, "1.2.3");
    let step = |step: Value| steps(CHART, &json!([{"chart": step}]));
    refused(
        step(json!({"path": "charts"})),
        Reason::BuildFailed,
        "Chart.yaml file is missing",
    );
    refused(
        step(json!({"path": "x"})),
        Reason::NothingMatched,
        "there is no directory",
    );
    refused(
        step(json!({"path": "charts/web", "valuesFiles": ["x"]})),
        Reason::NothingMatched,
        "ignoreMissingValuesFiles",
    );
    files[0].1 = "apiVersion: v2\nname: web\nversion: 1.2.3\ndependencies: [{name: c, version: 1.0.0, repository: \"https://x\"}]\n";
    refused(
        steps(&files, &json!([{"chart": {"path": "charts/web"}}])),
        Reason::BuildFailed,
        "nothing is fetched",
    );
}

#[test]
fn a_rendered_chart_is_overlaid_and_substituted() {
    let mut files = CHART.to_vec();
    files.extend([(
        "prod/kustomization.yaml",
        "resources: [chart.yaml]\nlabels: [{pairs: {region: \"${region}\"}}]\n",
    )]);
    let built = steps(
        &files,
        &json!([
            {"helm": {"path": "charts/web", "releaseName": "r", "to": "prod/chart.yaml", "keep": true}},
            {"kustomize": {"path": "prod", "targetNamespace": "apps", "commonMetadata": {"annotations": {"a": "b"}}}},
            {"substitute": {"varsFrom": ["@vars"], "vars": {"x": "y"}}},
        ]),
    )
    .expect("an output");
    let expected = "apiVersion: v1\ndata:\n  name: x\n  replicas: \"1\"\nkind: ConfigMap\nmetadata:\n  annotations:\n    a: b\n  labels:\n    region: eu\n  name: r\n  namespace: apps\n";
    assert_eq!(text(&built.files, "manifests.yaml"), expected);
    let bad = json!([{"kustomize": {"path": "prod"}}]);
    refused(
        steps(&files, &bad),
        Reason::BuildFailed,
        "output out, step 1 (kustomize): kustomize build of \"prod\"",
    );
    let remote = [("kustomization.yaml", "resources: [https://example.com/x.yaml]\n")];
    refused(
        steps(&remote, &json!([{"kustomize": {}}])),
        Reason::BuildFailed,
        "kustomize build",
    );
}

#[test]
fn what_is_left_out_and_what_revisions_begin_with() {
    let files = [
        ("a.png", ""),
        (".github/x", ""),
        ("keep/a.txt", ""),
        ("keep/b.md", ""),
    ];
    let inputs = inputs(&[("git", &files), ("env", &[])]);
    let output = |more: Value| {
        let mut output = json!({"name": "out", "copy": [{"from": "@git/", "to": "@artifact/"}]});
        for (key, value) in more.as_object().into_iter().flatten() {
            output[key] = value.clone();
        }
        run(&spec(&json!([output])), &inputs).map(|mut all| all.remove(0).1)
    };
    let built = output(json!({})).expect("an output");
    assert_eq!((built.files.len(), built.word.as_str()), (4, "latest"));
    let built =
        output(json!({"ignoreDefaults": true, "ignore": "*.md\n", "revision": "@git", "origin": "@git"}))
            .expect("an output");
    assert_eq!(paths(&built.files), ["keep/a.txt"]);
    assert_eq!(built.word, "main");
    assert_eq!(
        built.origin.as_deref(),
        Some("main@sha1:0123456789012345678901234567890123456789")
    );
    assert_eq!(
        output(json!({"revision": "1.0.0"})).expect("an output").word,
        "1.0.0"
    );
    refused(
        output(json!({"ignore": "*\n"})),
        Reason::NothingMatched,
        "would have no file",
    );
}

#[test]
fn outputs_are_discovered() {
    let files = [
        ("apps/Web/a.yaml", "1"),
        ("apps/db/b.yaml", "2"),
        ("apps/README.md", ""),
    ];
    let inputs = inputs(&[("git", &files), ("env", &[])]);
    let mut spec = spec(
        &json!([{"name": "app-{app}", "labels": {"app": "{app}"}, "copy": [{"from": "@git/apps/{app}/**", "to": "@artifact/"}]}]),
    );
    spec.discover = Some(serde_json::from_value(json!({"pattern": "@git/apps/{app}"})).expect("a pattern"));
    let all = run(&spec, &inputs).expect("outputs");
    let names: Vec<_> = all
        .iter()
        .map(|(wanted, built)| {
            (
                wanted.name.as_deref().unwrap_or_default(),
                paths(&built.files).concat(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [("app-web", "a.yaml".to_owned()), ("app-db", "b.yaml".to_owned())]
    );
    assert_eq!(all[0].0.captures["app"], "web");
    let discover = |more: Value| {
        let mut spec = spec.clone();
        let mut discover = serde_json::to_value(&spec.discover).expect("JSON");
        for (key, value) in more.as_object().into_iter().flatten() {
            discover[key] = value.clone();
        }
        spec.discover = serde_json::from_value(discover).expect("a pattern");
        run(&spec, &inputs)
    };
    let failure = |more: Value| discover(more).expect_err("a failure");
    let none = failure(json!({"pattern": "@git/gone/{app}"}));
    assert_eq!(none.reason(), Reason::NothingMatched, "{none}");
    assert_eq!(
        discover(json!({"pattern": "@git/gone/{app}", "onNone": "Empty"}))
            .expect("none")
            .len(),
        0
    );
    assert_eq!(failure(json!({"max": 1})).reason(), Reason::LimitExceeded);
    assert_eq!(
        failure(json!({"pattern": "@gone/{app}"})).reason(),
        Reason::ValidationFailed
    );
    assert!(
        failure(json!({"pattern": "@git/apps/{other}"}))
            .to_string()
            .contains("{app}, which discover.pattern has not")
    );
    let twice = [("apps/Web/a", ""), ("apps/web/b", "")];
    let twice = run(&spec, &self::inputs(&[("git", &twice), ("env", &[])])).expect_err("a failure");
    assert!(twice.to_string().contains("both give \"app-web\""), "{twice}");
}

#[test]
fn only_what_an_output_is_made_of_changes_its_key() {
    let make = |web: &str, revision: &str| {
        let files = [("apps/web/a", web), ("apps/db/b", "2")];
        let mut inputs = inputs(&[("env", &[("region", "eu")])]);
        inputs.insert("git".to_owned(), source(&files, revision));
        inputs
    };
    let spec = spec(&json!([
        {"name": "web", "copy": [{"from": "@git/apps/web/", "to": "@artifact/"}], "revision": "@git"},
        {"name": "env", "copy": [{"from": "@env/", "to": "@artifact/"}]},
    ]));
    let keys = |inputs: &Inputs| {
        let all = run(&spec, inputs).expect("outputs");
        let digest = |name: &str| inputs[name].files.content_hash().ok();
        all.into_iter()
            .map(|(wanted, built)| (wanted.key(inputs, digest), built.content))
            .collect::<Vec<_>>()
    };
    let (before, same, after) = (make("1", "a"), make("1", "a"), make("2", "b"));
    assert_eq!(keys(&before), keys(&same));
    let (before, after) = (keys(&before), keys(&after));
    assert!(before[0].0 != after[0].0 && before[0].1 != after[0].1);
    assert_eq!(before[1], after[1]);
}

#[test]
fn mistakes_are_found_before_anything_is_built() {
    let none = inputs(&[("git", &[]), ("env", &[])]);
    let copy = json!([{"from": "@git/", "to": "@artifact/"}]);
    for (outputs, expected) in [
        (json!([]), "outputs: there is none"),
        (
            json!([{"name": "a"}]),
            "output a: copy: there is neither a copy nor a step",
        ),
        (
            json!([{"copy": copy}, {"name": "b", "copy": copy}]),
            "outputs[].name",
        ),
        (
            json!([{"name": "a", "copy": copy}, {"name": "a", "copy": copy}]),
            "two outputs of this name",
        ),
        (json!([{"name": "A", "copy": copy}]), "is no name of an object"),
        (
            json!([{"name": "a", "copy": [{"from": "@x/", "to": "@artifact/"}]}]),
            "output a, copy 1: from: there is no input \"x\"",
        ),
        (
            json!([{"name": "a", "copy": [{"from": "@git/", "to": "x"}]}]),
            "copy 1: to",
        ),
        (
            json!([{"name": "a", "copy": copy, "revision": "@x"}]),
            "revision: there is no input",
        ),
        (
            json!([{"name": "a", "copy": copy, "revision": "a b"}]),
            "revision: ",
        ),
        (json!([{"name": "a", "copy": copy, "origin": "git"}]), "origin: "),
        (
            json!([{"name": "a", "copy": copy, "steps": [{"substitute": {"varsFrom": ["@git"]}}]}]),
            "step 1 (substitute): varsFrom: input \"git\" is no ConfigMap",
        ),
        (
            json!([{"name": "a", "copy": copy, "steps": [{"helm": {"path": "x", "releaseName": "A"}}]}]),
            "step 1 (helm): releaseName",
        ),
        (
            json!([{"name": "a", "copy": copy, "steps": [{"remove": {"paths": ["@env/*.tgz"]}}]}]),
            "has to be one of the output",
        ),
        (
            json!([{"name": "a", "copy": copy, "steps": [{"kustomize": {"path": "../x"}}]}]),
            "leaves its root",
        ),
    ] {
        let failure = run(&spec(&outputs), &none).expect_err("a failure");
        assert!(
            failure.to_string().contains(expected),
            "{failure} instead of {expected}"
        );
        assert_eq!(failure.reason(), Reason::ValidationFailed, "{failure}");
    }
    let secret = json!({
        "inputs": [{"name": "s", "sourceRef": {"kind": "Secret", "name": "x"}}],
        "outputs": [{"copy": [{"from": "@s/", "to": "@artifact/"}]}],
    });
    let secret: Spec = serde_json::from_value(secret).expect("a specification");
    assert!(run(&secret, &none).is_err_and(|failure| failure.to_string().contains("a Secret is no input")));
}

#[test]
fn work_is_bounded() {
    let files: Vec<_> = (0..200)
        .map(|number| (format!("d/{number}"), "x".repeat(100)))
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let inputs = inputs(&[("git", &files), ("env", &[])]);
    let spec = spec(&json!([{"name": "a", "copy": [{"from": "@git/**/*", "to": "@artifact/"}]}]));
    for (limits, expected) in [
        (
            Limits {
                files: 100,
                ..Limits::default()
            },
            "the number of files",
        ),
        (
            Limits {
                bytes: 5_000,
                ..Limits::default()
            },
            "the size of the output's files",
        ),
        (
            Limits {
                steps: 500,
                ..Limits::default()
            },
            "comparisons",
        ),
    ] {
        let work = Work::within(limits);
        let wanted = outputs(&spec, &inputs, &work).expect("an output");
        let failure = build(&wanted[0], &inputs, &work).expect_err("a failure");
        assert!(failure.to_string().contains(expected), "{failure}");
        assert_eq!(failure.reason(), Reason::LimitExceeded);
    }
    let discovering = json!({
        "inputs": [{"name": "git", "sourceRef": {"kind": "GitRepository", "name": "git"}}],
        "discover": {"pattern": "@git/d/{file}", "match": "Files", "max": 500},
        "outputs": [{"name": "a-{file}", "copy": [{"from": "@git/d/{file}", "to": "@artifact/"}]},
            {"name": "b-{file}", "copy": [{"from": "@git/d/{file}", "to": "@artifact/"}]}],
    });
    let discovering: Spec = serde_json::from_value(discovering).expect("a specification");
    let listed = |limits| outputs(&discovering, &inputs, &Work::within(limits));
    let usual = Limits::default();
    assert_eq!(listed(usual).expect("outputs").len(), 400);
    for (limits, expected) in [
        (
            Limits {
                outputs: 399,
                ..usual
            },
            "the number of outputs",
        ),
        (
            Limits {
                discovered_bytes: 4_000,
                ..usual
            },
            "the size of the discovered outputs",
        ),
    ] {
        let failure = listed(limits).expect_err("a failure");
        assert!(failure.to_string().contains(expected), "{failure}");
        assert_eq!(failure.reason(), Reason::LimitExceeded);
    }
    let work = Work::within(Limits::default()).until(Arc::new(true.into()));
    let wanted = outputs(&spec, &inputs, &work).expect("an output");
    assert_eq!(
        build(&wanted[0], &inputs, &work).expect_err("a failure").reason(),
        Reason::Cancelled
    );
}
