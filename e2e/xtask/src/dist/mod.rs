//! `cargo xtask dist`: the `openflux` program as it is shipped and measured.
//!
//! On Linux it is linked statically and at a fixed address, as Go links the tools that it replaces: nothing is to be
//! looked up or moved when it starts, which is a good part of the time and memory of a small build.
//!
//! Where rustc's linker is lld, the functions that builds enter are put next to each other (`order`).

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod order;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod trace;

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
    let folder = workspace::target_folder().join(&target).join("release");
    std::fs::create_dir_all(&folder)?;
    let program = folder.join("openflux");
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    if order::linker_takes_one(&target, &folder)? {
        order::build(&program, |linker_options| build(&target, linker_options))?;
        return Ok(program);
    }
    build(&target, &[])?;
    Ok(program)
}

/// Has cargo build the program, with options for the linker.
fn build(target: &str, linker_options: &[String]) -> Result<()> {
    let mut cargo = workspace::cargo(["rustc", "--release", "--package=openflux", "--bin=openflux"]);
    cargo.args(["--target", target, "--"]).args(
        linker_options
            .iter()
            .map(|option| format!("-Clink-arg=-Wl,{option}")),
    );
    if target.ends_with("-linux-gnu") {
        let given = std::env::var("RUSTFLAGS").unwrap_or_default();
        // Flags of the linked program alone: with `--target`, build scripts and macros do not see them.
        cargo.env(
            "RUSTFLAGS",
            format!("{given} -C target-feature=+crt-static -C relocation-model=static"),
        );
    }
    workspace::run(&mut cargo)
}

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// The target triple of this machine.
fn host() -> Result<String> {
    let output = rustc().arg("-vV").output().context("cannot run rustc")?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}
