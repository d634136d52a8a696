//! Drives an oracle that prints random cases, one a line, and compares each; this crate and `sourceignore` share it.

use std::error::Error;
use std::process::Command;

/// Calls the oracle that the arguments name with `task` and the rest of them, and checks what it prints.
pub(crate) fn run(task: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let oracle = arguments.next().ok_or("usage: ORACLE SEED COUNT")?;
    let output = Command::new(oracle).arg(task).args(arguments).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let (mut count, mut failures) = (0, Vec::new());
    for line in std::str::from_utf8(&output.stdout)?.lines() {
        count += 1;
        failures.extend(check(line).err());
    }
    if failures.is_empty() && count > 0 {
        return Ok(());
    }
    let differ = failures.len();
    Err(format!("{differ} of {count} cases differ:\n{}", failures.join("\n")).into())
}
