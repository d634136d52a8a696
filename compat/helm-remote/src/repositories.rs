//! The repositories of Helm's list and their indexes, as dependencies are resolved and built with them.

use std::fs;
use std::io;
use std::path::Path;

use url::Url;

use crate::client::Client;
use crate::digest::sha256;
use crate::fetch::{Place, fetch_index, fetch_listed, fetch_unlisted};
use crate::files::Repository;
use crate::index::{Index, resolve};
use crate::reference::{Reference, SCHEME};
use crate::registry::Registry;
use crate::{Access, FetchError, Fetched, HelmFiles, Limits};

/// What Helm calls the indexes of repositories that its list does not have.
const UNLISTED: &str = "helm-manager-";

/// Helm's list of repositories, with the files that belong to it.
pub struct Repositories<'f> {
    files: &'f HelmFiles,
    limits: &'f Limits,
    listed: Vec<Repository>,
}

/// A repository whose index is kept.
#[derive(Clone)]
pub struct Kept {
    repository: Repository,
}

/// The versions of the charts of a repository.
pub struct Charts(Index);

/// A version of a chart in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartVersion {
    /// The version.
    pub version: String,
    /// Where it is, relative to the repository or not.
    pub url: String,
    /// The digest of its archive; empty if the index has none.
    pub digest: String,
}

impl Kept {
    /// The name in Helm's list, or the one that Helm makes up.
    pub fn name(&self) -> &str {
        &self.repository.name
    }

    /// The URL.
    pub fn url(&self) -> &str {
        &self.repository.url
    }

    /// How messages name it: by its URL where its name is made up.
    pub fn shown(&self) -> &str {
        if self.is_listed() { self.name() } else { self.url() }
    }

    /// Whether it is in Helm's list.
    pub fn is_listed(&self) -> bool {
        !self.repository.name.starts_with(UNLISTED)
    }
}

impl<'f> Repositories<'f> {
    /// Reads the list.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(files: &'f HelmFiles, limits: &'f Limits) -> Result<Self, FetchError> {
        Ok(Self {
            listed: files.list()?,
            files,
            limits,
        })
    }

    /// The repositories of the list, in its order.
    pub fn listed(&self) -> impl Iterator<Item = Kept> + '_ {
        self.listed.iter().map(|repository| Kept {
            repository: repository.clone(),
        })
    }

    /// The repository of the list that is at a URL.
    pub fn at(&self, url: &str) -> Option<Kept> {
        self.listed().find(|listed| same_repository(listed.url(), url))
    }

    /// A repository that the list does not have: it is asked without credentials.
    pub fn unlisted(url: &str) -> Kept {
        let digest = sha256(url.as_bytes());
        let hex = digest.rsplit(':').next().unwrap_or_default();
        Kept {
            repository: Repository {
                name: format!("{UNLISTED}{hex}"),
                url: url.to_owned(),
                ..Repository::default()
            },
        }
    }

    /// Fetches the index of a repository, and keeps it where Helm keeps it.
    ///
    /// # Errors
    /// There is none, or it cannot be kept.
    pub fn update(&self, kept: &Kept) -> Result<(), FetchError> {
        let url = kept.url();
        let base = Url::parse(url).map_err(|_| FetchError::Url(url.to_owned()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(FetchError::RepositoryScheme(base.scheme().to_owned()));
        }
        let access = kept.repository.access(&Access::default());
        let client = Client::new(&access, self.limits)?;
        let text = fetch_index(&client, &base, &access)?;
        let index = Index::read(&text)?;
        let mut names = String::new();
        for name in index.names_of_charts() {
            names.push_str(name);
            names.push('\n');
        }
        self.keep(&format!("{}-charts.txt", kept.name()), names.as_bytes())?;
        self.keep(&format!("{}-index.yaml", kept.name()), &text)
    }

    /// Whether a repository is one whose index can be asked for at all.
    ///
    /// # Errors
    /// Nobody knows the scheme of its URL.
    pub fn check_scheme(kept: &Kept) -> Result<(), FetchError> {
        let scheme = Url::parse(kept.url()).map_or_else(
            |_| {
                kept.url()
                    .split_once("://")
                    .map_or(String::new(), |(scheme, _)| scheme.to_owned())
            },
            |url| url.scheme().to_owned(),
        );
        match scheme.as_str() {
            "http" | "https" | "oci" => Ok(()),
            _ => Err(FetchError::RepositoryScheme(scheme)),
        }
    }

    /// Writes a file of Helm's cache whole or not at all.
    fn keep(&self, name: &str, content: &[u8]) -> Result<(), FetchError> {
        let path = self.files.cache.join(name);
        write_whole(&path, content).map_err(|error| FetchError::File {
            path: path.display().to_string(),
            reason: error.to_string(),
        })
    }

    /// The index of a repository as it was kept last; the error says what is wrong with the file.
    ///
    /// # Errors
    /// It was not kept, or cannot be read.
    pub fn kept(&self, name: &str) -> Result<Charts, String> {
        self.files.kept_index(name).map(Charts)
    }

    /// Fetches an archive of a repository of the list, from a place that its index names.
    ///
    /// # Errors
    /// It is not there.
    pub fn fetch(&self, kept: &Kept, place: &Place, provenance: bool) -> Result<Fetched, FetchError> {
        fetch_listed(&kept.repository, place, provenance, self.limits)
    }

    /// Fetches an archive of a repository that the list does not have.
    ///
    /// # Errors
    /// It is not there.
    pub fn fetch_unlisted(&self, place: &Place, provenance: bool) -> Result<Fetched, FetchError> {
        fetch_unlisted(place, provenance, self.files, self.limits)
    }

    /// The versions of a chart of a registry, the highest first.
    ///
    /// # Errors
    /// The registry does not tell them.
    pub fn tags(&self, repository: &str, access: &Access) -> Result<Vec<String>, FetchError> {
        let client = Client::new(access, self.limits)?;
        let reference = Reference::parse(repository.strip_prefix(SCHEME).unwrap_or(repository))?;
        let versions = Registry::new(&client, reference, access, self.files)?.versions()?;
        Ok(versions.iter().map(ToString::to_string).collect())
    }
}

