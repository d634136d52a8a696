//! From the name of a chart to its archive: which of the three kinds of places it is in.

use std::fmt::Write as _;

use url::Url;

use crate::client::{Client, Request, basic, same_origin};
use crate::digest::check_digest;
use crate::files::Repository;
use crate::index::{Entry, Index, resolve};
use crate::reference::{Reference, SCHEME};
use crate::registry::{Pulled, Registry};
use crate::{Access, FetchError, HelmFiles, Limits};

/// Which chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The chart as it is named: `oci://...`, `https://...`, `REPOSITORY/CHART`, or with `repo` the name in there.
    pub chart: String,
    /// `--repo`: the URL of a repository; empty if there is none.
    pub repo: String,
    /// `--version`: a version or a constraint; empty for the highest that is no pre-release.
    pub version: String,
}

/// A chart that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The archive.
    pub archive: Vec<u8>,
    /// What is worth a warning.
    pub warnings: Vec<String>,
    /// What Helm says about a chart of a registry: how it was found, and the digest of its manifest.
    pub notes: Vec<String>,
}

impl Fetched {
    fn of(archive: Vec<u8>, warning: Option<String>) -> Self {
        Self {
            archive,
            warnings: warning.into_iter().collect(),
            notes: Vec::new(),
        }
    }

    fn pulled(chart: Pulled, warning: Option<String>) -> Self {
        let Pulled {
            archive,
            reference,
            digest,
        } = chart;
        Self {
            notes: vec![format!("Pulled: {reference}"), format!("Digest: {digest}")],
            ..Self::of(archive, warning)
        }
    }
}

/// Fetches the archive of a chart.
pub fn fetch(
    wanted: &Wanted,
    access: &Access,
    files: &HelmFiles,
    limits: &Limits,
) -> Result<Fetched, FetchError> {
    let Wanted { chart, repo, version } = wanted;
    if !repo.is_empty() {
        return from_repository(chart, version, repo, access, files, limits);
    }
    if chart.starts_with(SCHEME) {
        let client = Client::new(access, limits)?;
        let reference = Reference::parse(chart)?;
        let chart = Registry::new(&client, reference, access, files)?.chart(version)?;
        return Ok(Fetched::pulled(chart, None));
    }
    if chart.contains("://") {
        let url = Url::parse(chart).map_err(|_| FetchError::Url(chart.clone()))?;
        return from_url(&url, access, files, limits);
    }
    from_list(chart, version, access, files, limits)
}

/// A chart of a repository that is named by its URL.
fn from_repository(
    chart: &str,
    version: &str,
    repo: &str,
    access: &Access,
    files: &HelmFiles,
    limits: &Limits,
) -> Result<Fetched, FetchError> {
    let base = Url::parse(repo).map_err(|_| FetchError::Url(repo.to_owned()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(FetchError::RepositoryScheme(base.scheme().to_owned()));
    }
    let client = Client::new(access, limits)?;
    let authorization = basic(&access.username, &access.password);
    let index = client.fetch(&Request {
        url: &resolve(&base, "index.yaml")?,
        accept: "",
        authorization: authorization.as_deref(),
        max: limits.index_bytes,
    });
    let index = index
        .and_then(|text| Index::read(&text))
        .map_err(|error| FetchError::Repository {
            url: repo.to_owned(),
            error: Box::new(error),
        })?;
    let mut described = format!("chart {}", go_std::quote(chart));
    if !version.is_empty() {
        let _ = write!(described, " version {}", go_std::quote(version));
    }
    let (entry, warning) = index
        .find(chart, version)
        .map_err(|_| FetchError::NotInRepository {
            chart: described.clone(),
            url: repo.to_owned(),
        })?;
    let url = entry.urls.first().ok_or(FetchError::NoUrl(described))?;
    let url = resolve(&base, url)?;
    // An index may name charts of a registry.
    if url.as_str().starts_with(SCHEME) {
        let reference = Reference::parse(url.as_str())?;
        let chart = Registry::new(&client, reference, access, files)?.chart("")?;
        return Ok(Fetched::pulled(chart, warning));
    }
    let sent = access.pass_credentials || same_origin(&base, &url);
    let authorization = authorization.filter(|_| sent);
    let archive = download(&client, &url, authorization.as_deref(), &entry)?;
    Ok(Fetched::of(archive, warning))
}

/// A chart at a URL. If the index of a listed repository names it, that repository's credentials are used.
fn from_url(url: &Url, access: &Access, files: &HelmFiles, limits: &Limits) -> Result<Fetched, FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::Scheme(url.scheme().to_owned()));
    }
    let mut owner = None;
    for repository in files.list()? {
        if files.index(&repository.name)?.names(url.as_str()) {
            owner = Some(repository);
            break;
        }
    }
    let Some(repository) = owner else {
        let client = Client::new(access, limits)?;
        let authorization = basic(&access.username, &access.password);
        let archive = download(&client, url, authorization.as_deref(), &Entry::nowhere())?;
        return Ok(Fetched::of(archive, None));
    };
    let access = repository.access(access);
    let client = Client::new(&access, limits)?;
    let sent =
        access.pass_credentials || Url::parse(&repository.url).is_ok_and(|base| same_origin(&base, url));
    let authorization = basic(&access.username, &access.password).filter(|_| sent);
    let archive = download(&client, url, authorization.as_deref(), &Entry::nowhere())?;
    Ok(Fetched::of(archive, None))
}

