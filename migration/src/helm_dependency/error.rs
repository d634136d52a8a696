//! Why dependencies are not built.

use std::io;

use helm::{LoadError, PackError};
use helm_remote::{FetchError, VerifyFetchedError};

use crate::helm_template::ChartSourceError;

/// Why `openflux helm dependency` failed, in Helm's words.
#[derive(Debug, thiserror::Error)]
pub enum HelmDependencyError {
    /// An argument is superfluous.
    #[error("{0}")]
    Arguments(String),
    /// There is no chart at a path.
    #[error("could not find {chart}: stat {chart}: {error}")]
    NoChart {
        /// The path.
        chart: String,
        /// What the system says.
        error: String,
    },
    /// A path leads to nothing.
    #[error("stat {path}: {error}")]
    Stat {
        /// The path.
        path: String,
        /// What the system says.
        error: String,
    },
    /// The chart is an archive.
    #[error("only unpacked charts can be updated")]
    Packed,
    /// A chart on disk cannot be read.
    #[error(transparent)]
    Source(#[from] ChartSourceError),
    /// Files are no chart.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A chart on disk cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// `file://` leads to nothing.
    #[error("directory {0} not found")]
    NoFolder(String),
    /// Nobody knows which repositories are meant.
    #[error("no repository definition for {}. Please add them via 'helm repo add'{}", .names.join(", "), hint(.names))]
    NoRepository {
        /// What stands in their places.
        names: Vec<String>,
    },
    /// Helm's list does not have the repositories of a lock.
    #[error("no repository definition for {}. Please add the missing repos via 'helm repo add'", .0.join(", "))]
    NotListed(Vec<String>),
    /// The lock is that of other dependencies.
    #[error(
        "the lock file (Chart.lock) is out of sync with the dependencies file (Chart.yaml). Please update the dependencies with 'helm dependency update'"
    )]
    OutOfSync,
    /// The same, of a chart of Helm 2.
    #[error(
        "the lock file (requirements.lock) is out of sync with the dependencies file (requirements.yaml). Please update the dependencies"
    )]
    OutOfSyncV1,
    /// A version is neither one nor a constraint.
    #[error("dependency {name} has an invalid version/constraint format: {error}")]
    Constraint {
        /// The dependency, quoted where Helm does so.
        name: String,
        /// What is wrong.
        error: String,
    },
    /// The index of a repository was never fetched.
    #[error("no cached repository for {name} found. (try 'helm repo update'): {error}")]
    NotCached {
        /// The repository.
        name: String,
        /// What is wrong with the file.
        error: String,
    },
    /// A file that Helm keeps cannot be read.
    #[error("{0}")]
    Kept(String),
    /// A repository has no such chart.
    #[error("{chart} chart not found in repo {repository}")]
    NotInIndex {
        /// The chart.
        chart: String,
        /// The repository.
        repository: String,
    },
    /// A registry does not tell what it has.
    #[error("could not retrieve list of tags for repository {repository}: {error}")]
    Tags {
        /// The repository.
        repository: String,
        /// Why.
        error: FetchError,
    },
    /// No version of some charts will do.
    #[error("can't get a valid version for {} subchart(s): {}. Make sure a matching chart version exists in the repo, or change the version constraint in Chart.yaml", .0.len(), .0.join(", "))]
    NoVersion(Vec<String>),
    /// There is a file in the place of `charts/`.
    #[error("{} is not a directory", go_std::quote(.0))]
    NotAFolder(String),
    /// `charts/` is a link, which could lead anywhere; Helm follows it.
    #[error("{} is a symlink; what is saved has to stay in the chart", go_std::quote(.0))]
    ChartsIsLink(String),
    /// What was fetched cannot be moved to where it belongs; what was there stays.
    #[error("unable to move {} to {charts}", .names.join(", "))]
    NotMoved {
        /// Where it belongs.
        charts: String,
        /// The archives.
        names: Vec<String>,
    },
    /// An index names a chart of a registry without saying which version.
    #[error("could not parse OCI reference: improperly formatted oci chart reference: {0}")]
    NoTag(String),
    /// A subchart that should lie in `charts/` cannot be loaded.
    #[error("unable to load chart '{path}': {error}")]
    Local {
        /// Where it should be.
        path: String,
        /// Why.
        error: Box<HelmDependencyError>,
    },
    /// A subchart that lies in `charts/` is one of another version.
    #[error("dependency {name} at version {found} does not satisfy the constraint {wanted}")]
    OtherVersion {
        /// The subchart.
        name: String,
        /// Its version.
        found: String,
        /// What is asked for.
        wanted: String,
    },
    /// A subchart on disk is one of another version.
    #[error("can't get a valid version for dependency {0}")]
    NoValidVersion(String),
    /// A version is none.
    #[error("{0}")]
    Version(String),
    /// A chart is not where it should be.
    #[error("could not find {url}: {reason}")]
    NotFound {
        /// Where it should be.
        url: String,
        /// Why it is not.
        reason: String,
    },
    /// A chart cannot be fetched.
    #[error("could not download {url}: {error}")]
    Download {
        /// Where it is.
        url: String,
        /// Why.
        error: FetchError,
    },
    /// A chart that was fetched is not the one that was signed.
    #[error("could not download {url}: {error}")]
    Verify {
        /// Where it is.
        url: String,
        /// Why.
        error: VerifyFetchedError,
    },
    /// Servers or Helm's files say no.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The lock cannot be written as YAML.
    #[error("{0}")]
    Yaml(#[from] go_yaml::Error),
    /// The lock is a link.
    #[error("the {name} file is a symlink to {}", go_std::quote(.target))]
    LockIsLink {
        /// The file.
        name: &'static str,
        /// Where it leads.
        target: String,
    },
    /// A file cannot be written or read.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// What is told cannot be written.
    #[error("{0}")]
    Output(#[from] io::Error),
}

/// Helm's hint for those who name a repository as Helm 2 allowed it.
fn hint(names: &[String]) -> &'static str {
    let is_name =
        |name: &String| !name.contains("//") && !name.starts_with('@') && !name.starts_with("alias:");
    if names.iter().any(is_name) {
        "\nNote that repositories must be URLs or aliases. For example, to refer to the \"example\"\nrepository, use \
         \"https://charts.example.com/\" or \"@example\" instead of\n\"example\". Don't forget to add the repo, too \
         ('helm repo add')."
    } else {
        ""
    }
}
