//! Tests that fail beside others run once more, alone, so that a machine which is too busy is told apart from a fault.
//!
//! They are told by name at the end all the same: a test that only passes alone waits for the wrong thing. Some never run again,
//! see [`RARE`].

use std::io::{BufRead as _, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, ensure};

/// More failures than these are no matter of chance.
const MOST: usize = 3;

/// Modules whose tests kill processes, or hand objects over, at moments of chance: what they find they find seldom, so that a
/// second run which passes tells nothing.
const RARE: [&str; 17] = [
    "crash",
    "deletion",
    "hand_over",
    "helm_crash",
    "helm_kills",
    "helm_moves",
    "http_kills",
    "interlock",
    "leadership",
    "migrate_busy",
    "migrate_ends",
    "migrate_kills",
    "migrate_trials",
    "moves",
    "ownership",
    "restart",
    "shards",
];

/// Whether what a test finds is found seldom.
fn is_rare(test: &str) -> bool {
    let module = test.split_once("::").map_or("", |(module, _)| module);
    RARE.contains(&module)
}

/// Runs one test binary by `command`, which takes the arguments for the binary, with that many tests at once; what fails runs
/// once more, alone. Gives what passed only then. What the binary prints goes to `out` as it comes.
///
/// # Errors
/// The command cannot be started, or tests fail for good.
pub(crate) fn run(
    command: impl Fn(&[&str]) -> Command,
    threads: usize,
    out: &mut impl Write,
) -> Result<Vec<String>> {
    let threads = format!("--test-threads={threads}");
    let (status, report) = stream(command(&[threads.as_str()]), out)?;
    if status.success() {
        return Ok(Vec::new());
    }
    let ended = || format!("the tests ended with {status}");
    let failed = report.failed().with_context(ended)?;
    ensure!(!failed.is_empty(), ended());
    let names = failed.join(", ");
    ensure!(failed.len() <= MOST, "{} tests failed: {names}", failed.len());
    let rare: Vec<_> = failed.iter().filter(|name| is_rare(name)).cloned().collect();
    ensure!(
        rare.is_empty(),
        "{names} failed, of which these do not run again, for what they find they find seldom: {}",
        rare.join(", ")
    );
    writeln!(out, "== once more, alone: {names}")?;
    let (mut alone, mut again) = (Vec::new(), Vec::new());
    for name in failed {
        let (status, report) = stream(command(&["--exact", &name, "--test-threads=1"]), out)?;
        // A name that matches nothing would pass, too.
        if status.success() && report.has_passed(&name) {
            alone.push(name);
        } else {
            again.push(name);
        }
    }
    for name in &alone {
        writeln!(out, "{}", told(name))?;
    }
    ensure!(again.is_empty(), "failed again, alone: {}", again.join(", "));
    Ok(alone)
}

/// What is said of a test that passed only alone.
pub(crate) fn told(name: &str) -> String {
    format!("flaky: passed alone: {name}")
}

