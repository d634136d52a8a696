//! Steps that stand for a tool, against what that tool made of the cases of other crates.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flux_transform::spec::{Output, Spec};
use flux_transform::{File, Inputs, Limits, Source, Tree, Work, build, outputs};
use go_yaml::sigs;
use serde_json::{Value, json};

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).expect("a folder");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    folders(&root).iter().flat_map(|topic| folders(topic)).collect()
}

fn has_links(folder: &Path) -> bool {
    let mut entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"));
    entries.any(|entry| {
        let kind = entry.file_type().expect("a type");
        kind.is_symlink() || kind.is_dir() && has_links(&entry.path())
    })
}

fn tree(folder: &Path) -> Tree {
    fn add(tree: &mut Tree, folder: &Path, below: &str) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = format!("{below}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().expect("a type");
            if kind.is_dir() {
                add(tree, &entry.path(), &format!("{path}/"));
            } else if kind.is_file() {
                let file = File {
                    content: fs::read(entry.path()).expect("a file").into(),
                    executable: false,
                };
                tree.insert(&path, file).expect("a path");
            }
        }
    }
    let mut all = Tree::new();
    add(&mut all, folder, "");
    all
}

/// Makes `manifests.yaml` with one step.
fn made(files: Tree, step: &Value) -> Result<String, String> {
    let spec: Spec = serde_json::from_value(json!({
        "inputs": [{"name": "in", "sourceRef": {"kind": "GitRepository", "name": "a"}}],
        "outputs": [{"copy": [{"from": "@in/", "to": "@artifact/"}], "steps": [step]}],
    }))
    .map_err(|error| error.to_string())?;
    let source = Source {
        files: Arc::new(files),
        ..Source::default()
    };
    let inputs: Inputs = [("in".to_owned(), source)].into();
    let work = Work::within(Limits::default());
    let wanted = outputs(&spec, &inputs, &work).map_err(|failure| failure.to_string())?;
    let built = build(&wanted[0], &inputs, &work).map_err(|failure| failure.to_string())?;
    let file = built.files.file("manifests.yaml").ok_or("no file")?;
    Ok(String::from_utf8_lossy(&file.content).into_owned())
}

#[test]
fn helm_renders_as_helm_template_prints() {
    let (mut rendered, mut failed) = (0, 0);
    for case in cases("helm/cases") {
        let args = fs::read_to_string(case.join("args")).unwrap_or_default();
        let args: Vec<_> = args.lines().collect();
        // A tree has no links, and a case about them nothing to say about it.
        if has_links(&case) {
            continue;
        }
        let files = match args[..] {
            ["r", "chart"] => tree(&case),
            ["r", "../chart", "-f", "v.yaml"] => {
                let mut files = tree(&case);
                for (path, file) in tree(case.parent().expect("a topic")).below("chart") {
                    files.insert(path, file.clone()).expect("a path");
                }
                files
            }
            _ => continue,
        };
        let values: &[&str] = if args.len() > 2 { &["v.yaml"] } else { &[] };
        let step = json!({"helm": {
            "path": "chart", "releaseName": "r", "valuesFiles": values, "includeCRDs": false, "skipTests": false,
        }});
        let ours = made(files, &step);
        let name = case.display();
        if let Ok(expected) = fs::read_to_string(case.join("stdout")) {
            rendered += 1;
            assert_eq!(ours.as_deref(), Ok(expected.as_str()), "{name}");
        } else {
            failed += 1;
            assert!(ours.is_err(), "{name}: helm fails, and we give {ours:?}");
        }
    }
    assert!(
        rendered > 60 && failed > 40,
        "{rendered} rendered, {failed} failed"
    );
}

#[test]
fn kustomize_builds_as_kustomize_controller_does() {
    let mut built = 0;
    for case in cases("kustomize/flux-cases") {
        if has_links(&case) {
            continue;
        }
        let spec = fs::read(case.join("spec.yaml")).unwrap_or_default();
        let spec = sigs::to_value(&spec, &go_yaml::Limits::default()).expect("a spec");
        let mut step = spec.as_object().cloned().unwrap_or_default();
        // The controller resolves the path before it builds; `..` stops at the root.
        let path = spec.get("path").and_then(Value::as_str).unwrap_or_default();
        step.insert(
            "path".to_owned(),
            path.trim_start_matches("./").replace("../", "").into(),
        );
        let known =
            serde_json::from_value::<flux_transform::spec::Kustomize>(Value::Object(step.clone())).is_ok();
        // Fields that a transformation has no need of, and common metadata, which the controller adds in the end.
        if !known || step.contains_key("commonMetadata") {
            continue;
        }
        let ours = made(tree(&case.join("in")), &json!({"kustomize": step}));
        match fs::read_to_string(case.join("out.yaml")) {
            Ok(expected) if !expected.is_empty() => {
                built += 1;
                assert_eq!(ours.as_deref(), Ok(expected.as_str()), "{}", case.display());
            }
            _ => assert!(ours.is_err(), "{}: {ours:?}", case.display()),
        }
    }
    assert!(built > 10, "{built}");
}

#[test]
fn an_output_reads_as_it_is_written() {
    let text = json!({
        "name": "a", "copy": [{"from": "@in/", "to": "@artifact/", "strategy": "Merge"}],
        "steps": [
            {"helm": {"path": "c", "releaseName": "r", "includeCRDs": false, "hooks": "Drop"}},
            {"kustomize": {"path": "k", "to": "x.yaml"}},
            {"file": {"path": "f", "content": "x"}},
        ],
        "originUpdate": "Always",
    });
    let output: Output = serde_json::from_value(text.clone()).expect("an output");
    assert_eq!(serde_json::to_value(&output).expect("JSON"), text);
    for wrong in [
        json!({"copy": [{"from": "@in/", "too": "@artifact/"}]}),
        json!({"steps": [{"helm": {}, "kustomize": {}}]}),
        json!({"steps": [{"exec": {"command": "sh"}}]}),
    ] {
        assert!(
            serde_json::from_value::<Output>(wrong.clone()).is_err(),
            "{wrong}"
        );
    }
}
