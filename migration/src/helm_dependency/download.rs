//! The subcharts that a lock lists, in `charts/`.

use std::collections::HashSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use helm::{Dependency, Limits};
use helm_remote::{
    Access, Charts, FetchError, Fetched, HelmFiles, Kept, Repositories, Wanted, fetch, locate,
    resolve_reference, same_repository,
};
use jiff::Timestamp;
use sprig::semver::{Constraints, Version};

use super::HelmDependencyError;
use super::chart::{files_of, is_local, is_registry, load_folder, local_path};
use crate::helm_template::load_archive;

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

/// A folder beside `charts/` that goes when it is no longer needed.
struct Beside(String);

impl Drop for Beside {
    fn drop(&mut self) {
        // What is left is told by the next one who looks into the chart; there is nobody else to tell.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn file_error(path: &str) -> impl Fn(std::io::Error) -> HelmDependencyError + '_ {
    move |error| HelmDependencyError::File {
        path: path.to_owned(),
        error,
    }
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
        match fs::metadata(&charts) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(HelmDependencyError::NotAFolder(charts)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(&charts).map_err(file_error(&charts))?;
            }
            Err(error) => return Err(file_error(&charts)(error)),
        }
        let name = format!("tmpcharts-{}", std::process::id());
        let beside = Beside(go_std::path::join(self.chart, &name));
        fs::create_dir_all(&beside.0).map_err(file_error(&beside.0))?;

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
                self.pack(dependency, &beside.0, out)
            } else {
                self.fetch(dependency, &indexes, &beside.0, &mut fetched, out)
            };
            if let Err(error) = saved {
                return save_error(error, out);
            }
        }
        self.put(dependencies, &beside.0, &charts, out)
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
        let file = format!("{beside}/{}-{}.tgz", metadata.name, metadata.version);
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
        let is_registry = is_registry(repository);
        let url = if is_registry {
            format!("{repository}/{name}")
        } else {
            self.url_of(dependency, listed)?
        };
        if known.contains(&url) && !is_registry {
            writeln!(out, "Already downloaded {name} from repo {repository}")?;
            return Ok(());
        }
        writeln!(out, "Downloading {name} from repo {repository}")?;
        let provenance = self.verification != Verification::Never;
        let fetched = match listed {
            Some((kept, _)) if !is_registry => self.repositories.fetch(kept, &url, provenance),
            _ => {
                let wanted = Wanted {
                    chart: url.clone(),
                    repo: String::new(),
                    version: if is_registry {
                        version.clone()
                    } else {
                        String::new()
                    },
                    provenance,
                };
                // What is not in Helm's list is asked without credentials; those given are for registries.
                let nobody = Access::default();
                let access = if is_registry { self.access } else { &nobody };
                fetch(&wanted, access, self.files, self.remote_limits)
            }
        };
        let fetched = fetched.map_err(|error| HelmDependencyError::Download {
            url: url.clone(),
            error,
        })?;
        for note in &fetched.notes {
            writeln!(out, "{note}")?;
        }
        self.check(&fetched, &url, beside, out)?;
        known.insert(url);
        Ok(())
    }

    /// Where a chart of a repository is.
    fn url_of(
        &self,
        dependency: &Dependency,
        listed: Option<&(Kept, Charts)>,
    ) -> Result<String, HelmDependencyError> {
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
        resolve_reference(repository, &found.url).map_err(|error| not_found(error.to_string()))
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
        if matches!(fetched.name.as_str(), "" | "." | "..") || fetched.name.contains(['/', '\0']) {
            return Err(HelmDependencyError::Download {
                url: url.to_owned(),
                error: FetchError::Url(url.to_owned()),
            });
        }
        let file = format!("{beside}/{}", fetched.name);
        fs::write(&file, &fetched.archive).map_err(file_error(&file))?;
        match (&fetched.provenance, self.verification) {
            (Some(Err(error)), Verification::IfPossible) => {
                writeln!(out, "WARNING: Verification not found for {url}: {error}")?;
                return Ok(());
            }
            (Some(Ok(provenance)), _) => {
                let file = format!("{file}.prov");
                fs::write(&file, provenance).map_err(file_error(&file))?;
            }
            _ => {}
        }
        fetched
            .verify(self.ring)
            .map_err(|error| HelmDependencyError::Verify {
                url: url.to_owned(),
                error,
            })
    }

    /// Moves what was fetched into `charts/`, and removes the archives there that are none of it.
    fn put(
        &self,
        dependencies: &[Option<Dependency>],
        beside: &str,
        charts: &str,
        out: &mut dyn Write,
    ) -> Result<(), HelmDependencyError> {
        let names = |folder: &str| -> Result<Vec<(String, bool)>, HelmDependencyError> {
            let mut names = Vec::new();
            for entry in fs::read_dir(folder).map_err(file_error(folder))? {
                let entry = entry.map_err(file_error(folder))?;
                let is_folder = entry.file_type().map_err(file_error(folder))?.is_dir();
                names.push((entry.file_name().to_string_lossy().into_owned(), is_folder));
            }
            names.sort();
            Ok(names)
        };
        let (new, old) = (names(beside)?, names(charts)?);
        let load = |path: &str| load_archive(Path::new(path), self.limits);
        let mut present: HashSet<&str> = HashSet::new();
        for (name, _) in new.iter().filter(|(_, is_folder)| !is_folder) {
            let (source, target) = (format!("{beside}/{name}"), format!("{charts}/{name}"));
            present.insert(name);
            if let Err(error) = load(&source) {
                write!(out, "Could not verify {source} for moving: {error} (Skipping)")?;
            } else if let Err(error) = fs::rename(&source, &target) {
                write!(
                    out,
                    "Unable to move {source} to charts dir {target} (Skipping): {error}"
                )?;
            }
        }
        writeln!(out, "Deleting outdated charts")?;
        let is_local = |name: &str| {
            let mut all = dependencies.iter().flatten();
            all.any(|dependency| dependency.repository.is_empty() && dependency.name == name)
        };
        for (name, is_folder) in old {
            if is_folder || present.contains(name.as_str()) {
                continue;
            }
            let path = format!("{charts}/{name}");
            match load(&path) {
                Err(error) => {
                    writeln!(out, "Could not verify {path} for deletion: {error} (Skipping)")?;
                }
                Ok(chart) if is_local(chart.name()) => {}
                Ok(_) => {
                    if let Err(error) = fs::remove_file(&path) {
                        write!(out, "Could not delete {path}: {error} (Skipping)")?;
                    }
                }
            }
        }
        Ok(())
    }
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
