//! The stock tools: each built once from its own pinned Go module, into a cache outside the work tree.
//!
//! A tool is looked up in `$OPENFLUX_CACHE/tools` (or `$XDG_CACHE_HOME/openflux/tools`, or `~/.cache/openflux/tools`)
//! under a hash of its recipe and of the Go version, and built there when it is missing. Any number of processes may
//! ask at once: one builds, the others wait for it.
//!
//! `build` and `progress` form a circle: a build shows its progress, and what shows it runs the build and fails as it does.

mod build;
mod progress;
mod recipe;

pub use build::ToolError;
pub use recipe::Tool;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the paths of `tools`, building those that are not in the cache.
///
/// ```no_run
/// use e2e::tools::{self, Tool};
/// let [kustomize, helm] = tools::ensure([Tool::Kustomize, Tool::Helm])?;
/// # Ok::<(), tools::ToolError>(())
/// ```
pub fn ensure<const N: usize>(tools: [Tool; N]) -> Result<[PathBuf; N], ToolError> {
    let mut paths = ensure_all(&tools)?.into_iter();
    Ok(tools.map(|_| paths.next().unwrap_or_default()))
}

/// Returns the paths of `tools` in the same order, building those that are not in the cache.
///
/// Progress goes to stderr: what is built, how long that takes, and every few seconds how far it is.
pub fn ensure_all(tools: &[Tool]) -> Result<Vec<PathBuf>, ToolError> {
    let cache = build::Cache::open(tools)?;
    let missing: Vec<_> = tools
        .iter()
        .copied()
        .filter(|tool| !cache.path(*tool).exists())
        .collect();
    for (index, tool) in missing.iter().enumerate() {
        cache.build(*tool, index + 1, missing.len())?;
    }
    Ok(tools.iter().map(|tool| cache.path(*tool)).collect())
}

/// Returns the path of a tool, if it has been built already.
pub fn built(tool: Tool) -> Option<PathBuf> {
    let path = build::Cache::open(&[tool]).ok()?.path(tool);
    path.exists().then_some(path)
}

/// Returns a folder that a tool's Go module carries, such as its CRDs; the tool itself is not built for it.
///
/// The Flux controllers have `crds`, kwok has `stage`.
pub fn asset(tool: Tool, name: &str) -> Result<PathBuf, ToolError> {
    build::Cache::open(&[tool])?.asset(tool, name)
}

/// Returns the folder of a tool's Go module as Go keeps it, which is read-only; it is downloaded if it has to be.
pub fn module(tool: Tool) -> Result<PathBuf, ToolError> {
    build::Cache::open(&[tool])?.module(tool)
}

/// Returns the folder with a tool's `go.mod` and `go.sum`.
pub fn recipe(tool: Tool) -> PathBuf {
    tool.recipe().dir()
}

/// Copies a folder, leaving out the read-only mode that Go gives its module cache.
pub fn copy_tree(from: &Path, to: &Path) -> Result<(), ToolError> {
    build::copy_tree(from, to)
}

/// Gives a `go` command in a folder; nothing of the caller's Go settings changes its result.
pub fn go(folder: &Path) -> Command {
    build::go(folder)
}

/// Returns the folder that holds everything this project caches outside the work tree.
pub fn cache_dir() -> Result<PathBuf, ToolError> {
    build::cache_dir()
}
