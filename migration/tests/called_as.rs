//! The program under the names of the tools that it stands for.

#![expect(clippy::unwrap_used, reason = "a failing test should say where")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(name: &str, words: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("called-as");
    fs::create_dir_all(&folder).unwrap();
    let link = folder.join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&link).unwrap();
    let program = link.join(name);
    // Another test may have made it.
    let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_openflux"), &program);
    Command::new(program)
        .args(words)
        .env_clear()
        .env("HOME", &folder)
        .output()
        .unwrap()
}

#[track_caller]
fn prints(name: &str, words: &[&str], expected: &str) {
    let output = run(name, words);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        expected,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success());
}

#[test]
fn versions_are_those_of_the_tools() {
    prints("helm", &["version", "--short"], "v4.2.4\n");
    prints("openflux", &["helm", "version", "--short"], "v4.2.4\n");
    let full = "version.BuildInfo{Version:\"v4.2.4\", GitCommit:\"\", GitTreeState:\"\", GoVersion:\"go1.26.8\", \
                KubeClientVersion:\"v1.36\"}\n";
    prints("helm", &["version"], full);
    prints("kustomize", &["version"], "v5.8.1\n");
    prints("openflux", &["kustomize", "version"], "v5.8.1\n");
}

#[test]
fn a_link_named_after_a_tool_is_that_tool() {
    let output = run("helm", &["template"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.contains("\"helm template\" requires at least 1 argument"),
        "{error}"
    );
    let output = run("kustomize", &["build", "missing"]);
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("missing"), "{error}");
    let output = run("helm", &["template", "--bogus"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "Error: unknown flag: --bogus\n"
    );
}