impl Charts {
    /// The versions of a chart that have a place, the highest first; nothing if there is no such chart.
    pub fn versions(&self, chart: &str) -> Option<Vec<ChartVersion>> {
        let entries = self.0.versions(chart)?;
        let with_url = entries.into_iter().filter_map(|entry| {
            Some(ChartVersion {
                url: entry.urls.into_iter().next()?,
                version: entry.version,
                digest: entry.digest,
            })
        });
        Some(with_url.collect())
    }
}

/// A place that an index names, as a whole URL.
///
/// # Errors
/// It is none.
pub fn resolve_reference(repository: &str, reference: &str) -> Result<String, FetchError> {
    let base = Url::parse(repository).map_err(|_| FetchError::Url(repository.to_owned()))?;
    Ok(resolve(&base, reference)?.to_string())
}

/// Whether two URLs are of the same repository, however their paths end.
pub fn same_repository(a: &str, b: &str) -> bool {
    let (Ok(mut left), Ok(mut right)) = (Url::parse(a), Url::parse(b)) else {
        return go_std::path::clean(a) == go_std::path::clean(b);
    };
    for url in [&mut left, &mut right] {
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
    }
    left == right
}

/// Writes a file beside its place and moves it there.
fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    fs::write(&beside, content)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_the_same_however_they_end() {
        for (a, b, same) in [
            ("https://charts.test/a", "https://charts.test/a/", true),
            ("https://charts.test", "https://charts.test/", true),
            ("https://charts.test:443/a", "https://charts.test/a", true),
            ("https://charts.test/a", "https://charts.test/b", false),
            ("http://charts.test/a", "https://charts.test/a", false),
            ("charts", "charts/", true),
        ] {
            assert_eq!(same_repository(a, b), same, "{a} {b}");
        }
    }

    #[test]
    fn unlisted_repositories_have_a_name_of_their_url() {
        let kept = Repositories::unlisted("https://charts.test");
        assert_eq!(kept.name().len(), UNLISTED.len() + 64);
        assert!(!kept.is_listed());
        assert_eq!(kept.shown(), "https://charts.test");
    }
}
