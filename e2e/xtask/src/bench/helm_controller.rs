//! Stock helm-controller and ours under the same load.

use anyhow::Result;

use super::Benchmark;
use crate::workspace::{cargo, run};

pub(super) const HELM_CONTROLLER: Benchmark = Benchmark {
    name: "helm-controller",
    about: "stock's helm-controller and ours under the same loads, and the floor; `--help` lists the loads",
    run: measure,
};

fn measure(options: &[String]) -> Result<()> {
    let mut bench = cargo(["bench", "--package", "e2e", "--bench", "helm-controller", "--"]);
    bench.args(options);
    run(&mut bench)
}
