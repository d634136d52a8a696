//! Record what the real helm renders for the cases of `compat/helm`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use e2e::tools::{self, Tool};

use super::{Recorder, folders};

pub(super) const HELM: Recorder = Recorder {
    name: "helm",
    about: "output or error of `helm template` for compat/helm/cases/<topic>/<case>/args",
    run,
};

/// Runs the real helm in each case folder with the arguments of its file `args`, one a line, and writes `stdout` or, if
/// it fails, `error`. A case may use a chart of its own or share one with its topic (`../chart`).
fn run(root: &Path) -> Result<()> {
    let [helm] = tools::ensure([Tool::Helm])?;
    let cases = root.join("compat/helm/cases");
    let mut recorded = 0;
    for topic in folders(&cases)? {
        for case in folders(&topic)? {
            if case.join("args").is_file() {
                record(&helm, &case).with_context(|| case.display().to_string())?;
                recorded += 1;
            }
        }
    }
    if recorded == 0 {
        bail!("there are no cases in {}", cases.display());
    }
    Ok(())
}

fn record(helm: &Path, case: &Path) -> Result<()> {
    let args = fs::read_to_string(case.join("args"))?;
    let output = Command::new(helm)
        .arg("template")
        .args(args.lines())
        .current_dir(case)
        .env_clear()
        .env("HOME", case)
        .env(
            "HELM_CACHE_HOME",
            std::env::temp_dir().join("openflux-helm-cache"),
        )
        .output()?;
    for old in ["stdout", "error"] {
        if case.join(old).exists() {
            fs::remove_file(case.join(old))?;
        }
    }
    if output.status.success() {
        fs::write(case.join("stdout"), output.stdout)?;
        return Ok(());
    }
    let text = String::from_utf8(output.stderr)?;
    let Some(start) = text.find("Error: ") else {
        bail!("helm failed without an error: {text}")
    };
    // Messages name files by their absolute path.
    let error = text[start..].replace(&case.display().to_string(), "$CASE");
    Ok(fs::write(case.join("error"), error)?)
}
