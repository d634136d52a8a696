//! `cargo xtask generate <what>`: write what is committed but comes from somewhere else.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::record::build_oracle;
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to write: `openapi`, the types that kustomize embeds, as compat/kustomize needs them.
    what: String,
    /// Only compare with what is there.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.what != "openapi" {
        bail!("there is no {:?}, only: openapi", arguments.what);
    }
    let root = workspace::root();
    let path = root.join("compat/kustomize/src/openapi/kubernetes-v1.21.2.txt");
    let output = Command::new(build_oracle(&root, "kustomize-oracle")?)
        .arg("openapi")
        .output()?;
    if !output.status.success() {
        bail!("the oracle ended with {}", output.status);
    }
    if !arguments.check {
        return fs::write(&path, output.stdout).with_context(|| format!("cannot write {}", path.display()));
    }
    if fs::read(&path)? != output.stdout {
        bail!(
            "{} is not what `cargo xtask generate openapi` writes",
            path.display()
        );
    }
    Ok(())
}
