//! `openflux kustomize build` and the real kustomize on the same directories, and the library in process.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use e2e::tools::{Tool, ensure};

use super::Benchmark;
use super::side_by_side::SideBySide;
use crate::dist;
use crate::parity::kustomize::find_kustomizations;
use crate::workspace::{cargo, say};

pub(super) const KUSTOMIZE: Benchmark = Benchmark {
    name: "kustomize",
    about: "DIR... [--write]: kustomize build of what lies below the directories, and the library on its own",
    run: measure,
};

const FILE: &str = "e2e/benchmarks/kustomize.md";

fn measure(options: &[String]) -> Result<()> {
    let (directories, write) = super::directories(options)?;
    let [kustomize] = ensure([Tool::Kustomize])?;
    let openflux = dist::openflux()?;
    let mut figures = SideBySide::default();
    let mut failing = 0;
    for directory in &directories {
        let mut roots = Vec::new();
        find_kustomizations(directory, &mut roots)?;
        for root in roots {
            let stock = || {
                let mut command = Command::new(&kustomize);
                command.arg("build").arg(&root);
                command
            };
            let ours = || {
                let mut command = Command::new(&openflux);
                command
                    .args(["kustomize", "build", "--no-remote-bases"])
                    .arg(&root);
                command
            };
            let name = root.strip_prefix(directory.parent().unwrap_or(directory));
            let name = name.unwrap_or(&root).display().to_string();
            // What fails here may be waiting for the network there.
            if !succeeds(ours())? || !figures.measure(name, 3, stock, ours)? {
                failing += 1;
            }
        }
    }
    let figures = figures.report();
    let text = format!(
        "{figures}\n{failing} directories do not build, or not without the network, and do not count.\n\n\
         In process, as a controller uses it (`cargo bench --package kustomize`):\n\n{}",
        in_process()?
    );
    say(&text);
    if write {
        super::keep(FILE, &text)?;
    }
    Ok(())
}

fn succeeds(mut command: Command) -> Result<bool> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    Ok(status
        .with_context(|| format!("cannot start {command:?}"))?
        .success())
}

/// The table of the library's own benchmark.
fn in_process() -> Result<String> {
    let mut bench = cargo(["bench", "--quiet", "--package", "kustomize", "--bench", "build"]);
    let output = bench.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{bench:?} ended with {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}
