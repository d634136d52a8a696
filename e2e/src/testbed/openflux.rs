//! Our own controller, as the program that users run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};

use super::process::Process;

/// Returns the path of the program of a package of this workspace that is called like it; see [`binary`].
pub fn program(package: &str) -> Result<PathBuf> {
    binary(package, package)
}

/// Returns the path of a program of this workspace, built in our own profile unless `OPENFLUX_BIN_DIR` has it.
pub(super) fn binary(package: &str, name: &str) -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("OPENFLUX_BIN_DIR") {
        return Ok(PathBuf::from(dir).join(name));
    }
    let mut cargo = crate::cargo();
    cargo
        .args(["build", "--quiet", "--package", package, "--bin", name])
        .arg("--message-format=json")
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().context("starting cargo")?;
    if !output.status.success() {
        bail!("building {name} failed");
    }
    // One JSON object per line; the one about the program has its path.
    let messages = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok());
    let mut executable = messages.filter_map(|message: serde_json::Value| {
        Some(
            (message["target"]["name"].as_str()? == name)
                .then_some(message["executable"].as_str()?)?
                .to_owned(),
        )
    });
    executable
        .next_back()
        .map(PathBuf::from)
        .with_context(|| format!("{package} has no program {name}"))
}

/// The path of `openflux-controller`, built once per process.
///
/// # Errors
/// It does not build.
pub fn controller() -> Result<PathBuf> {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = PATH.get() {
        return Ok(path.clone());
    }
    let path = program("openflux-controller")?;
    Ok(PATH.get_or_init(|| path).clone())
}

pub(super) fn start(
    kubeconfig: &Path,
    logs: &Path,
    name: &str,
    namespace: &str,
    arguments: &[&str],
) -> Result<Process> {
    let common = [
        "run",
        "--metrics-addr=0",
        "--health-addr=0",
        // Where the testbed's source-controller serves.
        "--artifact-hosts=127.0.0.1",
    ];
    // Where its git server is, unless a test says which hosts may have bases.
    let hosts = "--remote-base-hosts";
    let here = "--remote-base-hosts=127.0.0.0/8";
    let bases = (!arguments.iter().any(|argument| argument.starts_with(hosts))).then_some(&here);
    let environment = [
        ("KUBECONFIG", kubeconfig.display().to_string()),
        ("RUNTIME_NAMESPACE", namespace.to_owned()),
        // As the manifests have it.
        ("MALLOC_ARENA_MAX", "2".to_owned()),
        // As the image has it: there is no other program.
        ("PATH", "/nonexistent".to_owned()),
    ];
    Process::spawn(
        name,
        logs,
        &controller()?,
        common.iter().chain(bases).chain(arguments),
        &environment,
    )
}
