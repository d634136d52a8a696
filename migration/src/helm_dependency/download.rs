//! The subcharts that a lock lists, in `charts/`.

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use helm::{Dependency, Limits};
use helm_remote::{
    Access, Charts, FetchError, Fetched, HelmFiles, Kept, Place, Repositories, VerifyFetchedError, Wanted,
    fetch, locate, resolve_reference, same_repository, without_password,
};
use jiff::Timestamp;
use sprig::semver::{Constraints, Version};

use super::HelmDependencyError;
use super::chart::{files_of, is_local, is_registry, load_folder, local_path};
use super::place::{Beside, file_error, put};

/// Whether signatures count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verification {
    Never,
    /// Where there is one, it has to be right.
    IfPossible,
    Always,
}

/// What subcharts are fetched with.
pub(super) struct Download<'a> {
    pub(super) chart: &'a str,
    pub(super) repositories: &'a Repositories<'a>,
    pub(super) files: &'a HelmFiles,
    pub(super) access: &'a Access,
    pub(super) ring: &'a Path,
    pub(super) verification: Verification,
    pub(super) debug: bool,
    pub(super) limits: &'a Limits,
    pub(super) remote_limits: &'a helm_remote::Limits,
}

impl Download<'_> {
    /// Fetches all subcharts, and only then changes `charts/`. The versions of those on disk are filled in.
    pub(super) fn all(
        &self,
        dependencies: &mut [Option<Dependency>],
        out: &mut dyn Write,
    ) -> Result<(), HelmDependencyError> {
        let indexes = self.indexes(dependencies)?;
        let charts = go_std::path::join(self.chart, "charts");
        // What is saved stays in the chart, whatever was put there.
        match fs::symlink_metadata(&charts) {
            Ok(metadata) if metadata.is_symlink() => return Err(HelmDependencyError::ChartsIsLink(charts)),
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(HelmDependencyError::NotAFolder(charts)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(&charts).map_err(file_error(&charts))?;
            }
            Err(error) => return Err(file_error(&charts)(error)),
        }
        let beside = Beside::new(self.chart)?;

        writeln!(out, "Saving {} charts", dependencies.len())?;
        let mut fetched = HashSet::new();
        for dependency in dependencies.iter_mut().flatten() {
            if dependency.repository.is_empty() {
                // One that cannot be loaded ends it at once; one of another version is told like what cannot be fetched.
                if let Err(error) = self.check_local(&charts, dependency, out)? {
                    return save_error(error, out);
                }
                continue;
            }
            let saved = if is_local(&dependency.repository) {
                self.pack(dependency, beside.path(), out)
            } else {
                self.fetch(dependency, &indexes, beside.path(), &mut fetched, out)
            };
            if let Err(error) = saved {
                return save_error(error, out);
            }
        }
        let locals = dependencies.iter().flatten();
        let locals = locals.filter(|dependency| dependency.repository.is_empty());
        let locals: Vec<_> = locals.map(|dependency| dependency.name.as_str()).collect();
        put(beside.path(), &charts, &locals, self.limits, out)
    }

    /// The indexes of the repositories that are meant, of those that Helm's list has; all of them have to be there.
    fn indexes(
        &self,
        dependencies: &[Option<Dependency>],
    ) -> Result<Vec<(Kept, Charts)>, HelmDependencyError> {
        let mut indexes = Vec::new();
        for kept in self.repositories.listed() {
            let charts = self
                .repositories
                .kept(kept.name())
                .map_err(HelmDependencyError::Kept)?;
            let mut wanted = dependencies.iter().flatten();
            if wanted.any(|dependency| same_repository(&dependency.repository, kept.url())) {
                indexes.push((kept, charts));
            }
        }
        Ok(indexes)
    }

    /// A subchart without a repository has to lie in `charts/` already.
    fn check_local(
        &self,
        charts: &str,
        dependency: &Dependency,
        out: &mut dyn Write,
    ) -> Result<Result<(), HelmDependencyError>, HelmDependencyError> {
        let Dependency { name, version, .. } = dependency;
        writeln!(
            out,
            "Dependency {name} did not declare a repository. Assuming it exists in the charts directory"
        )?;
        let path = go_std::path::join(charts, name);
        let chart = load_folder(&path, self.limits).map_err(|error| HelmDependencyError::Local {
            path,
            error: Box::new(error),
        })?;
        let constraint = constraint(name, version)?;
        let found = &chart.metadata().version;
        let parsed = Version::parse(found).map_err(|error| {
            HelmDependencyError::Version(format!(
                "invalid version {version} for dependency {name}: {error}"
            ))
        })?;
        if constraint.check(&parsed) {
            return Ok(Ok(()));
        }
        Ok(Err(HelmDependencyError::OtherVersion {
            name: name.clone(),
            found: found.clone(),
            wanted: version.clone(),
        }))
    }

    /// Packs a subchart that lies on disk.
    fn pack(
        &self,
        dependency: &mut Dependency,
        beside: &str,
        out: &mut dyn Write,
    ) -> Result<(), HelmDependencyError> {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = &*dependency;
        if self.debug {
            writeln!(out, "Archiving {name} from repo {repository}")?;
        }
        let path = local_path(repository, self.chart)?;
        let files = files_of(&path, self.limits)?;
        let (metadata, archive) = helm::pack(files, self.limits, Timestamp::now().into())?;
        let constraint = constraint(name, version)?;
        let parsed = Version::parse(&metadata.version)
            .map_err(|error| HelmDependencyError::Version(error.to_string()))?;
        if !constraint.check(&parsed) {
            return Err(HelmDependencyError::NoValidVersion(name.clone()));
        }
        let file = format!("{}-{}.tgz", metadata.name, metadata.version);
        if !is_file_name(&file) {
            return Err(HelmDependencyError::NoValidVersion(name.clone()));
        }
        let file = format!("{beside}/{file}");
        fs::write(&file, archive).map_err(file_error(&file))?;
        dependency.version = metadata.version;
        Ok(())
    }

    /// Fetches a subchart from where it lives.
    fn fetch(
        &self,
        dependency: &Dependency,
        indexes: &[(Kept, Charts)],
        beside: &str,
        known: &mut HashSet<String>,
        out: &mut dyn Write,
    ) -> Result<(), HelmDependencyError> {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = dependency;
        let listed = indexes
            .iter()
            .find(|(kept, _)| same_repository(repository, kept.url()));
        let (place, version) = if is_registry(repository) {
            let url = format!("{repository}/{name}");
            let digest = String::new();
            (Place { url, digest }, version.as_str())
        } else {
            // The index may name a chart of a registry, with its tag.
            (self.place_of(dependency, listed)?, "")
        };
        let is_pulled = is_registry(&place.url);
        let url = without_password(&place.url);
        if known.contains(&place.url) && !is_pulled {
            writeln!(out, "Already downloaded {name} from repo {repository}")?;
            return Ok(());
        }
        writeln!(out, "Downloading {name} from repo {repository}")?;
        let provenance = self.verification != Verification::Never;
        let fetched = match listed {
            // The credentials of a repository are not those of registries.
            _ if is_pulled => {
                if !is_registry(repository) && !has_tag(&url) {
                    return Err(HelmDependencyError::NoTag(url));
                }
                let wanted = Wanted {
                    chart: place.url.clone(),
                    repo: String::new(),
                    version: version.to_owned(),
                    provenance,
                };
                fetch(&wanted, self.access, self.files, self.remote_limits)
            }
            Some((kept, _)) => self.repositories.fetch(kept, &place, provenance),
            // What is not in Helm's list is asked without credentials; those given are for registries.
            None => self.repositories.fetch_unlisted(&place, provenance),
        };
        let fetched = fetched.map_err(|error| HelmDependencyError::Download {
            url: url.clone(),
            error,
        })?;
        for note in &fetched.notes {
            writeln!(out, "{note}")?;
        }
        self.check(&fetched, &url, beside, out)?;
        known.insert(place.url);
        Ok(())
    }

    /// Where a chart of a repository is.
    fn place_of(
        &self,
        dependency: &Dependency,
        listed: Option<&(Kept, Charts)>,
    ) -> Result<Place, HelmDependencyError> {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = dependency;
        let not_found = |reason: String| HelmDependencyError::NotFound {
            url: String::new(),
            reason,
        };
        let Some((_, charts)) = listed else {
            let located = locate(name, version, repository, &Access::default(), self.remote_limits);
            return located
                .map_err(|error| not_found(format!("chart {name} not found in {repository}: {error}")));
        };
        let versions = charts.versions(name);
        let versions = versions.ok_or_else(|| not_found("entry not found".to_owned()))?;
        let found = versions
            .into_iter()
            .find(|found| version.is_empty() || is_same_version(version, &found.version));
        let found = found.ok_or_else(|| not_found("no matching version".to_owned()))?;
        let url = resolve_reference(repository, &found.url).map_err(|error| not_found(error.to_string()))?;
        let digest = found.digest;
        Ok(Place { url, digest })
    }

    /// Writes what was fetched beside `charts/`, and verifies it if that is asked for.
    fn check(
        &self,
        fetched: &Fetched,
        url: &str,
        beside: &str,
        out: &mut dyn Write,
    ) -> Result<(), HelmDependencyError> {
        // A name of a server's is that of a file in here, and nothing else.
        if !is_file_name(&fetched.name) {
            return Err(HelmDependencyError::Download {
                url: url.to_owned(),
                error: FetchError::Url(url.to_owned()),
            });
        }
        let file = format!("{beside}/{}", fetched.name);
        fs::write(&file, &fetched.archive).map_err(file_error(&file))?;
        let is_verified = match (&fetched.provenance, self.verification) {
            (_, Verification::Never) => false,
            (Some(Err(error)), Verification::IfPossible) => {
                writeln!(out, "WARNING: Verification not found for {url}: {error}")?;
                false
            }
            (Some(Ok(provenance)), _) => {
                let file = format!("{file}.prov");
                fs::write(&file, provenance).map_err(file_error(&file))?;
                true
            }
            _ => true,
        };
        let checked = if is_verified {
            fetched.verify(self.ring)
        } else {
            fetched.check_digest().map_err(VerifyFetchedError::Digest)
        };
        checked.map_err(|error| HelmDependencyError::Verify {
            url: url.to_owned(),
            error,
        })
    }
}

