//! `openflux helm dependency`: find, fetch and list the subcharts of a chart as `helm dependency` does, without Helm.
//!
//! `manager` has the order of things. `repositories` finds out which repository is meant by each dependency, `resolve`
//! which version, `download` fetches them, `place` puts them into `charts/`, and `list` tells what is there. `chart` reads charts on disk.

mod args;
mod chart;
mod download;
mod error;
mod list;
mod manager;
mod place;
mod repositories;
mod resolve;

use std::io::Write;

pub use args::HelmDependencyCommand;
pub use error::HelmDependencyError;
use manager::Manager;

/// Runs `helm dependency`; what it tells on the way goes to `out`, warnings go to `warnings`.
///
/// # Errors
/// In Helm's words.
pub fn helm_dependency(
    command: &HelmDependencyCommand,
    out: &mut dyn Write,
    warnings: &mut dyn Write,
) -> Result<(), HelmDependencyError> {
    match command {
        HelmDependencyCommand::Build(args) => Manager::new(args, "build", out, warnings)?.build(args.verify),
        HelmDependencyCommand::Update(args) => {
            Manager::new(args, "update", out, warnings)?.update(args.verify)
        }
        HelmDependencyCommand::List(args) => list::list(args, out),
    }
}
