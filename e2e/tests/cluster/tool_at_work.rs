//! The tool at work beside everything else: begun, followed by its journal, and waited for.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::testbed::{Kind, eventually};
use serde_json::Value;
use tokio::process::Child;

use crate::beside::Fleet;

/// How a move is asked for: nobody is asked, and nobody waits behind it.
pub(crate) const AT_ONCE: [&str; 3] = ["--yes", "--soak", "0"];

impl Fleet {
    /// Where a tool keeps its journal.
    pub(crate) fn journal(&self, name: &str) -> PathBuf {
        let name = format!("{}-{name}.journal", self.namespace.name());
        self.beside.testbed.dir().join(name)
    }

    /// Starts the tool beside everything else.
    pub(crate) fn begin(&self, words: &[&str]) -> Result<Child> {
        Ok(self
            .beside
            .command(words)?
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?)
    }

    /// Begins to move an object, with a journal there.
    pub(crate) fn begin_move(&self, object: &str, journal: &Path, more: &[&str]) -> Result<Child> {
        let path = journal.display().to_string();
        let words = ["migrate", "apply", object, "--yes", "--journal", &path];
        self.begin(&[&words[..], more].concat())
    }

    /// Moves objects, which has to end like this; gives what the tool printed.
    pub(crate) async fn moves(&self, code: i32, objects: &[&str], more: &[&str]) -> Result<String> {
        let words = [&["migrate", "apply"][..], objects, &AT_ONCE, more].concat();
        self.beside.ends(code, &words).await
    }

    /// Gives an object back, which has to go well.
    pub(crate) async fn rolls_back(&self, object: &str) -> Result<String> {
        self.beside
            .ends(0, &["migrate", "rollback", object, "--yes"])
            .await
    }

    /// Commits more, and has it fetched.
    pub(crate) async fn add(&self, files: &[(&str, &str)]) -> Result<()> {
        let commit = self.repo.commit("more", files).await?;
        self.fetch(&commit).await
    }

    /// Makes sure that an object keeps its label, or keeps having none, for a while.
    pub(crate) async fn stays(&self, kind: Kind, name: &str, label: Option<&str>) -> Result<()> {
        for _ in 0..10 {
            let found = self.label(kind, name).await?;
            ensure!(
                found.as_deref() == label,
                "{name} has the label {found:?} already"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

/// The steps that a journal tells of.
pub(crate) fn steps(journal: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(journal).unwrap_or_default();
    let records = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let steps = records.filter_map(|record| record["step"].as_str().map(str::to_owned));
    steps.collect()
}

/// Waits until a tool is about to take a step.
pub(crate) async fn comes_to(journal: &Path, step: &str) -> Result<()> {
    eventually(&format!("the tool to come to {step}"), async || {
        Ok(steps(journal).iter().any(|seen| seen == step).then_some(()))
    })
    .await
}

/// Kills a tool, which may have ended by itself.
pub(crate) async fn kill(tool: &mut Child) -> Result<()> {
    // What has ended cannot be killed.
    let _ = tool.start_kill();
    tool.wait().await?;
    Ok(())
}

/// Waits for the end of a tool, which has to be like this; gives what it printed, and what it said on the way.
pub(crate) async fn ended(tool: Child, code: i32) -> Result<(String, String)> {
    let output = tool.wait_with_output().await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(code),
        "{}\n{text}{errors}",
        output.status
    );
    Ok((text, errors))
}
