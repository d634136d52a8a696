//! Generates and builds every case of `flux-cases/` and compares with what Flux's own library made of it;
//! `cargo xtask record flux-kustomize` writes the expected side. A failure that is deliberately worded differently (see
//! `COMPATIBILITY.md`) has our words in `differs.txt` beside the recorded ones.

mod common;

use std::path::Path;
use std::{fs, io};

use common::check_cases;
use kustomize::{DiskTree, Options, build_flux, generate_kustomization};
use serde_json::Value;

#[test]
fn cases_are_built_as_kustomize_controller_builds_them() -> io::Result<()> {
    check_cases("flux-cases", check)
}

fn check(case: &Path) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let spec = fs::read(case.join("spec.yaml")).map_err(|e| text(&e))?;
    let spec = go_yaml::sigs::to_value(&spec, &go_yaml::Limits::default()).map_err(|e| text(&e))?;
    let tree = DiskTree::new(case.join("in")).map_err(|e| text(&e))?;
    // The controller resolves the path before it builds; `..` stops at the root.
    let path = spec.get("path").and_then(Value::as_str).unwrap_or_default();
    let path = path.trim_start_matches("./").replace("../", "");
    let path = format!("{}/{path}", tree.root());
    let options = Options::flux();

    let (mut generated, mut out, mut error) = (None, None, None);
    match generate_kustomization(&tree, &path, &spec, &options) {
        Ok(made) => generated = Some(made.content),
        Err(why) => error = Some(why.to_string()),
    }
    if generated.is_some() {
        match build_flux(&tree, &path, &spec, &options).and_then(|output| output.to_yaml()) {
            Ok(yaml) => out = Some(yaml),
            Err(why) => error = Some(why.to_string()),
        }
    }
    let error_file = if case.join("differs.txt").exists() {
        "differs.txt"
    } else {
        "err.txt"
    };
    let parent = tree.root().trim_end_matches("/in");
    for (file, ours) in [
        ("generated.yaml", generated),
        ("out.yaml", out),
        (error_file, error),
    ] {
        let ours = ours.map(|text| text.replace(tree.root(), "").replace(parent, "{parent}"));
        let expected = fs::read_to_string(case.join(file))
            .ok()
            .filter(|text| !text.is_empty());
        if ours.clone().filter(|text| !text.is_empty()) != expected {
            return Err(format!("{file}\n--- ours\n{ours:?}\n--- recorded\n{expected:?}"));
        }
    }
    Ok(())
}
