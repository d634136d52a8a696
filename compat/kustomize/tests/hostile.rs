//! No small input makes a build end the process, hang, or take much memory: each ends with an error that says where, or
//! builds, on a thread with the stack that the controller gives it.
//!
//! Each input is built in a process of its own, so that a stack overflow is a failure and the memory can be measured.

mod inputs;

use std::io::{self, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use inputs::{Input, inputs};
use kustomize::{ErrorKind, Options, build};

/// Names the input that a process is to build.
const CHOSEN: &str = "KUSTOMIZE_HOSTILE_INPUT";
/// What tokio gives to threads that block.
const STACK: usize = 2 << 20;
/// Far more than is needed, for machines that do much else.
const TIME: Duration = Duration::from_mins(2);
const MEMORY_KIB: u64 = 256 << 10;

fn main() -> io::Result<ExitCode> {
    let mut out = io::stdout();
    if let Ok(name) = std::env::var(CHOSEN) {
        return inputs()
            .into_iter()
            .find(|input| input.name == name)
            .map_or(Ok(ExitCode::FAILURE), build_one);
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let mut failed = 0;
    for input in inputs() {
        if !wanted.is_empty() && !wanted.iter().any(|part| input.name.contains(part)) {
            continue;
        }
        let start = Instant::now();
        let result = run(&input);
        let time = start.elapsed();
        match result {
            Ok(said) => writeln!(out, "{}: ok in {time:?}: {said}", input.name)?,
            Err(why) => {
                failed += 1;
                writeln!(out, "{}: FAILED in {time:?}: {why}", input.name)?;
            }
        }
    }
    if failed == 0 {
        Ok(ExitCode::SUCCESS)
    } else {
        writeln!(out, "{failed} inputs failed")?;
        Ok(ExitCode::FAILURE)
    }
}

/// Builds an input in a process of its own and checks what that says.
fn run(input: &Input) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut child = Command::new(program)
        .env(CHOSEN, input.name)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) => break status,
            None if start.elapsed() > TIME => {
                child.kill().map_err(|e| e.to_string())?;
                return Err(format!("still building after {TIME:?}"));
            }
            None => thread::sleep(Duration::from_millis(5)),
        }
    };
    let mut said = String::new();
    if let Some(out) = &mut child.stdout {
        out.read_to_string(&mut said).map_err(|e| e.to_string())?;
    }
    if !status.success() {
        let mut why = String::new();
        if let Some(err) = &mut child.stderr {
            err.read_to_string(&mut why).map_err(|e| e.to_string())?;
        }
        return Err(format!("{status}: {said}{why}"));
    }
    let (memory, text) = said.split_once('\n').unwrap_or((&said, ""));
    let memory: u64 = memory.parse().map_err(|_| format!("no figure: {said}"))?;
    if memory > MEMORY_KIB {
        return Err(format!("takes {memory} KiB: {text}"));
    }
    match input.words.iter().find(|words| !text.contains(*words)) {
        Some(words) => Err(format!("does not say '{words}': {text}")),
        None => Ok(format!("{memory} KiB: {}", text.trim_end())),
    }
}

/// Builds on a small stack, and prints the memory that this process took and how the build ended.
fn build_one(input: Input) -> io::Result<ExitCode> {
    let builder = thread::Builder::new().stack_size(STACK);
    let handle = builder.spawn(move || {
        let options = Options::default();
        let built = build(&(input.tree)(), "/", &options).and_then(|output| output.to_yaml());
        match built {
            Ok(text) => format!("built {} bytes", text.len()),
            Err(error) if error.kind() == ErrorKind::Limit => format!("limit: {error}"),
            Err(error) => format!("error: {error}"),
        }
    });
    let Some(text) = handle.ok().and_then(|handle| handle.join().ok()) else {
        return Ok(ExitCode::FAILURE);
    };
    let shown: String = text.chars().take(600).collect();
    writeln!(io::stdout(), "{}\n{shown}", peak_memory())?;
    Ok(ExitCode::SUCCESS)
}

/// The most memory that this process had, in KiB; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
