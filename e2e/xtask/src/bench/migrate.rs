//! What scanning and planning a thousand Kustomizations costs.

use anyhow::Result;

use super::Benchmark;
use crate::workspace::{cargo, run};

pub(super) const MIGRATE: Benchmark = Benchmark {
    name: "migrate",
    about: "openflux migrate scan and plan of 1,000 Kustomizations, and what planning does to runs of others meanwhile",
    run: measure,
};

fn measure(options: &[String]) -> Result<()> {
    let mut bench = cargo(["bench", "--package", "e2e", "--bench", "migrate", "--"]);
    bench.args(options);
    run(&mut bench)
}
