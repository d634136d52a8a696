//! `openflux helm template` against what the real helm printed for the cases of `compat/helm/cases`.
//!
//! `cargo xtask record helm` writes the expected side.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

#[test]
fn charts_render_as_with_helm() -> Result<()> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../compat/helm/cases")
        .canonicalize()?;
    let mut run = 0;
    let mut failures = Vec::new();
    for topic in folders(&cases)? {
        for case in folders(&topic)? {
            if !case.join("args").is_file() {
                continue;
            }
            run += 1;
            let name = case.strip_prefix(&cases)?.display().to_string();
            if let Some(difference) = difference(&case).with_context(|| name.clone())? {
                failures.push(format!("{name}\n{difference}"));
            }
        }
    }
    ensure!(run > 0, "there are no cases");
    ensure!(
        failures.is_empty(),
        "{} of {run} cases fail:\n{}",
        failures.len(),
        failures.join("\n")
    );
    Ok(())
}

/// Runs a case; tells how the outcome differs from helm's.
fn difference(case: &Path) -> Result<Option<String>> {
    let args = fs::read_to_string(case.join("args"))?;
    // The developer's own settings take no part: a context of theirs has a namespace.
    let output = Command::new(env!("CARGO_BIN_EXE_openflux"))
        .args(["helm", "template"])
        .args(args.lines())
        .current_dir(case)
        .env_clear()
        .env("HOME", case)
        .output()?;
    let ours = if output.status.success() {
        String::from_utf8_lossy(&output.stdout).into_owned()
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        let error = text.find("Error: ").and_then(|at| text.get(at..));
        error
            .unwrap_or(&text)
            .replace(&case.display().to_string(), "$CASE")
    };
    let expected =
        fs::read_to_string(case.join("stdout")).or_else(|_| fs::read_to_string(case.join("error")))?;
    Ok((ours != expected).then(|| format!("--- helm\n{expected}\n--- ours\n{ours}")))
}

fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(parent)?;
    let mut folders = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}
