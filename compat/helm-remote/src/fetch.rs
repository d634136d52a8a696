//! From the name of a chart to its archive: which of the three kinds of places it is in.

use std::fmt::Write as _;
use std::path::Path;

use url::Url;

use crate::client::{Client, Request, basic, same_origin, shown};
use crate::digest::check_digest;
use crate::files::Repository;
use crate::index::{Entry, Index, resolve};
use crate::provenance::{self, ProvenanceError};
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
    /// Whether the file with its signature is wanted, too.
    pub provenance: bool,
}

/// A chart that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The archive.
    pub archive: Vec<u8>,
    /// The name of its file.
    pub name: String,
    /// Where it is from.
    pub url: String,
    /// The file with its signature, or why there is none, if that was asked for.
    pub provenance: Option<Result<Vec<u8>, FetchError>>,
    /// What is worth a warning.
    pub warnings: Vec<String>,
    /// What Helm says about a chart of a registry: how it was found, and the digest of its manifest.
    pub notes: Vec<String>,
    /// The digest of the index is that of another archive. A signature says more about that, so it is looked at first.
    mismatch: Option<FetchError>,
}

/// Why a chart is not taken for the one that was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyFetchedError {
    /// There is no signature.
    #[error("failed to fetch provenance {}", go_std::quote(.0))]
    NoProvenance(String),
    /// It is not the signed one.
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    /// The index has the digest of another one.
    #[error(transparent)]
    Digest(FetchError),
}

/// As what a chart is asked for.
struct Asked<'a> {
    access: &'a Access,
    files: &'a HelmFiles,
    limits: &'a Limits,
    provenance: bool,
}

impl Fetched {
    fn pulled(chart: Pulled, warning: Option<String>) -> Self {
        let Pulled {
            archive,
            name,
            provenance,
            reference,
            digest,
        } = chart;
        let mut notes = vec![format!("Pulled: {reference}"), format!("Digest: {digest}")];
        if let Some(Ok(_)) = provenance {
            // Helm pulls it by itself, and says so.
            notes.extend_from_within(..);
        }
        Self {
            archive,
            name,
            url: format!("{SCHEME}{reference}"),
            provenance,
            warnings: warning.into_iter().collect(),
            notes,
            mismatch: None,
        }
    }

    /// Verifies that it is the chart that was signed by a key of a ring, if its signature was fetched.
    ///
    /// # Errors
    /// It is not, or there is no signature, which may do where signatures are optional.
    pub fn verify(&self, ring: &Path) -> Result<(), VerifyFetchedError> {
        match &self.provenance {
            Some(Ok(provenance)) => provenance::verify(&self.archive, &self.name, provenance, ring)?,
            Some(Err(_)) => return Err(VerifyFetchedError::NoProvenance(format!("{}.prov", self.url))),
            None => {}
        }
        self.check_digest().map_err(VerifyFetchedError::Digest)
    }

    /// Whether it is the archive that the index has the digest of, where that was not found out before.
    ///
    /// # Errors
    /// It is another one.
    pub fn check_digest(&self) -> Result<(), FetchError> {
        self.mismatch.clone().map_or(Ok(()), Err)
    }
}

/// Fetches the archive of a chart.
pub fn fetch(
    wanted: &Wanted,
    access: &Access,
    files: &HelmFiles,
    limits: &Limits,
) -> Result<Fetched, FetchError> {
    let Wanted {
        chart,
        repo,
        version,
        provenance,
    } = wanted;
    let asked = Asked {
        access,
        files,
        limits,
        provenance: *provenance,
    };
    if !repo.is_empty() {
        return asked.out_of_repository(chart, version, repo);
    }
    if chart.starts_with(SCHEME) {
        return asked.pull(chart, version, None);
    }
    if chart.contains("://") {
        let url = Url::parse(chart).map_err(|_| FetchError::Url(chart.clone()))?;
        return asked.by_url(&url);
    }
    asked.out_of_list(chart, version)
}

/// Finds a chart in a repository by its URL, without fetching it.
///
/// # Errors
/// The repository, or the chart, is not there.
pub fn locate(
    chart: &str,
    version: &str,
    repo: &str,
    access: &Access,
    limits: &Limits,
) -> Result<String, FetchError> {
    let client = Client::new(access, limits)?;
    Ok(look_up(&client, chart, version, repo, access)?.url.to_string())
}

/// A chart that an index names.
struct Located {
    base: Url,
    url: Url,
    entry: Entry,
    warning: Option<String>,
}

