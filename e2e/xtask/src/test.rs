//! `cargo xtask test`: everything that must pass before a change lands.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use e2e::tools::Tool;

use crate::workspace::{cargo, explain as say, root, target_folder};
use crate::{again, fuzz, tools};

/// What the tests start, most needed first; other tools are built when a task asks for them.
const TOOLS: &[Tool] = &[
    Tool::Etcd,
    Tool::KubeApiserver,
    Tool::KubeControllerManager,
    Tool::SourceController,
    Tool::KustomizeController,
    Tool::NotificationController,
    Tool::Flux,
    Tool::Helm,
    Tool::Registry,
    Tool::S3,
    Tool::Crane,
];

const FORMAT: &[&str] = &["fmt", "--all", "--check"];
const LINTS: &[&str] = &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
const PROGRAMS: &[&str] = &["build", "--workspace", "--bins"];
const BUILD_TESTS: &[&str] = &["test", "--workspace", "--no-run"];
const UNIT_TESTS: &[&str] = &["test", "--workspace", "--exclude", "e2e"];
/// Those of the testbed, but for the ones on a cluster.
const TESTBED_TESTS: &[&str] = &[
    "test",
    "--package",
    "e2e",
    "--lib",
    "--bins",
    "--test",
    "dependencies",
    "--test",
    "rules",
];
const TESTBED_EXAMPLES: &[&str] = &["test", "--package", "e2e", "--doc"];
const CLUSTER_TESTS: &[&str] = &["test", "--package", "e2e", "--test", "cluster", "--"];
/// They mostly wait for controllers, so more of them than there are cores run at once.
const CLUSTER_THREADS: usize = 8;

pub(crate) fn run_all() -> Result<()> {
    let mut summary = Vec::new();
    let tools = tools::in_background(TOOLS);
    step(&mut summary, "formatting", cargo(FORMAT))?;
    step(&mut summary, "lints", cargo(LINTS))?;
    step(&mut summary, "programs", cargo(PROGRAMS))?;
    step(&mut summary, "compiling the tests", cargo(BUILD_TESTS))?;
    step(&mut summary, "tests without a cluster", cargo(UNIT_TESTS))?;
    for manifest in fuzz::target_crates()? {
        let mut check = cargo(["check", "--quiet", "--bins", "--manifest-path"]);
        check.arg(manifest).arg("--target-dir").arg(target_folder());
        // Nothing is linked, so that the fuzzer itself, which is C++, need not be there.
        check.env("CUSTOM_LIBFUZZER_PATH", "/dev/null");
        step(&mut summary, "targets for libFuzzer", check)?;
    }
    summary.push(("building the stock tools, meanwhile", tools.finished()?));
    let start = Instant::now();
    say("== engines against the real tools on random input");
    fuzz::run_short()?;
    summary.push(("engines against the real tools", start.elapsed()));
    for (name, arguments) in [
        ("tests of the testbed", TESTBED_TESTS),
        ("examples of the testbed", TESTBED_EXAMPLES),
    ] {
        let mut tests = cargo(arguments);
        tests.env("OPENFLUX_BIN_DIR", program_dir());
        step(&mut summary, name, tests)?;
    }
    let start = Instant::now();
    say("== tests on a cluster");
    let cluster = |arguments: &[&str]| {
        let mut cluster = cargo(CLUSTER_TESTS);
        cluster.args(arguments).env("OPENFLUX_BIN_DIR", program_dir());
        cluster
    };
    let flaky = again::run(cluster, CLUSTER_THREADS, &mut std::io::stdout()).context("tests on a cluster")?;
    summary.push(("tests on a cluster", start.elapsed()));
    say("");
    for (name, elapsed) in summary {
        say(&format!("{name:36} {:6.1} s", elapsed.as_secs_f64()));
    }
    for name in &flaky {
        say(&again::told(name));
    }
    say(if flaky.is_empty() {
        "all passed"
    } else {
        "all passed, some of them only alone"
    });
    Ok(())
}

/// Where `cargo build` puts the programs; it is where this one lies.
fn program_dir() -> std::path::PathBuf {
    let own = std::env::current_exe().ok();
    own.and_then(|path| Some(path.parent()?.to_owned()))
        .unwrap_or_else(|| root().join("target/debug"))
}

fn step(summary: &mut Vec<(&'static str, Duration)>, name: &'static str, mut command: Command) -> Result<()> {
    say(&format!("== {name}"));
    let start = Instant::now();
    let status = command.status()?;
    if !status.success() {
        bail!("{name}: {command:?} ended with {status}");
    }
    summary.push((name, start.elapsed()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_test_of_the_testbed_is_left_out() {
        let folder = root().join("e2e/tests");
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let there: BTreeSet<_> = names
            .map(|name| name.trim_end_matches(".rs").to_owned())
            .collect();
        let named = TESTBED_TESTS.windows(2).chain(CLUSTER_TESTS.windows(2));
        let run: BTreeSet<_> = named
            .filter(|pair| pair[0] == "--test")
            .map(|pair| pair[1].to_owned())
            .collect();
        assert_eq!(run, there);
    }
}
