//! Which version of each dependency will do.

use helm::{Dependency, Limits};
use helm_remote::{Access, Repositories};
use sprig::semver::{Constraints, Version};

use super::HelmDependencyError;
use super::chart::{is_local, is_registry, load_folder, local_path};
use super::repositories::Names;

/// What versions are looked for with.
pub(super) struct Resolver<'a> {
    pub(super) chart: &'a str,
    pub(super) repositories: &'a Repositories<'a>,
    pub(super) access: &'a Access,
    pub(super) limits: &'a Limits,
}

/// What was found for a dependency.
enum Found {
    Version(String),
    /// No version will do.
    Nothing,
}

impl Resolver<'_> {
    /// The one version of each dependency that its constraint allows and that is the highest.
    pub(super) fn resolve(
        &self,
        dependencies: &[Dependency],
        names: &Names,
    ) -> Result<Vec<Option<Dependency>>, HelmDependencyError> {
        let (mut locked, mut missing) = (Vec::new(), Vec::new());
        for dependency in dependencies {
            let Dependency {
                name,
                version,
                repository,
                ..
            } = dependency;
            let constraint =
                Constraints::parse(version).map_err(|error| HelmDependencyError::Constraint {
                    name: go_std::quote(name),
                    error: error.to_string(),
                })?;
            match self.version_of(dependency, &constraint, names)? {
                Found::Version(version) => locked.push(Some(Dependency {
                    name: name.clone(),
                    version,
                    repository: repository.clone(),
                    ..Dependency::default()
                })),
                Found::Nothing => missing.push(format!(
                    "{} (repository {}, version {})",
                    go_std::quote(name),
                    go_std::quote(repository),
                    go_std::quote(version)
                )),
            }
        }
        if missing.is_empty() {
            return Ok(locked);
        }
        Err(HelmDependencyError::NoVersion(missing))
    }

    fn version_of(
        &self,
        dependency: &Dependency,
        constraint: &Constraints,
        names: &Names,
    ) -> Result<Found, HelmDependencyError> {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = dependency;
        if repository.is_empty() {
            local_path(&format!("charts/{name}"), self.chart)?;
            return Ok(Found::Version(version.clone()));
        }
        if is_local(repository) {
            let path = local_path(repository, self.chart)?;
            let found = load_folder(&path, self.limits)?.metadata().version.clone();
            return Ok(match Version::parse(&found) {
                Ok(parsed) if constraint.check(&parsed) => Found::Version(found),
                _ => Found::Nothing,
            });
        }
        if is_registry(repository) {
            return self.of_registry(dependency, constraint);
        }
        let kept = names.get(name).map(String::as_str).unwrap_or_default();
        let charts = self
            .repositories
            .kept(kept)
            .map_err(|error| HelmDependencyError::NotCached {
                name: kept.to_owned(),
                error,
            })?;
        let versions = charts
            .versions(name)
            .ok_or_else(|| HelmDependencyError::NotInIndex {
                chart: name.clone(),
                repository: repository.clone(),
            })?;
        let versions = versions.into_iter().map(|version| version.version);
        Ok(best(versions, constraint).map_or(Found::Nothing, Found::Version))
    }

    /// A version of a registry, which is asked only for constraints. Where no tag will do, the constraint stands, and the
    /// download fails, as with Helm.
    fn of_registry(
        &self,
        dependency: &Dependency,
        constraint: &Constraints,
    ) -> Result<Found, HelmDependencyError> {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = dependency;
        if Version::parse(version).is_ok() {
            return Ok(Found::Version(version.clone()));
        }
        let tags = self
            .repositories
            .tags(&format!("{repository}/{name}"), self.access)
            .map_err(|error| HelmDependencyError::Tags {
                repository: repository.clone(),
                error,
            })?;
        let found = best(tags.into_iter(), constraint);
        Ok(Found::Version(found.unwrap_or_else(|| version.clone())))
    }
}

/// The first version that will do.
fn best(mut versions: impl Iterator<Item = String>, constraint: &Constraints) -> Option<String> {
    versions.find(|version| Version::parse(version).is_ok_and(|version| constraint.check(&version)))
}
