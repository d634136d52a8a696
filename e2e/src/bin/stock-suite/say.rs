//! What is told while the tests run.

use std::io::Write as _;

/// Tells one line.
pub(crate) fn say(line: &str) {
    // A closed stdout changes nothing about what is done.
    let _ = writeln!(std::io::stdout(), "{line}");
}
