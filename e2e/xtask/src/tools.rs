//! `cargo xtask tools`: build the stock tools and print where they are.

use std::io::Write as _;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use e2e::tools::{Tool, ToolError, ensure_all};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The tools to build; all of them by default.
    #[arg(value_parser = parse)]
    tools: Vec<Tool>,
}

fn parse(name: &str) -> Result<Tool> {
    name.parse().map_err(|error: String| anyhow!(error))
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let tools = if arguments.tools.is_empty() {
        Tool::ALL.to_vec()
    } else {
        arguments.tools
    };
    let mut out = std::io::stdout().lock();
    for (tool, path) in tools.iter().zip(ensure_all(&tools)?) {
        writeln!(out, "{:24} {}", tool.name(), path.display())?;
    }
    Ok(())
}

/// Stock tools that are being built beside something else.
pub(crate) struct Building(JoinHandle<Result<Duration, ToolError>>);

/// Begins to build `tools`.
pub(crate) fn in_background(tools: &'static [Tool]) -> Building {
    Building(std::thread::spawn(move || {
        let start = Instant::now();
        ensure_all(tools).map(|_| start.elapsed())
    }))
}

impl Building {
    /// Waits for the builds; returns the time that they took.
    pub(crate) fn finished(self) -> Result<Duration> {
        let built = self
            .0
            .join()
            .map_err(|_| anyhow!("building the tools panicked"))?;
        Ok(built?)
    }
}
