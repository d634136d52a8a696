//! `openflux kustomize build` as a process: what goes where, and how it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Result, ensure};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

/// An empty folder for one test.
fn folder(name: &str) -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("kustomize_build")
        .join(name);
    if path.exists() {
        fs::remove_dir_all(&path)?;
    }
    fs::create_dir_all(&path)?;
    Ok(path)
}

fn write(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Runs the command in a folder, with nothing of the developer's environment.
fn build(folder: &Path, args: &[&str]) -> Result<Output> {
    let command = Command::new(env!("CARGO_BIN_EXE_openflux"))
        .args(["kustomize", "build"])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("PWD", folder)
        .output()?;
    Ok(command)
}

fn check(output: &Output, code: i32, out: &str, err: &str) -> Result<()> {
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(
        output.status.code() == Some(code) && said == out && complained.contains(err),
        "{}: {said}\n{complained}",
        output.status
    );
    Ok(())
}

const BUILT: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n";

#[test]
fn objects_go_to_standard_output_and_warnings_to_standard_error() -> Result<()> {
    let folder = folder("streams")?;
    write(
        &folder,
        &[
            ("kustomization.yaml", "bases: [b]\n"),
            ("b/kustomization.yaml", "resources: [a.yaml]\n"),
            ("b/a.yaml", CONFIG_MAP),
        ],
    )?;
    check(&build(&folder, &[])?, 0, BUILT, "'bases' is deprecated")?;
    check(&build(&folder, &["b"])?, 0, BUILT, "")
}

#[test]
fn output_goes_to_a_file_or_a_folder() -> Result<()> {
    let folder = folder("output")?;
    write(
        &folder,
        &[
            ("kustomization.yaml", "resources: [a.yaml]\n"),
            ("a.yaml", CONFIG_MAP),
        ],
    )?;
    fs::create_dir(folder.join("out"))?;
    check(&build(&folder, &["-o", "out"])?, 0, "", "")?;
    check(&build(&folder, &[".", "--output=one.yaml"])?, 0, "", "")?;
    for file in ["out/v1_configmap_a.yaml", "one.yaml"] {
        ensure!(fs::read_to_string(folder.join(file))? == BUILT, "{file}");
    }
    let nowhere = build(&folder, &["-o", "none/one.yaml"])?;
    check(
        &nowhere,
        1,
        "",
        "Error: open none/one.yaml: no such file or directory",
    )
}

#[test]
fn errors_end_with_status_1_and_print_nothing() -> Result<()> {
    let folder = folder("errors")?;
    write(
        &folder,
        &[
            ("kustomization.yaml", "resources: [a.yaml]\nnamePrefix: p-\n"),
            ("a.yaml", CONFIG_MAP),
        ],
    )?;
    for (args, error) in [
        (&["gone"][..], "Error: must build at directory"),
        (&["a.yaml"], "'a.yaml': file is not directory"),
        (&["a", "b"], "Error: specify one path to kustomization.yaml"),
        (
            &["--load-restrictor", "x"],
            "illegal flag value --load-restrictor x",
        ),
        (&["--reorder", "x"], "illegal flag value --reorder x"),
        (&["--limit-steps", "3"], "the build takes more than 3 steps"),
        (&["--limit-made-bytes", "3"], "the build makes more than 3 bytes"),
        (
            &["--limit-output-bytes", "3"],
            "the output is larger than 3 bytes",
        ),
    ] {
        check(&build(&folder, args)?, 1, "", error)?;
    }
    Ok(())
}

#[test]
fn a_path_is_cleaned_before_links_are_followed() -> Result<()> {
    let folder = folder("links")?;
    write(
        &folder,
        &[
            ("here/app/kustomization.yaml", "resources: [a.yaml]\n"),
            ("here/app/a.yaml", CONFIG_MAP),
        ],
    )?;
    fs::create_dir_all(folder.join("elsewhere/dir"))?;
    std::os::unix::fs::symlink(folder.join("elsewhere/dir"), folder.join("here/link"))?;
    check(&build(&folder.join("here"), &["link/../app"])?, 0, BUILT, "")?;
    // The shell came by the link, so `..` leads back to where the link is.
    check(&build(&folder.join("here/link"), &["../app"])?, 0, BUILT, "")
}
