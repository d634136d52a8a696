//! `openflux build transformation` and `openflux convert artifactgenerator`: what is printed and written, and the exit codes.

#![expect(clippy::unwrap_used, reason = "a failing test should say where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TRANSFORMATION: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: values}
data: {region: eu}
---
apiVersion: openfluxcd.ocm.software/v1alpha1
kind: Transformation
metadata: {name: web, namespace: apps}
spec:
  inputs:
  - {name: git, sourceRef: {kind: GitRepository, name: fleet}}
  - {name: env, configMap: {name: values}}
  outputs:
  - name: rendered
    revision: "@git"
    copy:
    - {from: "@git/deploy/", to: "@artifact/"}
    steps:
    - kustomize: {path: deploy, targetNamespace: prod}
    - substitute: {varsFrom: ["@env"]}
  - name: files
    copy:
    - {from: "@git/**/*.yaml", to: "@artifact/"}
"#;

/// A folder of its own with files in it.
fn folder(test: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("transformation-{test}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_openflux"))
        .args(words)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .output()
        .unwrap()
}

#[track_caller]
fn prints(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    assert!(out.contains(stdout), "{out}");
    assert!(err.contains(stderr), "{err}");
}

const FILES: &[(&str, &str)] = &[
    ("xf.yaml", TRANSFORMATION),
    (
        "git/deploy/web.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {region: \"${region}\"}\n",
    ),
    ("git/logo.png", "x"),
    ("git/.git/HEAD.yaml", "x"),
];

#[test]
fn outputs_are_listed_printed_and_written() {
    let folder = folder("outputs", FILES);
    let words = [
        "build",
        "transformation",
        "-f",
        "xf.yaml",
        "--input",
        "git=git",
        "--input",
        "env=xf.yaml",
    ];
    let with = |more: &[&str]| run(&folder, &[&words[..], more].concat());
    let listed = with(&[
        "--files",
        "--input-revision",
        "git=main@sha1:0123456789012345678901234567890123456789",
    ]);
    prints(&listed, 0, "rendered       1", "");
    prints(&listed, 0, "  main@sha256:", "");
    prints(&listed, 0, "\n  deploy/web.yaml\n", "");
    let expected = "---\n# Output: rendered, manifests.yaml\napiVersion: v1\ndata:\n  region: eu\nkind: ConfigMap\nmetadata:\n  name: web\n  namespace: prod\n";
    prints(&with(&["--print", "--only", "rendered"]), 0, expected, "");
    prints(&with(&["--output", "out"]), 0, "files", "");
    assert!(
        fs::read_to_string(folder.join("out/rendered/manifests.yaml"))
            .unwrap()
            .contains("region: eu")
    );
    assert!(folder.join("out/files/deploy/web.yaml").is_file() && !folder.join("out/files/.git").exists());
    prints(
        &with(&["--output", "out"]),
        2,
        "",
        "there are files in this folder already",
    );
    prints(&with(&["--output", "archives", "--archive"]), 0, "", "");
    // What is archived is an input again, with the same files.
    let again = [
        "build",
        "transformation",
        "-f",
        "xf.yaml",
        "--input",
        "git=archives/files.tar.gz",
        "--input",
        "env=xf.yaml",
    ];
    let (first, second) = (
        with(&["--only", "rendered"]),
        run(&folder, &[&again[..], &["--only", "rendered"]].concat()),
    );
    assert_eq!(first.stdout, second.stdout);
}

#[test]
fn mistakes_have_their_exit_codes() {
    let folder = folder("mistakes", FILES);
    let with = |words: &[&str]| run(&folder, &[&["build", "transformation"], words].concat());
    prints(&with(&["-f", "gone.yaml"]), 2, "", "gone.yaml: ");
    prints(
        &with(&["-f", "xf.yaml"]),
        2,
        "",
        "input git is missing: give a folder or an archive with --input git=PATH",
    );
    prints(
        &with(&["-f", "xf.yaml", "--input", "other=git"]),
        2,
        "",
        "the transformation has no input \"other\"; it has git, env",
    );
    let all = ["-f", "xf.yaml", "--input", "git=.git", "--input", "env=xf.yaml"];
    fs::create_dir_all(folder.join(".git")).unwrap();
    // One output fails, and is told; so does the other one here.
    prints(
        &with(&all),
        1,
        "REVISION",
        "NothingMatched: output rendered, copy 1: from: \"@git/deploy/\" matches nothing",
    );
    prints(
        &with(&[&all[..], &["--only", "x"]].concat()),
        2,
        "",
        "there is no output \"x\"",
    );
    let wrong = TRANSFORMATION.replace("targetNamespace", "namespace");
    fs::write(folder.join("wrong.yaml"), wrong).unwrap();
    prints(&with(&["-f", "wrong.yaml"]), 2, "", "unknown field `namespace`");
}

#[test]
fn generators_are_converted() {
    let generator = "apiVersion: source.extensions.fluxcd.io/v1beta1\nkind: ArtifactGenerator\nmetadata: {name: app, namespace: apps}\nspec:\n  sources:\n  - {alias: git, kind: GitRepository, name: fleet}\n  artifacts:\n  - name: web\n    copy:\n    - {from: \"@git/apps/**/web.yaml\", to: \"@artifact/\"}\n";
    let folder = folder(
        "convert",
        &[
            ("ag.yaml", generator),
            ("none.yaml", "a: 1\n"),
            ("bad.yaml", &generator.replace("name: web", "name: git")),
        ],
    );
    let convert = |file: &str| run(&folder, &["convert", "artifactgenerator", "-f", file]);
    let converted = convert("ag.yaml");
    prints(
        &converted,
        0,
        "kind: Transformation\nmetadata:\n  name: app\n  namespace: apps\n",
        "takes ** for one level",
    );
    prints(
        &convert("none.yaml"),
        2,
        "",
        "there is no ArtifactGenerator in it",
    );
    prints(&convert("bad.yaml"), 1, "", "cannot be converted");
    // What comes out can be built.
    fs::write(folder.join("xf.yaml"), &converted.stdout).unwrap();
    fs::create_dir_all(folder.join("git/apps/a")).unwrap();
    fs::write(folder.join("git/apps/a/web.yaml"), "a: 1\n").unwrap();
    let built = run(
        &folder,
        &["build", "transformation", "-f", "xf.yaml", "--input", "git=git"],
    );
    prints(&built, 0, "web ", "");
}
