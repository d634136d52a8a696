//! Compare `openflux helm template` with the real helm on charts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use e2e::tools::{self, Tool};

use super::Comparison;
use crate::{dist, workspace};

pub(super) const HELM: Comparison = Comparison {
    name: "helm",
    about: "charts below the directories, with their defaults and with the values files of ci/, tests/ and example*/",
    run,
};

/// What became of a render that both tools did.
enum Outcome {
    Same,
    /// Same on the lines that two runs of the real helm agree on.
    SameButRandom,
    /// Both fail with the same first line.
    SameError,
    Different(String),
}

fn run(directories: &[PathBuf]) -> Result<()> {
    let [helm] = tools::ensure([Tool::Helm])?;
    let openflux = dist::openflux()?;
    let mut report = Report::default();
    for render in renders(directories)? {
        report.add(&helm, &openflux, &render);
    }
    report.print()
}

/// Renders each chart with its values file by both tools, and reports what differs.
pub(crate) fn compare(openflux: &Path, cases: impl Iterator<Item = (PathBuf, PathBuf)>) -> Result<()> {
    let [helm] = tools::ensure([Tool::Helm])?;
    let mut report = Report::default();
    for (chart, values) in cases {
        let values = Some(values);
        report.add(&helm, openflux, &Render { chart, values });
    }
    report.print()
}

/// The charts below the directories that have all their dependencies.
pub(crate) fn renderable_charts(directories: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let [helm] = tools::ensure([Tool::Helm])?;
    let mut charts = Vec::new();
    for case in renders(directories)?
        .into_iter()
        .filter(|case| case.values.is_none())
    {
        let (output, _) = render(Command::new(&helm).arg("template"), &case)?;
        if !first_error(&output).contains("found in Chart.yaml, but missing in charts/ directory") {
            charts.push(case.chart);
        }
    }
    Ok(charts)
}

/// A chart, with its defaults or with a values file.
pub(crate) struct Render {
    pub(crate) chart: PathBuf,
    pub(crate) values: Option<PathBuf>,
}

impl Render {
    /// What tells it from others.
    pub(crate) fn name(&self) -> String {
        match &self.values {
            Some(values) if values.starts_with(&self.chart) => values.display().to_string(),
            Some(values) => format!("{} -f {}", self.chart.display(), values.display()),
            None => self.chart.display().to_string(),
        }
    }

    /// Adds the arguments of `helm template`.
    pub(crate) fn arguments(&self, command: &mut Command) {
        command
            .args(["my-release", "--namespace", "my-namespace"])
            .arg(&self.chart);
        if let Some(values) = &self.values {
            command.arg("-f").arg(values);
        }
    }
}

/// The charts below the directories, with their defaults and with each of their values files.
pub(crate) fn renders(directories: &[PathBuf]) -> Result<Vec<Render>> {
    let mut charts = Vec::new();
    for directory in directories {
        find_charts(directory, &mut charts)?;
    }
    if charts.is_empty() {
        bail!("there is no Chart.yaml below {directories:?}");
    }
    let mut renders = Vec::new();
    for chart in charts {
        let files = values_files(&chart)?;
        for values in std::iter::once(None).chain(files.into_iter().map(Some)) {
            renders.push(Render {
                chart: chart.clone(),
                values,
            });
        }
    }
    Ok(renders)
}

/// Finds the folders with a `Chart.yaml`, in the order of their paths; hidden folders are left out.
fn find_charts(folder: &Path, charts: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join("Chart.yaml").is_file() {
        charts.push(folder.to_owned());
    }
    for entry in sorted_entries(folder)? {
        let hidden = entry
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && !entry.is_symlink() && entry.is_dir() {
            find_charts(&entry, charts)?;
        }
    }
    Ok(())
}

