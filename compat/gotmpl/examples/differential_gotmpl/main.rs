//! Compares the engine with Go's on random templates: `differential ORACLE SEED COUNT`.
//!
//! ORACLE is the program built from `e2e/tools/gotmpl-oracle`. Each difference is printed as a case
//! that can be appended to a `cases.jsonl`; the exit status says whether there was one.

#[path = "../../tests/support/mod.rs"]
mod support;

mod generate;

use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use serde_json::Value as Json;

/// Cases per run of the oracle.
const BATCH: u64 = 20_000;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [oracle, seed, count] = arguments.as_slice() else {
        return Err(io::Error::other("usage: differential ORACLE SEED COUNT"));
    };
    let seed: u64 = seed.parse().map_err(io::Error::other)?;
    let count: u64 = count.parse().map_err(io::Error::other)?;
    let mut out = io::stdout().lock();
    let mut differences = 0_u64;
    for first in (0..count).step_by(BATCH as usize) {
        let batch: Vec<Json> = (first..count.min(first + BATCH))
            .map(|n| generate::case(seed.wrapping_mul(1 << 32) + n))
            .collect();
        for (case, want) in batch.iter().zip(ask(oracle, &batch)?) {
            let got = support::run(case);
            if !support::same(&got, &want) {
                differences += 1;
                writeln!(out, "{case}\n# got  {got}\n# want {want}")?;
            }
        }
    }
    writeln!(out, "{count} cases, {differences} differences")?;
    Ok(if differences == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Lets the oracle run a batch.
fn ask(oracle: &str, batch: &[Json]) -> io::Result<Vec<Json>> {
    let mut child = Command::new(oracle)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdin = child.stdin.take().ok_or_else(|| io::Error::other("no stdin"))?;
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no stdout"))?;
    let results = thread::scope(|scope| {
        scope.spawn(move || {
            let mut stdin = BufWriter::new(stdin);
            for case in batch {
                writeln!(stdin, "{case}")?;
            }
            stdin.flush()
        });
        BufReader::new(stdout)
            .lines()
            .map(|line| serde_json::from_str(&line?).map_err(io::Error::other))
            .collect::<io::Result<Vec<Json>>>()
    })?;
    child.wait()?;
    if results.len() != batch.len() {
        return Err(io::Error::other(format!(
            "the oracle answered {} of {} cases",
            results.len(),
            batch.len()
        )));
    }
    Ok(results)
}
