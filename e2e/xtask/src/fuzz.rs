//! `cargo xtask fuzz <engine>`: compare an engine with the real tool on random input.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::record::build_oracle;
use crate::{dist, parity, workspace};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The engine: `archive`, `drift`, `gotmpl`, `helm`, `kustomize`, `normalize`, `readiness`, `sourceignore`, `sprig`, `three-way` (client-side apply), `values`
    /// (`--set` and its like) or `yaml`.
    engine: String,
    /// Decides the cases: the same seed makes the same ones.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many cases.
    #[arg(long, default_value_t = 20_000)]
    count: u64,
    /// Takes ours as tests build it: slower, but built sooner.
    #[arg(long)]
    dev: bool,
    /// For `helm`: where the charts are that are rendered with random values.
    directories: Vec<PathBuf>,
}

/// The engines, and how many cases a test run takes: some seconds each.
const SHORT: &[(&str, u64)] = &[
    ("archive", 300),
    ("gotmpl", 2_000),
    ("helm", 60),
    ("kustomize", 100),
    ("normalize", 300),
    ("sourceignore", 2_000),
    ("sprig", 2_000),
    ("values", 2_000),
    ("yaml", 2_000),
];

/// Compares each engine with the real tool on a few cases, always the same ones.
pub(crate) fn run_short() -> Result<()> {
    for &(engine, count) in SHORT {
        run(&Arguments {
            engine: engine.to_owned(),
            seed: 1,
            count,
            dev: true,
            directories: vec![workspace::root().join("compat/helm/cases")],
        })
        .with_context(|| format!("cargo xtask fuzz {engine} --count {count} --dev"))?;
    }
    Ok(())
}

/// The crates with targets for libFuzzer, which are no members of the workspace.
pub(crate) fn target_crates() -> Result<Vec<PathBuf>> {
    let mut manifests = Vec::new();
    for entry in std::fs::read_dir(workspace::root().join("compat"))? {
        let manifest = entry?.path().join("fuzz/Cargo.toml");
        if manifest.is_file() {
            manifests.push(manifest);
        }
    }
    manifests.sort();
    Ok(manifests)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let example = |package: &str, name: &str| {
        if arguments.dev {
            // Of the whole workspace, as the tests are built: one package alone has other features, and builds all anew.
            workspace::run(&mut workspace::cargo([
                "build",
                "--quiet",
                "--workspace",
                "--example",
                name,
            ]))?;
            return Ok(Command::new(
                workspace::target_folder().join("debug/examples").join(name),
            ));
        }
        let run = [
            "run",
            "--quiet",
            "--release",
            "-p",
            package,
            "--example",
            name,
            "--",
        ];
        anyhow::Ok(workspace::cargo(run))
    };
    let root = workspace::root();
    let (seed, count) = (arguments.seed.to_string(), arguments.count.to_string());
    let mut differential = match arguments.engine.as_str() {
        "archive" => {
            let mut differential = example("flux-archive", "differential_archive")?;
            differential
                .arg(build_oracle(&root, "artifact-oracle")?)
                .args([seed, count]);
            differential
        }
        "drift" => apply_oracle("drift", "DRIFT_CASES", "drift::tests::drift_is", [seed, count])?,
        "gotmpl" => {
            let mut differential = example("gotmpl", "differential_gotmpl")?;
            differential
                .arg(build_oracle(&root, "gotmpl-oracle")?)
                .args([seed, count]);
            differential
        }
        "kustomize" => {
            let mut differential = example("e2e", "fuzz-kustomize")?;
            differential
                .arg("--oracle")
                .arg(build_oracle(&root, "kustomize-oracle")?)
                .args(["--seed", &seed, "--count", &count, "--out"])
                .arg(root.join("target/fuzz-kustomize"));
            differential
        }
        "normalize" => {
            let mut differential = example("controller-kit", "differential_normalize")?;
            differential
                .arg(build_oracle(&root, "normalize-oracle")?)
                .args([seed, count]);
            differential
        }
        "readiness" => {
            let cases = root.join("target/fuzz-readiness");
            let mut oracle = Command::new(build_oracle(&root, "kstatus-oracle")?);
            workspace::run(oracle.args(["fuzz", &seed, &count]).arg(&cases))?;
            let mut replay =
                workspace::cargo(["test", "-p", "controller-kit", "--test", "readiness", "same"]);
            replay.env("READINESS_CASES", cases);
            replay
        }
        "sourceignore" => {
            let mut differential = example("sourceignore", "differential_ignore")?;
            differential
                .arg(build_oracle(&root, "artifact-oracle")?)
                .args([seed, count]);
            differential
        }
        "sprig" => {
            let cases = root.join("target/fuzz-sprig");
            let mut oracle = Command::new(build_oracle(&root, "sprig-oracle")?);
            workspace::run(
                oracle
                    .args(["fuzz", &seed, &count])
                    .arg(cases.join("calls"))
                    .env("TZ", "UTC"),
            )?;
            let mut replay = workspace::cargo(["test", "-p", "sprig", "--test", "cases", "same_as_helm"]);
            replay.env("SPRIG_CASES", cases);
            replay
        }
        "three-way" => apply_oracle("merge", "THREE_WAY_CASES", "merge::tests::patches", [seed, count])?,
        "values" => {
            let mut differential = example("helm", "differential_values")?;
            differential
                .arg(build_oracle(&root, "values-oracle")?)
                .args([seed, count]);
            differential
        }
        "yaml" => {
            let mut differential = example("go-yaml", "differential_yaml")?;
            differential
                .arg(build_oracle(&root, "yaml-oracle")?)
                .args(["all", &seed, &count]);
            differential
        }
        "helm" => return helm(arguments, example("helm", "mutate_values")?),
        other => bail!(
            "there is no engine {other:?}, only: archive, drift, gotmpl, helm, kustomize, normalize, readiness, sourceignore, sprig, three-way, values, yaml"
        ),
    };
    workspace::run(&mut differential)
}

/// Writes random cases of client-side apply or drift with upstream's answers, which a test of the library replays.
fn apply_oracle(what: &str, variable: &str, test: &str, numbers: [String; 2]) -> Result<Command> {
    let root = workspace::root();
    let cases = root.join("target").join(format!("fuzz-{what}.jsonl"));
    let mut oracle = Command::new(build_oracle(&root, "apply-oracle")?);
    oracle.arg(what).args(numbers).stdout(File::create(&cases)?);
    workspace::run(&mut oracle)?;
    let mut replay = workspace::cargo(["test", "-p", "helm", "--lib", test]);
    replay.env(variable, cases);
    Ok(replay)
}

/// Renders charts with random changes of their default values, which an example of the library makes.
fn helm(arguments: &Arguments, mut mutate: Command) -> Result<()> {
    let openflux = if arguments.dev {
        workspace::run(&mut workspace::cargo([
            "build",
            "--quiet",
            "--workspace",
            "--bin",
            "openflux",
        ]))?;
        workspace::target_folder().join("debug/openflux")
    } else {
        dist::openflux()?
    };
    let charts = parity::helm::renderable_charts(&arguments.directories)?;
    let out = workspace::root().join("target/fuzz-helm");
    let seeds = arguments.seed..arguments.seed + arguments.count;
    workspace::run(
        mutate
            .arg(&out)
            .args([seeds.start.to_string(), arguments.count.to_string()])
            .args(&charts),
    )?;
    let cases = seeds.filter_map(|seed| {
        let chart = charts.get(usize::try_from(seed % charts.len() as u64).ok()?)?;
        Some((chart.clone(), out.join(format!("{seed}.json"))))
    });
    parity::helm::compare(&openflux, cases)
}