/// The values files that a chart is tested or shown with.
fn values_files(chart: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in sorted_entries(chart)?.iter().filter(|entry| entry.is_dir()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if matches!(&*name, "ci" | "tests") || name.starts_with("example") {
            let entries = sorted_entries(folder)?.into_iter();
            files.extend(
                entries.filter(|entry| entry.extension().is_some_and(|ext| ext == "yaml" || ext == "yml")),
            );
        }
    }
    Ok(files)
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[derive(Default)]
struct Report {
    same: usize,
    random: usize,
    errors: usize,
    different: Vec<String>,
    slower: usize,
    helm_time: Duration,
    our_time: Duration,
}

impl Report {
    fn add(&mut self, helm: &Path, openflux: &Path, case: &Render) {
        let known = self.different.len();
        match self.compare(helm, openflux, case) {
            Ok(Outcome::Same) => self.same += 1,
            Ok(Outcome::SameButRandom) => self.random += 1,
            Ok(Outcome::SameError) => self.errors += 1,
            Ok(Outcome::Different(how)) => self.different.push(format!("{}\n{how}", case.name())),
            Err(error) => self.different.push(format!("{}\n    {error:#}", case.name())),
        }
        // Long runs are read while they run.
        for case in self.different.get(known..).unwrap_or_default() {
            workspace::say(&format!("DIFFERENT {case}"));
        }
    }

    fn compare(&mut self, helm: &Path, openflux: &Path, case: &Render) -> Result<Outcome> {
        let (real, real_time) = render(Command::new(helm).arg("template"), case)?;
        let mut own = Command::new(openflux);
        let (ours, our_time) = render(own.args(["helm", "template", "--allow-outside-links"]), case)?;
        self.helm_time += real_time;
        self.our_time += our_time;
        self.slower += usize::from(our_time > real_time);
        if !real.status.success() || !ours.status.success() {
            let (real_error, our_error) = (first_error(&real), first_error(&ours));
            return Ok(if real_error == our_error {
                Outcome::SameError
            } else {
                Outcome::Different(format!("    helm: {real_error}\n    ours: {our_error}"))
            });
        }
        if real.stdout == ours.stdout {
            return Ok(Outcome::Same);
        }
        let (again, _) = render(Command::new(helm).arg("template"), case)?;
        Ok(compare_lines(&real.stdout, &again.stdout, &ours.stdout))
    }

    fn print(&self) -> Result<()> {
        let total = self.same + self.random + self.errors + self.different.len();
        workspace::say(&format!(
            "{total} renders: {} same, {} same but for random lines, {} fail alike, {} different",
            self.same,
            self.random,
            self.errors,
            self.different.len()
        ));
        workspace::say(&format!(
            "helm {:.2} s, ours {:.2} s; ours slower in {}",
            self.helm_time.as_secs_f64(),
            self.our_time.as_secs_f64(),
            self.slower
        ));
        if self.different.is_empty() {
            Ok(())
        } else {
            bail!("{} renders differ", self.different.len())
        }
    }
}

fn render(command: &mut Command, case: &Render) -> Result<(Output, Duration)> {
    case.arguments(command);
    let start = Instant::now();
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    Ok((output, start.elapsed()))
}

/// The first line of the error that a tool ends with, or a note that it does not fail.
fn first_error(output: &Output) -> String {
    if output.status.success() {
        return "(no error)".to_owned();
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.starts_with("Error:"));
    line.map_or_else(
        || format!("({})", text.lines().next().unwrap_or_default()),
        str::to_owned,
    )
}

/// Compares the lines on which two runs of the real helm agree.
fn compare_lines(first: &[u8], second: &[u8], ours: &[u8]) -> Outcome {
    let lines = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes)
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (first, second, ours) = (lines(first), lines(second), lines(ours));
    let comparable = first.len() == second.len();
    let end = first.len().max(ours.len());
    for at in 0..end {
        let (real, own) = (first.get(at), ours.get(at));
        let random = comparable && at < first.len() && first.get(at) != second.get(at);
        if real != own && !random {
            let show = |line: Option<&String>| line.map_or("(end)", String::as_str).to_owned();
            return Outcome::Different(format!(
                "    line {}\n    helm: {}\n    ours: {}",
                at + 1,
                show(real),
                show(own)
            ));
        }
    }
    Outcome::SameButRandom
}