fn look_up(
    client: &Client,
    chart: &str,
    version: &str,
    repo: &str,
    access: &Access,
) -> Result<Located, FetchError> {
    let base = Url::parse(repo).map_err(|_| FetchError::Url(repo.to_owned()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(FetchError::RepositoryScheme(base.scheme().to_owned()));
    }
    let index = fetch_index(client, &base, access).and_then(|text| Index::read(&text));
    let index = index.map_err(|error| FetchError::Repository {
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
    Ok(Located {
        url: resolve(&base, url)?,
        base,
        entry,
        warning,
    })
}

/// Fetches the index of a repository.
pub(crate) fn fetch_index(client: &Client, base: &Url, access: &Access) -> Result<Vec<u8>, FetchError> {
    client.fetch(&Request {
        url: &resolve(base, "index.yaml")?,
        accept: "",
        authorization: basic(&access.username, &access.password).as_deref(),
        max: client.limits().index_bytes,
    })
}

/// Fetches an archive of a listed repository, at a URL that its index names, with the repository's credentials.
pub(crate) fn fetch_listed(
    repository: &Repository,
    url: &str,
    provenance: bool,
    limits: &Limits,
) -> Result<Fetched, FetchError> {
    let url = Url::parse(url).map_err(|_| FetchError::Url(url.to_owned()))?;
    let access = repository.access(&Access::default());
    let client = Client::new(&access, limits)?;
    let sent =
        access.pass_credentials || Url::parse(&repository.url).is_ok_and(|base| same_origin(&base, &url));
    let authorization = basic(&access.username, &access.password).filter(|_| sent);
    download(
        &client,
        &url,
        authorization.as_deref(),
        &Entry::nowhere(),
        None,
        provenance,
    )
}

impl Asked<'_> {
    /// A chart of a registry.
    fn pull(&self, reference: &str, version: &str, warning: Option<String>) -> Result<Fetched, FetchError> {
        let client = Client::new(self.access, self.limits)?;
        let reference = Reference::parse(reference)?;
        let mut registry = Registry::new(&client, reference, self.access, self.files)?;
        Ok(Fetched::pulled(
            registry.chart(version, self.provenance)?,
            warning,
        ))
    }

    /// A chart of a repository that is named by its URL.
    fn out_of_repository(&self, chart: &str, version: &str, repo: &str) -> Result<Fetched, FetchError> {
        let client = Client::new(self.access, self.limits)?;
        let found = look_up(&client, chart, version, repo, self.access)?;
        self.found(&client, found)
    }

    /// Fetches what an index names, which may be a chart of a registry.
    fn found(&self, client: &Client, found: Located) -> Result<Fetched, FetchError> {
        let Located {
            base,
            url,
            entry,
            warning,
        } = found;
        if url.as_str().starts_with(SCHEME) {
            return self.pull(url.as_str(), "", warning);
        }
        let sent = self.access.pass_credentials || same_origin(&base, &url);
        let authorization = basic(&self.access.username, &self.access.password).filter(|_| sent);
        download(
            client,
            &url,
            authorization.as_deref(),
            &entry,
            warning,
            self.provenance,
        )
    }

    /// A chart at a URL. If the index of a listed repository names it, that repository's credentials are used.
    fn by_url(&self, url: &Url) -> Result<Fetched, FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme(url.scheme().to_owned()));
        }
        let mut owner = None;
        for repository in self.files.list()? {
            if self.files.index(&repository.name)?.names(url.as_str()) {
                owner = Some(repository);
                break;
            }
        }
        let access = owner
            .as_ref()
            .map_or_else(|| self.access.clone(), |owner| owner.access(self.access));
        let sent = owner.is_none_or(|owner| {
            access.pass_credentials || Url::parse(&owner.url).is_ok_and(|base| same_origin(&base, url))
        });
        let client = Client::new(&access, self.limits)?;
        let authorization = basic(&access.username, &access.password).filter(|_| sent);
        let entry = Entry::nowhere();
        download(
            &client,
            url,
            authorization.as_deref(),
            &entry,
            None,
            self.provenance,
        )
    }

    /// `REPOSITORY/CHART`: of a repository of Helm's list, by the index that Helm fetched last.
    fn out_of_list(&self, name: &str, version: &str) -> Result<Fetched, FetchError> {
        let Some((repository, chart)) = name.split_once('/') else {
            return Err(FetchError::NoRepositoryName(name.to_owned()));
        };
        let listed = self.files.list()?;
        let found = listed.iter().find(|listed| listed.name == repository);
        let found = found.ok_or_else(|| FetchError::NoRepository(repository.to_owned()))?;
        if found.url.is_empty() {
            return Err(FetchError::NoRepositoryUrl(repository.to_owned()));
        }
        let base = Url::parse(&found.url).map_err(|_| FetchError::Url(found.url.clone()))?;
        let index = self.files.index(repository)?;
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
        let access = found.access(self.access);
        let client = Client::new(&access, self.limits)?;
        let asked = Asked {
            access: &access,
            ..*self
        };
        asked.found(
            &client,
            Located {
                base,
                url,
                entry,
                warning,
            },
        )
    }
}

fn download(
    client: &Client,
    url: &Url,
    authorization: Option<&str>,
    entry: &Entry,
    warning: Option<String>,
    provenance: bool,
) -> Result<Fetched, FetchError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(FetchError::Scheme(url.scheme().to_owned()));
    }
    let archive = client.fetch(&Request {
        url,
        accept: "application/gzip,application/octet-stream",
        authorization,
        max: client.limits().chart_bytes,
    })?;
    let mut mismatch = None;
    if !entry.digest.is_empty() {
        let hex = entry.digest.rsplit(':').next().unwrap_or_default();
        mismatch = check_digest(&shown(url), &archive, &format!("sha256:{hex}")).err();
    }
    let signature = provenance.then(|| {
        let text = format!("{url}.prov");
        client.fetch(&Request {
            url: &Url::parse(&text).map_err(|_| FetchError::Url(text))?,
            accept: "",
            authorization,
            max: client.limits().answer_bytes,
        })
    });
    if let (Some(mismatch), None) = (&mismatch, &signature) {
        return Err(mismatch.clone());
    }
    let name = url.path().rsplit('/').next().unwrap_or_default();
    Ok(Fetched {
        archive,
        name: name.to_owned(),
        url: shown(url),
        provenance: signature,
        warnings: warning.into_iter().collect(),
        notes: Vec::new(),
        mismatch,
    })
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
    pub(crate) fn access(&self, given: &Access) -> Access {
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
