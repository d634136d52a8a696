//! What `cargo xtask diff-helm` and `diff-kustomize` run: scenarios under stock's controller and under ours, side by side.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use e2e::differential::{Compared, Deployer, Scenario, Shared, Side, both, public_chart, scenarios};
use e2e::testbed::controller;
use futures::{StreamExt as _, stream};

/// The same objects under stock's controller and under ours, on two control planes.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// HelmReleases under stock's helm-controller and under ours.
    DiffHelm {
        /// Folders of charts that are gone through, instead of the scenarios; a file `NAME.values.yaml` beside a folder NAME
        /// has values.
        charts: Vec<PathBuf>,
        #[command(flatten)]
        chosen: Chosen,
    },
    /// Kustomizations under stock's kustomize-controller and under ours.
    DiffKustomize {
        #[command(flatten)]
        chosen: Chosen,
    },
}

/// Which scenarios are played, and how.
#[derive(clap::Args)]
struct Chosen {
    /// Only scenarios whose names contain one of these texts. Repeatable.
    #[arg(long)]
    only: Vec<String>,
    /// How many scenarios are under way at once.
    #[arg(long, default_value_t = 8)]
    at_once: usize,
    /// Names the scenarios, and does nothing.
    #[arg(long)]
    list: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Task::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(task: Task) -> Result<bool> {
    let (deployer, charts, arguments) = match task {
        Task::DiffHelm { charts, chosen } => (Deployer::Helm, charts, chosen),
        Task::DiffKustomize { chosen } => (Deployer::Kustomize, Vec::new(), chosen),
    };
    let mut chosen = if charts.is_empty() {
        scenarios(deployer)?
    } else {
        let charts = charts.iter().map(|folder| {
            let values = folder.with_extension("values.yaml");
            let values = values
                .exists()
                .then(|| anyhow::Ok(serde_saphyr::from_str(&std::fs::read_to_string(&values)?)?))
                .transpose()?;
            public_chart(folder, values.as_ref())
        });
        charts.collect::<Result<_>>()?
    };
    let is_wanted = |name: &str| arguments.only.iter().any(|part| name.contains(part.as_str()));
    chosen.retain(|scenario| arguments.only.is_empty() || is_wanted(&scenario.name));
    chosen.retain(|scenario| !scenario.on_demand || arguments.only.contains(&scenario.name));
    if arguments.list {
        for scenario in &chosen {
            say(&scenario.name);
        }
        return Ok(true);
    }
    controller()?;
    let pods = !charts.is_empty();
    let (stock, ours) = tokio::try_join!(
        Side::start(deployer, false, pods),
        Side::start(deployer, true, pods)
    )?;
    let shared = Shared::start()?;
    let begin = Instant::now();
    let mut totals = (0, 0, 0);
    let compared = chosen.iter().map(|scenario| {
        let (shared, stock, ours) = (&shared, &stock, &ours);
        async move { (scenario, both(scenario, shared, stock, ours).await) }
    });
    let mut compared = stream::iter(compared).buffer_unordered(arguments.at_once.max(1));
    while let Some((scenario, result)) = compared.next().await {
        tell(scenario, &result);
        match result {
            Ok(compared) if compared.unexplained.is_empty() => totals.0 += 1,
            Ok(_) => totals.1 += 1,
            Err(_) => totals.2 += 1,
        }
    }
    let (same, differ, failed) = totals;
    say(&format!(
        "{same} scenarios are the same, {differ} differ, {failed} failed, in {} s; logs of failures: {} and {}",
        begin.elapsed().as_secs(),
        stock.testbed().logs().display(),
        ours.testbed().logs().display(),
    ));
    Ok(differ + failed == 0)
}

fn tell(scenario: &Scenario, result: &Result<Compared>) {
    let name = &scenario.name;
    match result {
        Err(error) => say(&format!("FAILED {name}: {error:#}")),
        Ok(Compared {
            unexplained,
            explained,
            idle,
        }) => {
            if unexplained.is_empty() {
                say(&format!("same {name} ({explained} explained)"));
            } else {
                say(&format!("DIFFERS {name}:\n{}", unexplained.join("\n")));
            }
            for at in idle {
                say(&format!("  {name}: nothing differs at {at}"));
            }
        }
    }
}

fn say(line: &str) {
    // A closed stdout changes nothing about what is done.
    let _ = writeln!(std::io::stdout(), "{line}");
}
