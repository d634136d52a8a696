//! `cargo xtask generate <what>`: write what is committed but comes from somewhere else.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::record::build_oracle;
use crate::workspace;

/// One generated file and the oracle that prints it.
struct Generated {
    name: &'static str,
    about: &'static str,
    path: &'static str,
    oracle: &'static str,
    argument: &'static str,
}

const GENERATED: &[Generated] = &[
    Generated {
        name: "openapi",
        about: "the types that kustomize embeds, as compat/kustomize needs them",
        path: "compat/kustomize/src/openapi/kubernetes-v1.21.2.txt",
        oracle: "kustomize-oracle",
        argument: "openapi",
    },
    Generated {
        name: "go-types",
        about: "the Go types of the built-in kinds, as controllers/kit needs them",
        path: "controllers/kit/src/apply/normalize/go-types.txt",
        oracle: "normalize-oracle",
        argument: "table",
    },
    Generated {
        name: "patch-types",
        about: "how the fields of built-in kinds are merged, as compat/helm needs them",
        path: "compat/helm/src/merge/patch-types.txt",
        oracle: "apply-oracle",
        argument: "patch-types",
    },
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to write; without it, what there is to write is listed.
    what: Option<String>,
    /// Only compare with what is there.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let known = workspace::listing(GENERATED.iter().map(|file| (file.name, file.about)));
    let Some(what) = &arguments.what else {
        bail!("say what to generate:{known}");
    };
    let Some(file) = GENERATED.iter().find(|file| file.name == what) else {
        bail!("there is no {what:?}, only:{known}");
    };
    let root = workspace::root();
    let path = root.join(file.path);
    let output = Command::new(build_oracle(&root, file.oracle)?)
        .arg(file.argument)
        .output()?;
    if !output.status.success() {
        bail!("the oracle ended with {}", output.status);
    }
    if !arguments.check {
        return fs::write(&path, output.stdout).with_context(|| format!("cannot write {}", path.display()));
    }
    if fs::read(&path)? != output.stdout {
        bail!(
            "{} is not what `cargo xtask generate {what}` writes",
            path.display()
        );
    }
    Ok(())
}
