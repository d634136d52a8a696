//! `openflux helm template` and the real helm on the same charts.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use e2e::tools::{self, Tool};

use super::Benchmark;
use super::side_by_side::SideBySide;
use crate::dist;
use crate::parity::helm::renders;
use crate::workspace;

pub(super) const HELM: Benchmark = Benchmark {
    name: "helm",
    about: "DIR... [--write]: helm template of the charts below the directories, and the library on its own",
    run: measure,
};

const FILE: &str = "e2e/benchmarks/helm.md";

fn measure(options: &[String]) -> Result<()> {
    let (directories, write) = super::directories(options)?;
    let [helm] = tools::ensure([Tool::Helm])?;
    let openflux = dist::openflux()?;
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
        super::keep(FILE, &text)?;
    }
    Ok(())
}
