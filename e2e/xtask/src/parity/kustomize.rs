//! Every kustomization below some directories, built by kustomize and by us.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use e2e::tools::{Tool, ensure};

use super::Comparison;
use crate::dist;
use crate::record::kustomize::messages;

pub(super) const KUSTOMIZE: Comparison = Comparison {
    name: "kustomize",
    about: "kustomize build of every kustomization below DIR",
    run: compare,
};

const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

fn compare(directories: &[PathBuf]) -> Result<()> {
    let [kustomize] = ensure([Tool::Kustomize])?;
    let openflux = dist::openflux()?;
    let mut roots = Vec::new();
    for directory in directories {
        find_kustomizations(directory, &mut roots)?;
    }
    let mut tally = Tally::default();
    for directory in &roots {
        let (real, real_time) = timed(Command::new(&kustomize).arg("build").arg(directory))?;
        let (ours, our_time) = timed(
            Command::new(&openflux)
                .args(["kustomize", "build"])
                .arg(directory),
        )?;
        tally.real_time += real_time;
        tally.our_time += our_time;
        tally.slower += usize::from(our_time > real_time);
        tally.add(directory, &real, &ours)?;
    }
    tally.report(roots.len())
}

/// The directories with a kustomization file at or below a directory.
pub(crate) fn find_kustomizations(directory: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut folders = Vec::new();
    let mut found = false;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
        found |= FILE_NAMES.iter().any(|name| entry.file_name() == *name);
    }
    if found {
        into.push(directory.to_owned());
    }
    folders.sort();
    folders
        .iter()
        .try_for_each(|folder| find_kustomizations(folder, into))
}

fn timed(command: &mut Command) -> Result<(Output, Duration)> {
    let start = Instant::now();
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    Ok((output, start.elapsed()))
}

#[derive(Default)]
struct Tally {
    verdicts: BTreeMap<&'static str, usize>,
    real_time: Duration,
    our_time: Duration,
    /// Builds that took us longer than the real tool.
    slower: usize,
    /// Builds with the same outcome that print other errors or warnings.
    other_messages: usize,
}

impl Tally {
    fn add(&mut self, directory: &Path, real: &Output, ours: &Output) -> Result<()> {
        let (verdict, detail) = match (real.status.success(), ours.status.success()) {
            (true, true) if real.stdout == ours.stdout => ("same", None),
            (true, true) => ("different", Some(first_difference(&real.stdout, &ours.stdout))),
            (false, false) => ("error-in-both", None),
            (false, true) => ("ours-only", Some(last_line(&real.stderr))),
            (true, false) => ("theirs-only", Some(last_line(&ours.stderr))),
        };
        *self.verdicts.entry(verdict).or_default() += 1;
        if let Some(detail) = detail {
            return print(&format!("{verdict:14} {}\n{detail}\n", directory.display()));
        }
        let (real, ours) = (messages(&real.stderr), messages(&ours.stderr));
        if real != ours {
            self.other_messages += 1;
            let detail = first_difference(real.as_bytes(), ours.as_bytes());
            print(&format!("other messages {}\n{detail}\n", directory.display()))?;
        }
        Ok(())
    }

    fn report(&self, total: usize) -> Result<()> {
        let mut text = String::new();
        for (verdict, count) in &self.verdicts {
            writeln!(text, "{count:6} {verdict}")?;
        }
        writeln!(text, "{:6} of these with other messages", self.other_messages)?;
        let ratio = self.real_time.as_secs_f64() / self.our_time.as_secs_f64().max(f64::EPSILON);
        writeln!(
            text,
            "{total:6} in all; kustomize {:.2} s, ours {:.2} s: {ratio:.1} times faster; {} slower",
            self.real_time.as_secs_f64(),
            self.our_time.as_secs_f64(),
            self.slower
        )?;
        print(&text)?;
        let differing: usize = self
            .verdicts
            .iter()
            .filter(|(v, _)| !matches!(**v, "same" | "error-in-both"))
            .map(|(_, n)| n)
            .sum();
        if differing > 0 {
            bail!("{differing} of {total} kustomizations differ");
        }
        Ok(())
    }
}

fn print(text: &str) -> Result<()> {
    use std::io::Write as _;
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn first_difference(real: &[u8], ours: &[u8]) -> String {
    let (real, ours) = (String::from_utf8_lossy(real), String::from_utf8_lossy(ours));
    let (mut real, mut ours) = (real.lines(), ours.lines());
    for number in 1.. {
        let (a, b) = (real.next(), ours.next());
        if a != b || a.is_none() {
            let (a, b) = (a.unwrap_or("(end)"), b.unwrap_or("(end)"));
            return format!("  line {number}\n  kustomize: {a}\n  ours:      {b}");
        }
    }
    String::new()
}

fn last_line(text: &[u8]) -> String {
    format!(
        "  {}",
        String::from_utf8_lossy(text)
            .trim_end()
            .lines()
            .last()
            .unwrap_or_default()
    )
}
