//! Stock helm-controller and ours under the same loads: `cargo xtask bench helm-controller --help`.
//!
//! As `controllers`, whose phases, floor and tables these are: each contender gets a control plane of its own, one after
//! the other. The charts are in OCIRepositories whose `status.artifact` is written by this program.

#[path = "../controllers/floor.rs"]
mod floor;
mod load;
#[path = "../controllers/rollout.rs"]
mod rollout;
#[path = "../controllers/stuck.rs"]
mod stuck;
#[path = "../controllers/table.rs"]
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

/// Stock helm-controller and ours, side by side.
#[derive(Parser)]
#[command(name = "cargo xtask bench helm-controller")]
struct Arguments {
    /// Scenarios; all of them when none is named.
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// How many HelmReleases the load of small charts has.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..=9999))]
    count: u16,
    /// How often each scenario is run; medians are reported.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,
    /// Leave stock's controller out.
    #[arg(long)]
    only_ours: bool,
    /// Keep the tables in `e2e/benchmarks/helm-controller.md`; of named scenarios, only theirs are replaced.
    #[arg(long)]
    write: bool,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Releases of one small chart: install, and upgrade of one object of four.
    Small,
    /// Releases of one chart with as many objects as kube-prometheus-stack has.
    Large,
    /// Healthy releases beside stuck ones.
    Stuck,
}

/// The longest that one scenario may take, whatever hangs.
const LIMIT: Duration = Duration::from_mins(25);

/// How many releases of the large chart there are.
const LARGE: usize = 50;

impl Scenario {
    fn title(self, count: usize) -> String {
        match self {
            Self::Small => format!("`small`: {count} releases of a chart of four objects, `--concurrent=10`"),
            Self::Large => format!("`large`: {LARGE} releases of a chart of 94 objects, `--concurrent=10`"),
            Self::Stuck => "`stuck`: 20 releases that never become ready".to_owned(),
        }
    }

    fn load(self, count: usize) -> Load {
        let is_large = self == Self::Large;
        Load {
            count: if is_large { LARGE } else { count },
            one_source: true,
            wait: true,
            concurrent: 10,
            size: if is_large { Size::Many } else { Size::Four },
        }
    }

    async fn measure(self, count: usize, only_ours: bool) -> Result<Measured> {
        let measuring = async {
            match self {
                Self::Small | Self::Large => self.load(count).measure(only_ours).await,
                Self::Stuck => stuck::measure(only_ours).await,
            }
        };
        tokio::time::timeout(LIMIT, measuring)
            .await
            .with_context(|| format!("not done after {LIMIT:?}"))?
    }

    fn section(self, count: usize, runs: &[Measured]) -> String {
        let rows = median(runs);
        let (columns, conclusion) = match self {
            Self::Small | Self::Large => (rollout::COLUMNS, rollout::conclude(&rows)),
            Self::Stuck => (stuck::COLUMNS, String::new()),
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
        "# Helm controllers, side by side\n\n{}\n\nWritten by `cargo xtask bench helm-controller --count={count} --runs={} --write` on {}.\n",
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
            replace_section("helm-controller", &section)?;
        }
        page.push('\n');
        page.push_str(&section);
    }
    writeln!(progress, "[{:>4} s] done", begin.elapsed().as_secs())?;
    if arguments.write && arguments.scenarios.is_empty() {
        write_page("helm-controller", &page)?;
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

const INTRODUCTION: &str = "
Each contender has a control plane of its own, one after the other, in one run. API server, etcd,
kube-controller-manager, the contender and the load share the machine. All releases are of one chart in one
OCIRepository and wait for their objects; the upgrade is another version of the chart, which changes one object besides
what tells the version. The times end when a watch shows the last HelmRelease ready.

CPU is the controller's from its start to the end of the upgrade, mirroring of the source included for ours; RSS is taken
after its start with nothing to do (ours with both deployers), at its peak, and five seconds after the upgrade. The floor
is the API server's share: the very requests of a roll-out by our controller, taken from the audit log, sent again to a
fresh control plane by as many connections as the controller has workers.
";
