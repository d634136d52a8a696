//! Compares the tar of random trees with that of source-controller's library; see `cargo xtask fuzz archive`.

#[path = "../tests/case/mod.rs"]
mod case;

use std::error::Error;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let oracle = arguments
        .next()
        .ok_or("usage: differential_archive ORACLE SEED COUNT")?;
    let output = Command::new(oracle).arg("tars").args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let (mut count, mut failures) = (0, Vec::new());
    for line in std::str::from_utf8(&output.stdout)?.lines() {
        count += 1;
        failures.extend(case::check(line).err());
    }
    if failures.is_empty() && count > 0 {
        return Ok(());
    }
    Err(format!(
        "{} of {count} trees differ:\n{}",
        failures.len(),
        failures.join("\n")
    )
    .into())
}
