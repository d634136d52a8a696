//! `openflux helm template` against what the real helm printed for the cases of `compat/helm/cases`.
//!
//! `cargo xtask record helm` writes the expected side. `DIFFERENT` lists cases that differ on purpose; each stands in
//! `COMPATIBILITY.md` too.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use openflux::{HelmTemplateArgs, helm_template, with_go_flags};

const DIFFERENT: &[&str] = &[];

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Cli {
    #[command(flatten)]
    args: HelmTemplateArgs,
}

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
            let difference = difference(&case).with_context(|| name.clone())?;
            if difference.is_some() != DIFFERENT.contains(&name.as_str()) {
                failures.push(format!(
                    "{name}\n{}",
                    difference.unwrap_or_else(|| "is the same by now".to_owned())
                ));
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
    // Arguments name files relative to the case. This is the only test of its process.
    std::env::set_current_dir(case)?;
    let args = fs::read_to_string(case.join("args"))?;
    let (mut out, mut warnings) = (Vec::new(), Vec::new());
    let cli = with_go_flags(Cli::command())
        .try_get_matches_from(args.lines())
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let result = match cli {
        Ok(cli) => helm_template(&cli.args, &mut out, &mut warnings).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let ours = match result {
        Ok(()) => String::from_utf8_lossy(&out).into_owned(),
        Err(error) => format!("Error: {error}\n").replace(&case.display().to_string(), "$CASE"),
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
