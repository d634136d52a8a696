//! `cargo xtask testbed` and `cargo xtask demo`: the program of the crate `e2e`, which links the Kubernetes client.

use anyhow::Result;

use crate::workspace::{cargo, run};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What is passed on; see `--help` of the task.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn forward(task: &[&str], arguments: &Arguments) -> Result<()> {
    let command = ["run", "--quiet", "--package", "e2e", "--bin", "testbed", "--"];
    run(cargo(command).args(task).args(&arguments.rest))
}
