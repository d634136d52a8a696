//! Cargo, called from a program that cargo runs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Gives a `cargo` command in the root of the repository that finds everything as built as one from a shell would.
///
/// `cargo run` describes the package of the program in its environment. Build scripts read the same variables, so that
/// they, and all that depends on them, would be built anew for each caller.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Gives the command that builds a program as it is shipped, into `release` of the target's folder.
///
/// On Linux it is linked statically and at a fixed address, as Go links the tools that it replaces: nothing is to be
/// looked up or moved when it starts, which is a good part of the time and memory of a small build. No path of this
/// machine is left in it.
pub fn shipped(package: &str, target: &str) -> Command {
    let mut cargo = cargo();
    cargo.args([
        "build",
        "--release",
        "--package",
        package,
        "--bin",
        package,
        "--target",
        target,
    ]);
    // Flags of the linked program alone: with `--target`, build scripts and macros do not see them.
    let mut flags: Vec<String> = std::env::var("RUSTFLAGS").into_iter().collect();
    if target.ends_with("-linux-gnu") || target.ends_with("-linux-musl") {
        flags.push("-C target-feature=+crt-static -C relocation-model=static".to_owned());
    }
    for (folder, name) in [(root().canonicalize().ok(), "openflux"), (cargo_home(), "cargo")] {
        let remap = folder.map(|folder| format!("--remap-path-prefix={}=/{name}", folder.display()));
        flags.extend(remap);
    }
    cargo.env("RUSTFLAGS", flags.join(" "));
    cargo
}

/// The target triple of this machine; absent if `rustc` does not say.
pub fn host_target() -> Option<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
}

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where cargo keeps the sources of crates.
fn cargo_home() -> Option<PathBuf> {
    let given = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    given.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}
