//! From the name of a chart to its archive: which of the three kinds of places it is in.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::client::{Client, Request, basic, same_origin, shown};
use crate::digest::check_digest;
use crate::fetched::Fetched;
use crate::files::Repository;
use crate::index::{Entry, Index, resolve};
use crate::reference::{Reference, SCHEME};
use crate::registry::Registry;
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

/// Where the archive of a chart is, as an index says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The whole URL.
    pub url: String,
    /// The digest of the archive; empty if the index has none.
    pub digest: String,
}

/// As what a chart is asked for.
struct Asked<'a> {
    access: &'a Access,
    files: &'a HelmFiles,
    limits: &'a Limits,
    provenance: bool,
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
        return pull(&asked, access, chart, version, None);
    }
    if chart.contains("://") {
        let url = Url::parse(chart).map_err(|_| FetchError::Url(chart.clone()))?;
        return asked.by_url(&url, "");
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
) -> Result<Place, FetchError> {
    let client = Client::new(access, limits)?;
    let found = look_up(&client, chart, version, repo, access)?;
    Ok(Place {
        url: found.url.to_string(),
        digest: found.entry.digest,
    })
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

/// Fetches an archive of a listed repository, at a place that its index names, with the repository's credentials.
pub(crate) fn fetch_listed(
    repository: &Repository,
    place: &Place,
    provenance: bool,
    limits: &Limits,
) -> Result<Fetched, FetchError> {
    let url = Url::parse(&place.url).map_err(|_| FetchError::Url(place.url.clone()))?;
    let access = repository.access(&Access::default());
    let client = Client::new(&access, limits)?;
    let sent =
        access.pass_credentials || Url::parse(&repository.url).is_ok_and(|base| same_origin(&base, &url));
    let authorization = basic(&access.username, &access.password).filter(|_| sent);
    download(
        &client,
        &url,
        authorization.as_deref(),
        &place.digest,
        None,
        provenance,
    )
}

/// Fetches an archive of a repository that is not listed.
pub(crate) fn fetch_unlisted(
    place: &Place,
    provenance: bool,
    files: &HelmFiles,
    limits: &Limits,
) -> Result<Fetched, FetchError> {
    let asked = Asked {
        access: &Access::default(),
        files,
        limits,
        provenance,
    };
    let url = Url::parse(&place.url).map_err(|_| FetchError::Url(place.url.clone()))?;
    asked.by_url(&url, &place.digest)
}

/// Fetches a chart of a registry.
fn pull(
    asked: &Asked<'_>,
    access: &Access,
    reference: &str,
    version: &str,
    warning: Option<String>,
) -> Result<Fetched, FetchError> {
    let client = Client::new(access, asked.limits)?;
    let reference = Reference::parse(reference)?;
    let mut registry = Registry::new(&client, reference, access, asked.files)?;
    Ok(Fetched::pulled(
        registry.chart(version, asked.provenance)?,
        warning,
    ))
}

impl Asked<'_> {
    /// A chart of a repository that is named by its URL.
    fn out_of_repository(&self, chart: &str, version: &str, repo: &str) -> Result<Fetched, FetchError> {
        let client = Client::new(self.access, self.limits)?;
        let found = look_up(&client, chart, version, repo, self.access)?;
        self.found(&client, self.access, found)
    }

    /// Fetches what an index names, with the access of its repository. A chart of a registry is another's: it is pulled as
    /// whoever the command line or the login of the registry says, unless the credentials are to be passed on.
    fn found(&self, client: &Client, access: &Access, found: Located) -> Result<Fetched, FetchError> {
        let Located {
            base,
            url,
            entry,
            warning,
        } = found;
        if url.as_str().starts_with(SCHEME) {
            let access = if access.pass_credentials {
                access
            } else {
                self.access
            };
            return pull(self, access, url.as_str(), "", warning);
        }
        let sent = access.pass_credentials || same_origin(&base, &url);
        let authorization = basic(&access.username, &access.password).filter(|_| sent);
        download(
            client,
            &url,
            authorization.as_deref(),
            &entry.digest,
            warning,
            self.provenance,
        )
    }

    /// A chart at a URL. If the index of a listed repository names it, that repository's credentials are used.
    fn by_url(&self, url: &Url, digest: &str) -> Result<Fetched, FetchError> {
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
        download(
            &client,
            url,
            authorization.as_deref(),
            digest,
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
        self.found(
            &client,
            &access,
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
    digest: &str,
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
    if !digest.is_empty() {
        let hex = digest.rsplit(':').next().unwrap_or_default();
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
    Ok(Fetched {
        archive,
        name: file_name(url),
        url: shown(url),
        provenance: signature,
        warnings: warning.into_iter().collect(),
        notes: Vec::new(),
        mismatch,
    })
}

/// The name of the file at a URL: what follows the last slash of the path, once that is decoded.
fn file_name(url: &Url) -> String {
    let path = percent_decode_str(url.path()).decode_utf8_lossy();
    path.rsplit('/').next().unwrap_or_default().to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_the_decoded_path() {
        for (url, name) in [
            ("https://charts.test/a/web-1.0.0.tgz?x=/y", "web-1.0.0.tgz"),
            ("https://charts.test/web-1.0.0%2Ba.tgz", "web-1.0.0+a.tgz"),
            ("https://charts.test/a%2F..%2Fb.tgz", "b.tgz"),
            ("https://charts.test/", ""),
        ] {
            assert_eq!(file_name(&Url::parse(url).unwrap()), name, "{url}");
        }
    }

    #[test]
    fn a_listed_password_goes_with_its_repository_alone() {
        let repository = Repository {
            username: "listed".to_owned(),
            password: "secret".to_owned(),
            ..Repository::default()
        };
        let given = Access {
            username: "given".to_owned(),
            password: "other".to_owned(),
            pass_credentials: true,
            ..Access::default()
        };
        let access = repository.access(&given);
        assert_eq!(
            (access.username.as_str(), access.pass_credentials),
            ("listed", false)
        );
        assert_eq!(Repository::default().access(&given).username, "given");
    }
}
