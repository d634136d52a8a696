//! The command line of a benchmark, its runs, and the page that keeps its tables.

use std::fmt::Debug;
use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, ValueEnum};
use e2e::benchmark::{machine, replace_section, write_page};
use e2e::testbed::controller;

use super::table::{Measured, Row, markdown, median};

/// What a benchmark measures.
pub(crate) trait Scenario: ValueEnum + Copy + Debug + Send + Sync + 'static {
    /// What the benchmark is called, and its page.
    const NAME: &'static str;
    /// The title of its page.
    const TITLE: &'static str;
    /// What is said ahead of the tables.
    const INTRODUCTION: &'static str;
    /// How many objects the large loads have, unless somebody says otherwise.
    const COUNT: u16;
    /// The longest that one scenario may take, whatever hangs.
    const LIMIT: Duration;

    /// The title of its table.
    fn title(self, count: usize) -> String;

    /// Measures it once.
    fn measure(self, count: usize, only_ours: bool) -> impl Future<Output = Result<Measured>>;

    /// The columns of its table.
    fn columns(self) -> &'static [&'static str];

    /// What follows from the rows.
    fn conclude(self, rows: &[Row]) -> String;
}

#[derive(Parser)]
struct Arguments<S: Scenario> {
    /// Scenarios; all of them when none is named.
    #[arg(value_enum)]
    scenarios: Vec<S>,
    /// How many objects the large loads have; as many as the published ones by default.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=9999))]
    count: Option<u16>,
    /// How often each scenario is run; medians are reported.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,
    /// Leave stock's controller out.
    #[arg(long)]
    only_ours: bool,
    /// Keep the tables in `e2e/benchmarks/`; of named scenarios, only theirs are replaced.
    #[arg(long)]
    write: bool,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Measures what the command line says.
pub(crate) fn main<S: Scenario>() -> Result<()> {
    let command = Arguments::<S>::command().name(format!("cargo xtask bench {}", S::NAME));
    let arguments = Arguments::<S>::from_arg_matches(&command.get_matches())?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(run(&arguments))
}

async fn run<S: Scenario>(arguments: &Arguments<S>) -> Result<()> {
    let (mut out, mut progress) = (std::io::stdout(), std::io::stderr());
    let begin = Instant::now();
    let count = usize::from(arguments.count.unwrap_or(S::COUNT));
    let scenarios = if arguments.scenarios.is_empty() {
        S::value_variants()
    } else {
        &arguments.scenarios
    };
    let mut page = format!(
        "# {}\n\n{}\n\nWritten by `cargo xtask bench {} --count={count} --runs={} --write` on {}.\n",
        S::TITLE,
        S::INTRODUCTION.trim(),
        S::NAME,
        arguments.runs,
        machine(),
    );
    writeln!(progress, "building openflux-controller")?;
    controller()?;
    let mut failed = Vec::new();
    for scenario in scenarios {
        let mut runs = Vec::new();
        for run in 1..=arguments.runs {
            writeln!(
                progress,
                "[{:>4} s] {scenario:?}, run {run} of {}",
                begin.elapsed().as_secs(),
                arguments.runs
            )?;
            let measuring = tokio::time::timeout(S::LIMIT, scenario.measure(count, arguments.only_ours));
            let measured = measuring.await;
            let measured = measured.with_context(|| format!("not done after {:?}", S::LIMIT));
            match measured.flatten() {
                Ok(measured) => runs.push(measured),
                Err(error) => {
                    writeln!(progress, "{scenario:?} failed: {error:#}")?;
                    failed.push(format!("{scenario:?}"));
                }
            }
        }
        let section = if runs.is_empty() {
            format!("## {}\n\nThis run of it failed.\n", scenario.title(count))
        } else {
            section(*scenario, count, &runs)
        };
        writeln!(out, "{section}")?;
        if arguments.write && !arguments.scenarios.is_empty() {
            replace_section(S::NAME, &section)?;
        }
        page.push('\n');
        page.push_str(&section);
    }
    writeln!(progress, "[{:>4} s] done", begin.elapsed().as_secs())?;
    if arguments.write && arguments.scenarios.is_empty() {
        write_page(S::NAME, &page)?;
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

fn section<S: Scenario>(scenario: S, count: usize, runs: &[Measured]) -> String {
    let rows = median(runs);
    let table = format!(
        "## {}\n\n{}",
        scenario.title(count),
        markdown(scenario.columns(), &rows)
    );
    let note = runs.last().map(|run| run.note.clone()).unwrap_or_default();
    let paragraphs = [scenario.conclude(&rows), note]
        .into_iter()
        .filter(|text| !text.is_empty());
    std::iter::once(table)
        .chain(paragraphs.map(|text| text + "\n"))
        .collect::<Vec<_>>()
        .join("\n")
}
