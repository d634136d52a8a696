//! `openflux migrate` on a checkout, as a user runs it.

#![expect(clippy::unwrap_used, reason = "a failing test should say where")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SYNC: &str = "apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: flux-system
  namespace: flux-system
spec:
  interval: 10m0s
  path: ./clusters/home
  prune: true
  sourceRef:
    kind: GitRepository
    name: flux-system
";

const APP: &str = "# What we run.
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: podinfo   # demo, see wiki
  namespace: apps
spec:
  interval: 10m
  path: ./apps/podinfo
  prune: true
  sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}
";

fn checkout(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let files = [
        ("clusters/home/flux-system/gotk-sync.yaml", SYNC),
        (
            "clusters/home/flux-system/kustomization.yaml",
            "resources: [gotk-sync.yaml]\n",
        ),
        ("clusters/home/podinfo.yaml", APP),
        (
            "apps/podinfo/settings.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n",
        ),
    ];
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let git = |words: &[&str]| {
        let done = Command::new("git")
            .arg("-C")
            .arg(&root)
            .args(words)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&[
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@example.com",
        "commit",
        "--quiet",
        "-m",
        "first",
    ]);
    root
}

fn openflux(root: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_openflux"))
        .args(words)
        .current_dir(root)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_label_is_shown_written_and_then_there() {
    let root = checkout("finish");
    let shown = openflux(&root, &["migrate", "finish", "ks/apps/podinfo"]);
    let expected = "--- a/clusters/home/podinfo.yaml
+++ b/clusters/home/podinfo.yaml
@@ -4,6 +4,8 @@
 metadata:
   name: podinfo   # demo, see wiki
   namespace: apps
+  labels:
+    sharding.fluxcd.io/key: openflux
 spec:
   interval: 10m
   path: ./apps/podinfo
1 file, 1 label. Built 2 roots before and after: 1 label differs, nothing else. Nothing written (--write).
";
    assert_eq!(
        stdout(&shown),
        expected,
        "{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    assert_eq!(
        fs::read_to_string(root.join("clusters/home/podinfo.yaml")).unwrap(),
        APP
    );

    let written = openflux(&root, &["migrate", "finish", "ks/apps/podinfo", "--write"]);
    assert!(
        stdout(&written).contains("Written; nothing is committed."),
        "{}",
        stdout(&written)
    );
    let text = fs::read_to_string(root.join("clusters/home/podinfo.yaml")).unwrap();
    assert_eq!(
        text.replace("  labels:\n    sharding.fluxcd.io/key: openflux\n", ""),
        APP
    );

    let again = openflux(&root, &["migrate", "finish", "ks/apps/podinfo", "--write"]);
    assert_eq!(stdout(&again), "ks/apps/podinfo has the label already\n");
    let dirty = openflux(
        &root,
        &["migrate", "finish", "ks/apps/podinfo", "--label=a/b=c", "--write"],
    );
    assert_eq!(dirty.status.code(), Some(2));
    let said = String::from_utf8_lossy(&dirty.stderr).into_owned();
    assert!(said.contains("changes that are not committed"), "{said}");

    // What bootstrap writes is patched beside it.
    let sync = openflux(
        &root,
        &["migrate", "finish", "ks/flux-system/flux-system", "--write"],
    );
    assert!(sync.status.success(), "{}", stdout(&sync));
    let patched = fs::read_to_string(root.join("clusters/home/flux-system/kustomization.yaml")).unwrap();
    assert!(
        patched.starts_with("resources: [gotk-sync.yaml]\npatches:\n- patch: |\n"),
        "{patched}"
    );
    let unknown = openflux(&root, &["migrate", "finish", "hr/apps/none"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(
        stdout(&unknown),
        "hr/apps/none is for you to label: no root of this checkout makes it\n"
    );
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn a_checkout_is_scanned_without_a_cluster() {
    let root = checkout("scan");
    let scan = openflux(&root, &["migrate", "scan", "-f", ".", "-o", "json"]);
    let scan: serde_json::Value = serde_json::from_slice(&scan.stdout).unwrap();
    let places: Vec<_> = scan["places"].as_array().unwrap().iter().collect();
    let place = |at: usize, field: &str| places[at][field].as_str().unwrap_or_default().to_owned();
    assert_eq!(place(0, "object"), "ks/apps/podinfo");
    assert_eq!(place(0, "file"), "clusters/home/podinfo.yaml:7");
    assert_eq!(place(0, "carrier"), "git-file");
    assert_eq!(place(1, "carrier"), "git-patch");
    assert_eq!(place(1, "why"), "flux bootstrap rewrites its file");
    fs::remove_dir_all(&root).unwrap();
}
