//! `cargo xtask dist`: the `openflux` program as it is shipped and measured.

use std::path::PathBuf;

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
    let target = e2e::host_target().context("`rustc -vV` names no host")?;
    workspace::run(&mut e2e::shipped("openflux", &target))?;
    Ok(workspace::target_folder().join(target).join("release/openflux"))
}
