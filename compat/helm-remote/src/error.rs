//! Why a chart is not fetched.

/// Why a chart is not fetched; the texts of the common ones are Helm's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// A URL is malformed.
    #[error("invalid chart URL format: {0}")]
    Url(String),
    /// Nobody knows the scheme of a repository.
    #[error("could not find protocol handler for: {0}")]
    RepositoryScheme(String),
    /// Nobody knows the scheme of a chart.
    #[error("scheme {} not supported", go_std::quote(.0))]
    Scheme(String),
    /// A server answered with another status than 200.
    #[error("failed to fetch {url} : {status}")]
    Status {
        /// Where, without credentials.
        url: String,
        /// The status and its words.
        status: String,
    },
    /// There is no answer, or too much of it.
    #[error("Get {}: {reason}", go_std::quote(.url))]
    Network {
        /// Where, without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// A repository has no index.
    #[error("looks like {} is not a valid chart repository or cannot be reached: {error}", go_std::quote(.url))]
    Repository {
        /// The repository.
        url: String,
        /// Why.
        error: Box<FetchError>,
    },
    /// An index cannot be read.
    #[error("{0}")]
    Index(String),
    /// A repository does not have the chart.
    #[error("{chart} not found in {url} repository")]
    NotInRepository {
        /// The chart, and its version if one was asked for.
        chart: String,
        /// The repository.
        url: String,
    },
    /// The index names the chart, and no place where it is.
    #[error("{0} has no downloadable URLs")]
    NoUrl(String),
    /// The name is none of a repository and its chart.
    #[error("non-absolute URLs should be in form of repo_name/path_to_chart, got: {0}")]
    NoRepositoryName(String),
    /// Helm's list does not have the repository.
    #[error("repo {0} not found")]
    NoRepository(String),
    /// The list has no URL for a repository.
    #[error("no URL found for repository {0}")]
    NoRepositoryUrl(String),
    /// The index of a listed repository was never fetched, or cannot be read.
    #[error("no cached repo found. (try 'helm repo update'): {0}")]
    NotCached(String),
    /// The index of a listed repository does not have the chart.
    #[error("chart {} matching {version} not found in {repository} index. (try 'helm repo update'): {error}", go_std::quote(.chart))]
    NotInIndex {
        /// The chart.
        chart: String,
        /// What was asked for.
        version: String,
        /// The repository.
        repository: String,
        /// What the index says.
        error: String,
    },
    /// A file of Helm's own, or of the user's for TLS, cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The credentials of registries cannot be read.
    #[error("failed to decode config file {path}: invalid config format: {reason}")]
    Config {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A registry does not give the manifest of a chart.
    #[error("failed to perform \"FetchReference\" on source: {0}")]
    Manifest(Box<FetchError>),
    /// A reference to a registry is malformed or contradicts what was asked for.
    #[error("{0}")]
    Reference(String),
    /// A registry does not have what was asked for, or has something else.
    #[error("{0}")]
    Registry(String),
    /// What was fetched is not what the digest is of.
    #[error("{place}: the digest is {found}, and not {wanted}")]
    Digest {
        /// What was fetched.
        place: String,
        /// The digest of it.
        found: String,
        /// The digest that it should have.
        wanted: String,
    },
}
