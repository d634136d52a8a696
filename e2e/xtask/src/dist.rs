//! `cargo xtask dist`: the `openflux` program as it is shipped and measured.
//!
//! On Linux it is linked statically and at a fixed address, as Go links the tools that it replaces: nothing is to be
//! looked up or moved when it starts, which is a good part of the time and memory of a small build.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::workspace;

/// Builds the program and prints its path.
pub(crate) fn run() -> Result<()> {
    let program = openflux()?;
    workspace::say(&program.display().to_string());
    Ok(())
}

/// Builds the program; returns its path.
pub(crate) fn openflux() -> Result<PathBuf> {
    let target = host()?;
    let mut cargo = workspace::cargo(["build", "--release", "--package=openflux", "--bin=openflux"]);
    cargo.args(["--target", &target]);
    if target.ends_with("-linux-gnu") {
        let given = std::env::var("RUSTFLAGS").unwrap_or_default();
        // Flags of the linked program alone: with `--target`, build scripts and macros do not see them.
        cargo.env(
            "RUSTFLAGS",
            format!("{given} -C target-feature=+crt-static -C relocation-model=static"),
        );
    }
    workspace::run(&mut cargo)?;
    Ok(workspace::target_folder().join(target).join("release/openflux"))
}

/// The target triple of this machine.
fn host() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .context("cannot run rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}
