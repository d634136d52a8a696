//! `openflux helm template` and the real helm on the same charts.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use e2e::tools::{self, Tool};

use super::Benchmark;
use super::side_by_side::SideBySide;
use crate::parity::helm::{release_binary, renders};
use crate::workspace;

pub(super) const HELM: Benchmark = Benchmark {
    name: "helm",
    about: "DIR... [--write]: helm template of the charts below the directories, and the library on its own",
    run: measure,
};

const FILE: &str = "e2e/benchmarks/helm.md";

fn measure(options: &[String]) -> Result<()> {
    let write = options.iter().any(|option| option == "--write");
    let directories: Vec<PathBuf> = options
        .iter()
        .filter(|option| *option != "--write")
        .map(PathBuf::from)
        .collect();
    if directories.is_empty() {
        bail!("give directories with charts below them");
    }
    let [helm] = tools::ensure([Tool::Helm])?;
    let openflux = release_binary()?;
    let mut figures = SideBySide::default();
    let mut failing = 0;
    for render in renders(&directories)? {
        let name = directories
            .iter()
            .find_map(|directory| {
                PathBuf::from(render.name())
                    .strip_prefix(directory)
                    .map(|path| path.display().to_string())
                    .ok()
            })
            .unwrap_or_else(|| render.name());
        let stock = || {
            let mut command = Command::new(&helm);
            render.arguments(command.arg("template"));
            command
        };
        let ours = || {
            let mut command = Command::new(&openflux);
            render.arguments(command.args(["helm", "template", "--allow-outside-links"]));
            command
        };
        if !figures.measure(name, 3, stock, ours)? {
            failing += 1;
        }
    }
    let figures = figures.report();
    let text = format!("{figures}\n{failing} renders fail in helm and do not count.\n");
    workspace::say(&text);
    if write {
        let path = workspace::root().join(FILE);
        let old = std::fs::read_to_string(&path).with_context(|| format!("cannot read {FILE}"))?;
        let head = old
            .split_inclusive("<!-- figures -->\n")
            .next()
            .unwrap_or_default();
        std::fs::write(&path, format!("{head}\n{text}")).with_context(|| format!("cannot write {FILE}"))?;
    }
    Ok(())
}
