//! How fast sources are mirrored.

use anyhow::Result;

use super::Benchmark;
use crate::workspace::{cargo, run};

pub(super) const SOURCES: Benchmark = Benchmark {
    name: "sources",
    about: "1,000 sources mirrored from cold, and the time from a source's status to its Artifact",
    run: measure,
};

fn measure(options: &[String]) -> Result<()> {
    let mut bench = cargo(["bench", "--package", "e2e", "--bench", "sources", "--"]);
    bench.args(options);
    run(&mut bench)
}
