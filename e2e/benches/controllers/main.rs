//! Stock kustomize-controller and ours under the same loads: `cargo xtask bench controllers --help`.
//!
//! Each contender gets a control plane of its own, one after the other. Kustomizations have four objects, impersonate a
//! service account and substitute three variables; their sources' `status.artifact` is written by this program, all with
//! one digest. Time runs from creating the first Kustomization, or writing the first new artifact, until a watch shows
//! the last Kustomization ready with that revision. API server, etcd, kube-controller-manager, contender and this
//! program share the machine.

mod chain;
mod floor;
mod load;
mod rollout;
mod stuck;
mod table;

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use e2e::benchmark::{machine, replace_section, write_page};
use e2e::testbed::controller;

use crate::load::Size;
use crate::rollout::Load;
use crate::table::{Measured, markdown, median};

/// Stock kustomize-controller and ours, side by side.
#[derive(Parser)]
#[command(name = "cargo xtask bench controllers")]
struct Arguments {
    /// Scenarios; all of them when none is named.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// How many Kustomizations the large loads have.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=9999))]
    count: u16,
    /// How often each scenario is run; medians are reported.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,
    /// Leave stock's controller out.
    #[arg(long)]
    only_ours: bool,
    /// Keep the tables in `e2e/benchmarks/controllers.md`; of named scenarios, only theirs are replaced.
    #[arg(long)]
    write: bool,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Kustomizations that wait for their objects: install, and upgrade of one object of four.
    Wait,
    /// The same without waiting.
    NoWait,
    /// Kustomizations on one source.
    Shared,
    /// Healthy Kustomizations beside stuck ones.
    Stuck,
    /// A chain of dependencies.
    Chain,
}

/// The longest that one scenario may take, whatever hangs.
const LIMIT: Duration = Duration::from_mins(20);

impl Scenario {
    fn title(self, count: usize) -> String {
        match self {
            Self::Wait => {
                format!("`wait`: {count} Kustomizations, each with its own source, `--concurrent=20`")
            }
            Self::NoWait => {
                format!("`no-wait`: {count} Kustomizations with `wait: false`, `--concurrent=20`")
            }
            Self::Shared => format!(
                "`shared`: {} Kustomizations on one source, `--concurrent=4`",
                Self::share(count)
            ),
            Self::Stuck => "`stuck`: 20 Kustomizations that never become ready".to_owned(),
            Self::Chain => "`chain`: 10 Kustomizations, each depending on the one before".to_owned(),
        }
    }

    /// 300 of 500, as the published loads have it.
    fn share(count: usize) -> usize {
        (count * 3 / 5).max(1)
    }

    fn load(self, count: usize) -> Load {
        let shared = self == Self::Shared;
        Load {
            count: if shared { Self::share(count) } else { count },
            one_source: shared,
            wait: self == Self::Wait,
            concurrent: if shared { 4 } else { 20 },
            size: Size::Four,
        }
    }

    async fn measure(self, count: usize, only_ours: bool) -> Result<Measured> {
        let measuring = async {
            match self {
                Self::Wait | Self::NoWait | Self::Shared => self.load(count).measure(only_ours).await,
                Self::Stuck => stuck::measure(only_ours).await,
                Self::Chain => chain::measure(only_ours).await,
            }
        };
        tokio::time::timeout(LIMIT, measuring)
            .await
            .with_context(|| format!("not done after {LIMIT:?}"))?
    }

    fn section(self, count: usize, runs: &[Measured]) -> String {
        let rows = median(runs);
        let (columns, conclusion) = match self {
            Self::Wait | Self::NoWait | Self::Shared => (rollout::COLUMNS, rollout::conclude(&rows)),
            Self::Stuck => (stuck::COLUMNS, String::new()),
            Self::Chain => (chain::COLUMNS, String::new()),
        };
        let table = format!("## {}\n\n{}", self.title(count), markdown(columns, &rows));
        let note = runs.last().map(|run| run.note.clone()).unwrap_or_default();
        let paragraphs = [conclusion, note].into_iter().filter(|text| !text.is_empty());
        std::iter::once(table)
            .chain(paragraphs.map(|text| text + "\n"))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let (mut out, mut progress) = (std::io::stdout(), std::io::stderr());
    let begin = Instant::now();
    let count = usize::from(arguments.count);
    let scenarios = if arguments.scenarios.is_empty() {
        Scenario::value_variants()
    } else {
        &arguments.scenarios
    };
    let mut page = format!(
        "# kustomize controllers, side by side\n\n{}\n\nWritten by `cargo xtask bench controllers --count={count} --runs={} --write` on {}.\n",
        INTRODUCTION.trim(),
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
            match scenario.measure(count, arguments.only_ours).await {
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
            scenario.section(count, &runs)
        };
        writeln!(out, "{section}")?;
        if arguments.write && !arguments.scenarios.is_empty() {
            replace_section("controllers", &section)?;
        }
        page.push('\n');
        page.push_str(&section);
    }
    writeln!(progress, "[{:>4} s] done", begin.elapsed().as_secs())?;
    if arguments.write && arguments.scenarios.is_empty() {
        write_page("controllers", &page)?;
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

const INTRODUCTION: &str = "
Each contender has a control plane of its own, one after the other, in one run. API server, etcd,
kube-controller-manager, the contender and the load share the machine. A Kustomization has four objects, impersonates a
service account and substitutes three variables; the upgrade changes one object of four. The times end when a watch
shows the last Kustomization ready.

CPU is the controller's from its start to the end of the upgrade, mirroring of sources included for ours; RSS is taken
after its start with nothing to do, at its peak, and five seconds after the upgrade. The floor is the API server's
share: the very requests of a roll-out by our controller, taken from the audit log, sent again to a fresh control plane
by as many connections as the controller has workers, with nothing decided or waited for in between.
";
