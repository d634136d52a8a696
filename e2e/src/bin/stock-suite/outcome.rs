//! How tests ended, and what that says about ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// The test that needs a Vault.
const VAULT: &str = "TestKustomizationReconciler_Decryptor";
/// Tests of functions of stock's: see `prepare::UNITS`.
const UNITS: [&str; 3] = ["TestListStaleTempDirs", "TestPruneSurvivors", "TestPurgeTempDirs"];

/// How tests ended, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    tests: BTreeMap<String, Outcome>,
    /// Whether the line was there that says how all ended: without it, some may not have been run.
    is_whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

impl Outcomes {
    /// Takes a line that a test has printed; tells whether it says how one ended.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        if ["PASS", "FAIL"].contains(&line.trim_end()) {
            self.is_whole = true;
        } else if line.starts_with("=== RUN") || line.starts_with("--- ") {
            // It was not that line, but something that a test has printed.
            self.is_whole = false;
        }
        let Some((verdict, rest)) = line
            .trim_start()
            .strip_prefix("--- ")
            .and_then(|line| line.split_once(": "))
        else {
            return false;
        };
        let outcome = match verdict {
            "PASS" => Outcome::Passed,
            "FAIL" => Outcome::Failed,
            "SKIP" => Outcome::Skipped,
            _ => return false,
        };
        let name = rest.rsplit_once(" (").map_or(rest, |(name, _)| name);
        self.tests.insert(name.to_owned(), outcome);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Whether the run came to its end.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(crate) fn all_passed(&self) -> bool {
        self.tests.values().all(|outcome| *outcome == Outcome::Passed)
    }

    fn has_passed(&self, name: &str) -> bool {
        self.tests.get(name) == Some(&Outcome::Passed)
    }

    fn verdict(&self, name: &str) -> &'static str {
        match self.tests.get(name) {
            Some(Outcome::Passed) => "passes",
            Some(Outcome::Failed) => "FAILS",
            Some(Outcome::Skipped) => "skips",
            None => "-",
        }
    }

    /// The tests that are no part of another, or those that are.
    fn passed(&self, parts: bool) -> usize {
        let passed = self.tests.iter().filter(|(name, outcome)| {
            name.contains('/') == parts && **outcome == Outcome::Passed && !is_unit(name)
        });
        passed.count()
    }
}

fn is_unit(name: &str) -> bool {
    let test = name.split('/').next().unwrap_or_default();
    UNITS.contains(&test)
}

/// Writes down what both pass, and counts what only stock does.
pub(crate) fn table(stock: &Outcomes, ours: &Outcomes, has_vault: bool) -> (String, usize) {
    let names: BTreeSet<&String> = stock.tests.keys().chain(ours.tests.keys()).collect();
    let missing = names
        .iter()
        .filter(|name| stock.has_passed(name) && !ours.has_passed(name) && !is_unit(name))
        .count();
    let mut text = String::from(
        "# kustomize-controller's own tests, on ours\n\nWritten by `cargo xtask stock-suite kustomize --write`; e2e/README.md says how. \
         Tests of functions of stock's\nown, which are not there in ours, are marked.\n\n",
    );
    let count = |outcomes: &Outcomes| {
        format!(
            "{} tests with {} parts",
            outcomes.passed(false),
            outcomes.passed(true)
        )
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "Stock passes {}, ours {}; {missing} pass with stock alone.\n",
        count(stock),
        count(ours)
    );
    if !has_vault {
        let _ = writeln!(
            text,
            "There was no OpenBao, which {VAULT} needs: it fails with both.\n"
        );
    }
    text.push_str("| test | stock | ours |\n|---|---|---|\n");
    for name in names {
        let own = if is_unit(name) {
            "its own function"
        } else {
            ours.verdict(name)
        };
        let short = name
            .strip_prefix("TestKustomizationReconciler_")
            .unwrap_or(name)
            .replace('|', "\\|");
        let _ = writeln!(text, "| {short} | {} | {own} |", stock.verdict(name));
    }
    (text, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(lines: &[&str]) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for line in lines {
            outcomes.take(line);
        }
        outcomes
    }

    #[test]
    fn a_run_that_broke_off_is_not_whole() {
        assert!(outcomes(&["--- PASS: TestA (1.20s)", "PASS"]).is_whole());
        let stopping = ["--- FAIL: TestA (1.20s)", "FAIL", "Stopping the test environment"];
        assert!(outcomes(&stopping).is_whole());
        for broken in [
            &["--- PASS: TestA (1.20s)"][..],
            &["PASS: TestA"],
            &["--- FAIL: TestA (0.10s)", "panic: test timed out after 40m0s"],
            &["PASS", "=== RUN   TestB"],
            &[],
        ] {
            assert!(!outcomes(broken).is_whole(), "{broken:?}");
        }
    }

    #[test]
    fn only_what_passes_with_stock_alone_is_missing() {
        let stock = outcomes(&[
            "=== RUN   TestA",
            "--- PASS: TestA (1.20s)",
            "    --- PASS: TestA/one (of many) (0.10s)",
            "--- FAIL: TestB (0.00s)",
            "--- PASS: TestPruneSurvivors (0.00s)",
        ]);
        let ours = outcomes(&[
            "--- FAIL: TestA (30.00s)",
            "    --- PASS: TestA/one (of many) (0.10s)",
        ]);
        let (text, missing) = table(&stock, &ours, true);
        assert_eq!(missing, 1, "{text}");
        for line in [
            "| TestA | passes | FAILS |",
            "| TestA/one (of many) | passes | passes |",
            "| TestB | FAILS | - |",
            "| TestPruneSurvivors | passes | its own function |",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("Stock passes 1 tests with 1 parts, ours 0 tests with 1 parts"));
    }
}