/// Runs a command with its output passed on line by line, and reads along.
fn stream(mut command: Command, out: &mut impl Write) -> Result<(ExitStatus, Report)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let mut output = BufReader::new(child.stdout.take().context("no output")?);
    let (mut report, mut line) = (Report::default(), Vec::new());
    while output.read_until(b'\n', &mut line)? > 0 {
        out.write_all(&line)?;
        out.flush()?;
        report.read(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok((child.wait()?, report))
}

/// What the output of a test binary tells.
#[derive(Debug, Default)]
struct Report {
    passed: Vec<String>,
    /// The last list of names below `failures:`.
    listed: Vec<String>,
    /// Whether the list goes on.
    goes_on: bool,
    /// What is listed at the end, and how many failed by the last line.
    end: Option<(Vec<String>, usize)>,
}

impl Report {
    /// Reads the next line.
    fn read(&mut self, line: &str) {
        if line == "failures:" {
            // There are two: what the tests printed comes ahead of their names.
            (self.listed, self.goes_on) = (Vec::new(), true);
        } else if let Some(result) = line.strip_prefix("test result: ") {
            let failed = result.split("; ").find_map(|part| part.strip_suffix(" failed"));
            let failed = failed.and_then(|count| count.parse().ok());
            self.end = failed.map(|failed| (std::mem::take(&mut self.listed), failed));
            self.goes_on = false;
        } else if self.goes_on {
            match line.strip_prefix("    ") {
                Some(name) => self.listed.push(name.to_owned()),
                None => self.goes_on = false,
            }
        } else if let Some(name) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... ok"))
        {
            self.passed.push(name.to_owned());
        }
    }

    /// The names of what failed; nothing if the output does not come to its end or contradicts itself.
    fn failed(&self) -> Option<Vec<String>> {
        let (names, count) = self.end.as_ref()?;
        (names.len() == *count).then(|| names.clone())
    }

    fn has_passed(&self, name: &str) -> bool {
        self.passed.iter().any(|passed| passed == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(output: &str) -> Report {
        let mut report = Report::default();
        for line in output.lines() {
            report.read(line);
        }
        report
    }

    const OUTPUT: &str = "
running 3 tests
test app::it_runs ... ok
test app::it_fails ... FAILED
test expressions::it_has_been_slow has been running for over 60 seconds
test expressions::it_has_been_slow ... FAILED

failures:

---- app::it_fails stdout ----
failures:
    printed::by::a_test
Error: waited 90s

---- expressions::it_has_been_slow stdout ----

thread 'expressions::it_has_been_slow' (7) panicked at here.rs:1:1:
    left: 1


failures:
    app::it_fails
    expressions::it_has_been_slow

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 470.59s
";

    #[test]
    fn the_names_at_the_end_are_those_that_failed() {
        let report = report(OUTPUT);
        let failed = ["app::it_fails", "expressions::it_has_been_slow"].map(str::to_owned);
        assert_eq!(report.failed(), Some(failed.to_vec()));
        assert!(report.has_passed("app::it_runs") && !report.has_passed("app::it_fails"));
    }

    #[test]
    fn what_does_not_come_to_its_end_tells_nothing() {
        let (start, _) = OUTPUT.split_once("test result:").unwrap();
        assert_eq!(report(start).failed(), None);
        let contradicts = OUTPUT.replace("2 failed", "3 failed");
        assert_eq!(report(&contradicts).failed(), None);
        assert_eq!(report("").failed(), None);
        let good =
            "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 5 filtered out";
        assert_eq!(report(good).failed(), Some(Vec::new()));
        assert!(!report(good).has_passed("app::it_runs"));
    }

    /// A shell that stands for a test binary: it is called with the arguments for it.
    fn shell(script: &str) -> impl Fn(&[&str]) -> Command {
        move |arguments: &[&str]| {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", script, "test"]).args(arguments);
            shell
        }
    }

    fn failing(names: &[&str], beside: &str) -> String {
        let list: Vec<_> = names.iter().map(|name| format!("    {name}\\n")).collect();
        let list = list.concat();
        let count = names.len();
        format!(
            "if [ \"$1\" = --exact ]; then {beside}; fi; \
             printf 'failures:\\n\\nfailures:\\n{list}\\ntest result: FAILED. 0 passed; {count} failed; 0 ignored\\n'; exit 101"
        )
    }

    #[test]
    fn what_fails_beside_others_runs_once_more_alone() {
        let passes = "echo \"test $2 ... ok\"; echo 'test result: ok. 1 passed; 0 failed; 0 ignored'; exit 0";
        let mut out = Vec::new();
        let flaky = run(shell(&failing(&["a::b", "c"], passes)), 8, &mut out).unwrap();
        assert_eq!(flaky, ["a::b", "c"]);
        let out = String::from_utf8(out).unwrap();
        for line in [
            "    a::b",
            "== once more, alone: a::b, c",
            "test c ... ok",
            "flaky: passed alone: c",
        ] {
            assert!(
                out.lines().any(|printed| printed == line),
                "{line} is not in {out}"
            );
        }
        let nothing = run(shell("exit 0"), 8, &mut Vec::new()).unwrap();
        assert_eq!(nothing, Vec::<String>::new());

        let error = |script: &str| {
            let failed = run(shell(script), 8, &mut Vec::new());
            failed.unwrap_err().to_string()
        };
        let one = format!("if [ \"$2\" = a ]; then {passes}; fi; exit 101");
        assert_eq!(error(&failing(&["a", "b"], &one)), "failed again, alone: b");
        assert_eq!(error(&failing(&["a"], "exit 0")), "failed again, alone: a");
        assert_eq!(
            error(&failing(&["a", "b", "c", "d"], passes)),
            "4 tests failed: a, b, c, d"
        );
        assert!(error("exit 134").contains("134"), "it was not a test");
    }

    #[test]
    fn what_is_found_seldom_is_not_looked_for_a_second_time() {
        let passes = "echo \"test $2 ... ok\"; exit 0";
        let mut out = Vec::new();
        let failing = failing(&["app::a", "helm_kills::one::b"], passes);
        let error = run(shell(&failing), 8, &mut out).unwrap_err().to_string();
        assert!(
            error.starts_with("app::a, helm_kills::one::b failed, of which")
                && error.ends_with(": helm_kills::one::b"),
            "{error}"
        );
        let out = String::from_utf8(out).unwrap();
        assert!(!out.contains("once more"), "{out}");
        for (test, rare) in [
            ("moves::a", true),
            ("moves", false),
            ("removes::a", false),
            ("app::moves::a", false),
        ] {
            assert_eq!(is_rare(test), rare, "{test}");
        }
    }

    #[test]
    fn what_is_rare_is_there() {
        let modules = include_str!("../../tests/cluster/main.rs");
        for module in RARE {
            let line = format!("mod {module};");
            assert!(modules.lines().any(|declared| declared == line), "{module}");
        }
    }
}
