//! What a producer of a thousand artifacts costs.

use anyhow::Result;

use super::Benchmark;
use crate::workspace::{cargo, run};

pub(super) const PRODUCERS: Benchmark = Benchmark {
    name: "producers",
    about: "1,000 artifacts of Http sources: served again after a restart, read by fifty, and looked at in vain",
    run: measure,
};

fn measure(options: &[String]) -> Result<()> {
    let mut bench = cargo(["bench", "--package", "e2e", "--bench", "producers", "--"]);
    bench.args(options);
    run(&mut bench)
}
