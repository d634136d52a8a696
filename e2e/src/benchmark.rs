//! What the benchmarks share: the machine they ran on, and the pages that keep their last figures.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Command, FromArgMatches as _};

use crate::testbed::controller;

/// A benchmark of our controller whose runs each give the same figures: `cargo xtask bench NAME [--runs N] [--write]`.
#[derive(Clone, Copy, Debug)]
pub struct Benchmark<const N: usize> {
    /// Its name, and that of its page in `e2e/benchmarks/`.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// What its page says ahead of the table.
    pub introduction: &'static str,
    /// What is measured, its unit, and what it should be.
    pub figures: [(&'static str, &'static str, &'static str); N],
}

#[derive(Args)]
struct Arguments {
    /// How often it is measured; medians are reported.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,
    /// Keep the table in `e2e/benchmarks/`.
    #[arg(long)]
    write: bool,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

impl<const N: usize> Benchmark<N> {
    /// Measures as often as the command line says, and prints the medians.
    ///
    /// # Errors
    /// What the measurement fails with.
    pub fn run(&self, measure: impl AsyncFn() -> Result<[f64; N]>) -> Result<()> {
        let arguments = Arguments::from_arg_matches(&self.command().get_matches())?;
        self.start(&arguments, "", measure)
    }

    /// The same for so many things as the command line says with `--count`, or as is usual.
    ///
    /// # Errors
    /// What the measurement fails with.
    pub fn run_with_count(
        &self,
        usual: &'static str,
        measure: impl AsyncFn(usize) -> Result<[f64; N]>,
    ) -> Result<()> {
        let count = clap::Arg::new("count")
            .long("count")
            .help("How many there are")
            .default_value(usual)
            .value_parser(clap::value_parser!(usize));
        let matches = self.command().arg(count).get_matches();
        let arguments = Arguments::from_arg_matches(&matches)?;
        let count = *matches.get_one::<usize>("count").context("--count")?;
        self.start(&arguments, &format!(" --count={count}"), async || {
            measure(count).await
        })
    }

    fn command(&self) -> Command {
        let command = Command::new(self.name)
            .bin_name(format!("cargo xtask bench {}", self.name))
            .about(self.title);
        Arguments::augment_args(command)
    }

    fn start(
        &self,
        arguments: &Arguments,
        more: &str,
        measure: impl AsyncFn() -> Result<[f64; N]>,
    ) -> Result<()> {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(self.all(arguments, more, measure))
    }

    async fn all(
        &self,
        arguments: &Arguments,
        more: &str,
        measure: impl AsyncFn() -> Result<[f64; N]>,
    ) -> Result<()> {
        tell("building openflux-controller")?;
        controller()?;
        let mut runs = Vec::new();
        for run in 1..=arguments.runs {
            tell(&format!("run {run} of {}", arguments.runs))?;
            runs.push(measure().await?);
        }
        let table = self.table(&runs)?;
        write!(std::io::stdout(), "{table}")?;
        if arguments.write {
            let page = format!(
                "# {}\n\n{}\n\nWritten by `cargo xtask bench {}{more} --runs={} --write` on {}.\n\n{table}",
                self.title,
                self.introduction.trim(),
                self.name,
                arguments.runs,
                machine()
            );
            write_page(self.name, &page)?;
        }
        Ok(())
    }

    fn table(&self, runs: &[[f64; N]]) -> Result<String> {
        let mut table = "| what | measured | target |\n|---|---|---|\n".to_owned();
        for (at, (what, unit, target)) in self.figures.iter().enumerate() {
            let mut values: Vec<f64> = runs.iter().map(|run| run[at]).collect();
            values.sort_by(f64::total_cmp);
            let median = values[values.len() / 2];
            writeln!(table, "| {what} | {median:.1} {unit} | {target} |")?;
        }
        Ok(table)
    }
}

/// Tells somebody who waits how far a benchmark has come.
///
/// # Errors
/// Nobody reads it any more.
pub fn tell(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}

/// Describes this machine: `2 cores (MODEL), 24 GiB, Linux 6.1`.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let proc = |file: &str| std::fs::read_to_string(Path::new("/proc").join(file)).unwrap_or_default();
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value(&proc("cpuinfo"), "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = value(&proc("meminfo"), "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok())
        .unwrap_or_default();
    let kernel = proc("sys/kernel/osrelease");
    let kernel: Vec<&str> = kernel.trim().split('.').take(2).collect();
    format!(
        "{cores} cores ({model}), {:.0} GiB, Linux {}",
        memory / f64::from(1 << 20),
        kernel.join(".")
    )
}

/// Replaces `e2e/benchmarks/<name>.md` and returns its path.
///
/// # Errors
/// The file cannot be written.
pub fn write_page(name: &str, text: &str) -> Result<PathBuf> {
    let path = page(name);
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Replaces the section of `e2e/benchmarks/<name>.md` that has the same title, its first line.
///
/// # Errors
/// The file cannot be read or written, or has no such section.
pub fn replace_section(name: &str, section: &str) -> Result<()> {
    let path = page(name);
    let old = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let title = section.lines().next().unwrap_or_default();
    let begin = old
        .find(&format!("{title}\n"))
        .with_context(|| format!("{} has no section {title:?}", path.display()))?;
    let (before, rest) = old.split_at(begin);
    let after = rest
        .find("\n## ")
        .and_then(|end| rest.get(end..))
        .unwrap_or_default();
    std::fs::write(&path, format!("{before}{section}{after}")).with_context(|| path.display().to_string())
}

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benchmarks")
        .join(format!("{name}.md"))
}
