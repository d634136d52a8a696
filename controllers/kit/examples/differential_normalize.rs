//! Compares normalisation with Flux's own on random objects: `cargo xtask fuzz normalize`.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _, stdout};
use std::process::{Command, Stdio};

#[path = "../tests/normalize/case.rs"]
mod case;

/// Gets the oracle, a seed and a count.
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [oracle, seed, count] = arguments.as_slice() else {
        return Err("usage: differential_normalize ORACLE SEED COUNT".into());
    };
    let mut oracle = Command::new(oracle)
        .args(["fuzz", seed, count])
        .stdout(Stdio::piped())
        .spawn()?;
    let answers = oracle.stdout.take().ok_or("the oracle says nothing")?;
    let (mut cases, mut differences) = (0, 0);
    for line in BufReader::new(answers).lines() {
        cases += 1;
        if let Err(difference) = case::check(&line?) {
            differences += 1;
            writeln!(stdout(), "{difference}\n")?;
        }
    }
    writeln!(stdout(), "{cases} cases, {differences} differences")?;
    if !oracle.wait()?.success() {
        return Err("the oracle failed".into());
    }
    if differences > 0 {
        return Err("not the same".into());
    }
    Ok(())
}
