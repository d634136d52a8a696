//! `cargo xtask tools`: build the stock tools and print where they are.

use std::io::Write as _;

use anyhow::{Result, anyhow};
use e2e::tools::{Tool, ensure_all};

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
