//! Cargo, called from a program that cargo runs.

use std::path::Path;
use std::process::Command;

/// Gives a `cargo` command in the root of the repository that finds everything as built as one from a shell would.
///
/// `cargo run` describes the package of the program in its environment. Build scripts read the same variables, so that
/// they, and all that depends on them, would be built anew for each caller.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}
