//! Reads cases from standard input and writes their results, as `e2e/tools/gotmpl-oracle` does.

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{self, BufRead, BufWriter, Write};

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let case = serde_json::from_str(&line?)?;
        writeln!(out, "{}", support::run(&case))?;
    }
    out.flush()
}