/// `REPOSITORY/CHART`: of a repository of Helm's list, by the index that Helm fetched last.
fn from_list(
    name: &str,
    version: &str,
    access: &Access,
    files: &HelmFiles,
    limits: &Limits,
) -> Result<Fetched, FetchError> {
    let Some((repository, chart)) = name.split_once('/') else {
        return Err(FetchError::NoRepositoryName(name.to_owned()));
    };
    let listed = files.list()?;
    let found = listed.iter().find(|listed| listed.name == repository);
    let found = found.ok_or_else(|| FetchError::NoRepository(repository.to_owned()))?;
    if found.url.is_empty() {
        return Err(FetchError::NoRepositoryUrl(repository.to_owned()));
    }
    let base = Url::parse(&found.url).map_err(|_| FetchError::Url(found.url.clone()))?;
    let index = files.index(repository)?;
    let (entry, warning) = index
        .find(chart, version)
        .map_err(|error| FetchError::NotInIndex {
            chart: chart.to_owned(),
            version: version.to_owned(),
            repository: repository.to_owned(),
            error,
        })?;
    let no_url = || FetchError::NoUrl(format!("chart {}", go_std::quote(name)));
    let url = resolve(&base, entry.urls.first().ok_or_else(no_url)?)?;
    let access = found.access(access);
    let client = Client::new(&access, limits)?;
    if url.as_str().starts_with(SCHEME) {
        let reference = Reference::parse(url.as_str())?;
        let chart = Registry::new(&client, reference, &access, files)?.chart("")?;
        return Ok(Fetched::pulled(chart, warning));
    }
    let sent = access.pass_credentials || same_origin(&base, &url);
    let authorization = basic(&access.username, &access.password).filter(|_| sent);
    let archive = download(&client, &url, authorization.as_deref(), &entry)?;
    Ok(Fetched::of(archive, warning))
}

fn download(
    client: &Client,
    url: &Url,
    authorization: Option<&str>,
    entry: &Entry,
) -> Result<Vec<u8>, FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::Scheme(url.scheme().to_owned()));
    }
    let archive = client.fetch(&Request {
        url,
        accept: "application/gzip,application/octet-stream",
        authorization,
        max: client.limits().chart_bytes,
    })?;
    if !entry.digest.is_empty() {
        let hex = entry.digest.rsplit(':').next().unwrap_or_default();
        check_digest(&crate::client::shown(url), &archive, &format!("sha256:{hex}"))?;
    }
    Ok(archive)
}

impl Entry {
    /// What no index names.
    fn nowhere() -> Self {
        Self {
            version: String::new(),
            urls: Vec::new(),
            digest: String::new(),
        }
    }
}

impl Repository {
    /// The given access with what the list says of the repository in the place of it.
    fn access(&self, given: &Access) -> Access {
        let mut access = given.clone();
        let file = |text: &str| (!text.is_empty()).then(|| text.into());
        if [&self.cert_file, &self.key_file, &self.ca_file]
            .iter()
            .any(|file| !file.is_empty())
        {
            access.cert_file = file(&self.cert_file);
            access.key_file = file(&self.key_file);
            access.ca_file = file(&self.ca_file);
        }
        if !self.username.is_empty() && !self.password.is_empty() {
            access.username.clone_from(&self.username);
            access.password.clone_from(&self.password);
            access.pass_credentials = self.pass_credentials_all;
        }
        access.insecure |= self.insecure;
        access
    }
}
