//! Builds generated overlays with our engine and with the real kustomize libraries and compares the bytes.
//!
//! `cargo xtask fuzz kustomize --seed 1 --count 10000` builds the oracle and runs this. A case depends on its seed
//! alone; what differs is written below `--out`, one directory per case, ready to become a recorded case.

mod generate;
mod layers;
mod random;
mod yaml;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use kustomize::{MemoryTree, Options};
use serde_json::{Value, json};

#[derive(Parser)]
struct Arguments {
    /// The kustomize-oracle binary.
    #[arg(long)]
    oracle: PathBuf,
    /// The seed of the first case.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many cases to build.
    #[arg(long, default_value_t = 1000)]
    count: u64,
    /// Where cases that differ are written.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Also compare the texts of errors.
    #[arg(long)]
    errors: bool,
    /// List the failures that both have.
    #[arg(long)]
    failures: bool,
    /// How many differences end the run.
    #[arg(long, default_value_t = 20)]
    stop_after: usize,
}

/// The files of a case by path; the build starts in `overlay`.
type Files = BTreeMap<String, String>;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut oracle = Oracle::start(&arguments.oracle)?;
    let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
    let mut differences = 0;
    for seed in arguments.seed..arguments.seed + arguments.count {
        let files = if seed % 4 == 3 {
            layers::case(seed)
        } else {
            generate::case(seed)
        };
        let ours = build(&files);
        let Ok(theirs) = oracle.build(&files) else {
            // A stack overflow cannot be caught in Go; the case is theirs alone.
            oracle = Oracle::start(&arguments.oracle)?;
            *tally.entry("oracle died").or_default() += 1;
            continue;
        };
        let verdict = match (&ours, &theirs) {
            (Ok(a), Ok(b)) if a == b => "same output",
            (_, Err(theirs)) if theirs.starts_with("panic: ") => "theirs crashes",
            (Err(a), Err(b)) if !arguments.errors || without_pointer(a) == without_pointer(b) => {
                "same failure"
            }
            _ if is_listed(&ours, &theirs) => "listed in COMPATIBILITY.md",
            (Ok(_), Ok(_)) => "different output",
            (Err(_), Err(_)) => "different error",
            (Ok(_), Err(_)) => "only theirs fails",
            (Err(_), Ok(_)) => "only ours fails",
        };
        *tally.entry(verdict).or_default() += 1;
        if let (true, Err(error)) = (arguments.failures, &theirs) {
            writeln!(std::io::stdout(), "seed {seed}: {error:?}")?;
        }
        if !(verdict.starts_with("same") || verdict.starts_with("listed") || verdict == "theirs crashes") {
            differences += 1;
            report(seed, verdict, &ours, &theirs)?;
            if let Some(out) = &arguments.out {
                save(&out.join(seed.to_string()), &files, &ours, &theirs)?;
            }
            if differences >= arguments.stop_after {
                break;
            }
        }
    }
    let mut stdout = std::io::stdout().lock();
    for (verdict, count) in tally {
        writeln!(stdout, "{count:8} {verdict}")?;
    }
    if differences > 0 {
        bail!("{differences} cases differ");
    }
    Ok(())
}

/// Whether one side fails over what is deliberately different: hash suffixes of other kinds than ConfigMap and Secret, and
/// the annotations in which upstream keeps its own books.
fn is_listed(ours: &Result<String, String>, theirs: &Result<String, String>) -> bool {
    match (ours, theirs) {
        (Err(ours), Ok(_)) => ours.contains("cannot get a hash suffix"),
        (Ok(_), Err(theirs)) => {
            theirs.contains("testing value /metadata/annotations failed")
                || theirs.contains("number of previous names, number of previous namespaces")
        }
        _ => false,
    }
}

/// Go prints the address of a generator; the text around it is compared.
fn without_pointer(error: &str) -> String {
    const BEFORE: &str = "merging from generator ";
    match error.split_once(BEFORE) {
        Some((start, rest)) => format!(
            "{start}{BEFORE}{}",
            rest.split_once(": ").map_or(rest, |(_, rest)| rest)
        ),
        None => error.to_owned(),
    }
}

fn build(files: &Files) -> Result<String, String> {
    let tree = files.iter().fold(MemoryTree::new(), |tree, (path, text)| {
        tree.with(path, text.as_str())
    });
    let output = kustomize::build(&tree, "overlay", &Options::default()).map_err(|e| e.to_string())?;
    output.to_yaml().map_err(|e| e.to_string())
}

/// The real libraries in a process of their own.
struct Oracle {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Oracle {
    fn start(path: &Path) -> Result<Self> {
        let mut child = Command::new(path)
            .arg("build")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", path.display()))?;
        let stdin = child.stdin.take().context("the oracle has no stdin")?;
        let stdout = child.stdout.take().context("the oracle has no stdout")?;
        Ok(Self {
            child,
            stdin,
            stdout: BufReader::new(stdout),
        })
    }

    fn build(&mut self, files: &Files) -> Result<Result<String, String>> {
        writeln!(self.stdin, "{}", json!({ "path": "overlay", "files": files }))?;
        self.stdin.flush()?;
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            bail!("the oracle ended with {}", self.child.wait()?);
        }
        let answer: Value = serde_json::from_str(&line)?;
        let text = |field: &str| {
            answer
                .get(field)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let error = text("error");
        Ok(if error.is_empty() {
            Ok(text("yaml"))
        } else if answer.get("panic").is_some() {
            Err(format!("panic: {error}"))
        } else {
            Err(error)
        })
    }
}

fn report(
    seed: u64,
    verdict: &str,
    ours: &Result<String, String>,
    theirs: &Result<String, String>,
) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "seed {seed}: {verdict}")?;
    let text = |result: &Result<String, String>| match result {
        Ok(text) => text.clone(),
        Err(error) => format!("error: {error}"),
    };
    let (ours, theirs) = (text(ours), text(theirs));
    let mut lines = ours.lines().zip(theirs.lines()).enumerate();
    match lines.find(|(_, (a, b))| a != b) {
        Some((number, (a, b))) => writeln!(stdout, "  line {}\n  ours:   {a}\n  theirs: {b}", number + 1)?,
        None => writeln!(stdout, "  one is the beginning of the other")?,
    }
    Ok(())
}

fn save(
    folder: &Path,
    files: &Files,
    ours: &Result<String, String>,
    theirs: &Result<String, String>,
) -> Result<()> {
    for (path, text) in files {
        let path = folder.join("in").join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    for (name, result) in [("ours", ours), ("theirs", theirs)] {
        let (suffix, text) = match result {
            Ok(text) => ("yaml", text),
            Err(text) => ("txt", text),
        };
        fs::write(folder.join(format!("{name}.{suffix}")), text)?;
    }
    Ok(())
}
