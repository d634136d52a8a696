//! The command line of `openflux helm dependency`.

use crate::helm_template::AccessArgs;

use super::HelmDependencyError;

/// What can be done with the dependencies of a chart.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum HelmDependencyCommand {
    /// Fetch into charts/ what Chart.lock lists.
    Build(DependencyArgs),
    /// Find what Chart.yaml asks for, write Chart.lock, and fetch it into charts/.
    #[command(alias = "up")]
    Update(DependencyArgs),
    /// Tell what Chart.yaml asks for, and what of it is there.
    #[command(alias = "ls")]
    List(ListArgs),
}

/// Which chart, and how its dependencies are fetched.
#[derive(Debug, Clone, clap::Args)]
pub struct DependencyArgs {
    /// The folder of the chart; the present one by default.
    #[arg(value_name = "CHART")]
    chart: Vec<String>,
    /// Take only charts that are signed; build takes those too that have no signature.
    #[arg(long)]
    pub(super) verify: bool,
    /// Do not fetch the indexes of repositories anew.
    #[arg(long)]
    pub(super) skip_refresh: bool,
    /// Tell more.
    #[arg(long)]
    pub(super) debug: bool,
    /// As whom, and how.
    #[command(flatten)]
    pub(super) access: AccessArgs,
}

/// Which chart, and how its dependencies are told.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// The folder or the archive of the chart; the present folder by default.
    #[arg(value_name = "CHART")]
    chart: Vec<String>,
    /// The width of the widest column.
    #[arg(long, value_name = "CHARACTERS", default_value_t = 80)]
    pub(super) max_col_width: usize,
    /// Accepted as by Helm.
    #[arg(long, hide = true)]
    debug: bool,
}

impl DependencyArgs {
    pub(super) fn chart(&self, command: &str) -> Result<String, HelmDependencyError> {
        chart(&self.chart, command)
    }
}

impl ListArgs {
    pub(super) fn chart(&self) -> Result<String, HelmDependencyError> {
        chart(&self.chart, "list")
    }
}

/// The path of the chart, cleaned.
fn chart(words: &[String], command: &str) -> Result<String, HelmDependencyError> {
    match words {
        [] => Ok(".".to_owned()),
        [path] => Ok(go_std::path::clean(path)),
        _ => Err(HelmDependencyError::Arguments(format!(
            "\"helm dependency {command}\" accepts at most 1 argument\n\nUsage:  helm dependency {command} CHART [flags]"
        ))),
    }
}
