//! What `cargo xtask testbed` and `cargo xtask demo` run.

mod clock;
mod custom_demo;
mod daemon;
mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "testbed",
    about = "A real control plane with the stock Flux controllers."
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start a control plane that stays up, with everything that sources are fetched from.
    Up {
        /// Run pods as well: kube-scheduler and kwok.
        #[arg(long)]
        pods: bool,
    },
    /// Stop what `up` started.
    Down,
    /// Say whether `up` runs and how to reach it.
    Status,
    /// What `up` leaves running.
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        pods: bool,
    },
    /// A commit in a stock GitRepository rolls out through an Artifact, with elapsed times.
    Demo {
        /// Leave everything up until Ctrl-C.
        #[arg(long)]
        keep: bool,
        /// Show a source, a transformation and a deployer that others wrote instead.
        #[arg(long)]
        custom_source: bool,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Up { pods } => daemon::up(pods).await,
        Task::Down => daemon::down().await,
        Task::Status => daemon::status(),
        Task::Serve { pods } => daemon::serve(pods).await,
        Task::Demo {
            keep,
            custom_source: true,
        } => custom_demo::run(keep).await,
        Task::Demo { keep, .. } => demo::run(keep).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line for people.
fn say(line: &str) {
    use std::io::Write as _;
    // A closed stdout changes nothing about what is done.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
