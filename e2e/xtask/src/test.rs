//! `cargo xtask test`: everything that must pass before a change lands.

use anyhow::Result;

use crate::workspace::{cargo, run};

/// The steps in order; the first that fails ends the run.
const STEPS: &[(&str, &[&str])] = &[
    ("formatting", &["fmt", "--all", "--check"]),
    (
        "lints",
        &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
    ),
    ("tests", &["test", "--workspace"]),
];

pub(crate) fn run_all() -> Result<()> {
    for (_, arguments) in STEPS {
        run(&mut cargo(*arguments))?;
    }
    Ok(())
}
