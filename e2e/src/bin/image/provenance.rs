//! Where an image comes from: the commit, the compiler and the inputs, as an in-toto statement.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::build::{self, output, sha256};

/// The checkout that is built.
pub(crate) struct Source {
    /// The commit, with `-dirty` when files differ from it.
    pub(crate) revision: String,
    /// When the commit was made, in RFC 3339; the image has this date, so that it can be made again.
    pub(crate) date: String,
}

impl Source {
    /// Asks git about this checkout.
    pub(crate) fn of_checkout() -> Result<Self> {
        let git = |arguments: &[&str]| output(Command::new("git").args(arguments));
        let commit = git(&["rev-parse", "HEAD"])
            .context("the image is named after the commit that it is made from")?;
        let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
        let mut show = Command::new("git");
        show.env("TZ", "UTC").args([
            "show",
            "--no-patch",
            "--format=%cd",
            "--date=format-local:%Y-%m-%dT%H:%M:%SZ",
        ]);
        Ok(Self {
            revision: if changes.is_empty() {
                commit
            } else {
                format!("{commit}-dirty")
            },
            date: output(&mut show)?,
        })
    }
}

/// States how the archive was made; whoever signs it can vouch for it.
pub(crate) fn statement(
    archive: &Path,
    digest: &str,
    targets: &[String],
    source: &Source,
) -> Result<Vec<u8>> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let lock = std::fs::read(build::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let rustc = output(Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV"))?;
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "cargo xtask image",
                "externalParameters": {"targets": targets, "version": env!("CARGO_PKG_VERSION")},
                "internalParameters": {"rustc": rustc},
                "resolvedDependencies": [
                    {"name": "repository", "digest": {"gitCommit": source.revision}},
                    {"name": "Cargo.lock", "digest": {"sha256": sha256(&lock)}},
                ],
            },
            "runDetails": {"builder": {"id": "local"}, "metadata": {"invocationId": source.revision}},
        },
    });
    let mut text = serde_json::to_vec_pretty(&statement)?;
    text.push(b'\n');
    Ok(text)
}