/// Whether a name, which may be a server's, is that of a file in a folder, and nothing else.
fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

/// Whether a reference to a registry has a tag.
fn has_tag(url: &str) -> bool {
    let last = url.rsplit('/').next().unwrap_or_default();
    last.split('@').next().is_some_and(|name| name.contains(':'))
}

/// Tells why nothing is saved, as Helm does: where it tells everything, and as the error.
fn save_error(error: HelmDependencyError, out: &mut dyn Write) -> Result<(), HelmDependencyError> {
    writeln!(out, "Save error occurred:  {error}")?;
    Err(error)
}

fn constraint(name: &str, version: &str) -> Result<Constraints, HelmDependencyError> {
    Constraints::parse(version).map_err(|error| HelmDependencyError::Constraint {
        name: name.to_owned(),
        error: error.to_string(),
    })
}

/// Whether two versions are the same, whatever they were built as.
fn is_same_version(a: &str, b: &str) -> bool {
    match (Version::parse(a), Version::parse(b)) {
        (Ok(a), Ok(b)) => a.cmp(&b).is_eq(),
        (Err(_), _) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{has_tag, is_file_name};

    #[test]
    fn tags_are_told_from_ports() {
        for (url, expected) in [
            ("oci://r.test/a/web:1.0.0", true),
            ("oci://r.test:5000/web", false),
            ("oci://r.test/web@sha256:ab", false),
            ("oci://r.test/web:1@sha256:ab", true),
        ] {
            assert_eq!(has_tag(url), expected, "{url}");
        }
    }

    #[test]
    fn names_lead_nowhere_else() {
        assert!(is_file_name("web-1.0.0.tgz"));
        for name in ["", ".", "..", "../a", "/a", "a\0"] {
            assert!(!is_file_name(name), "{name:?}");
        }
    }
}
