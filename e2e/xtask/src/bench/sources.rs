//! How fast sources are mirrored.

use anyhow::Result;

use super::Benchmark;
use crate::workspace::{cargo, run};

pub(super) const SOURCES: Benchmark = Benchmark {
    name: "sources",
    about: "1,000 sources mirrored from cold, and the time from a source's status to its Artifact",
    run: measure,
};

fn measure(_: &[String]) -> Result<()> {
    run(&mut cargo(["bench", "--package", "e2e", "--bench", "sources"]))
}
