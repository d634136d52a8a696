//! The order in which dependencies are found and fetched.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use helm::{Chart, Dependency, Limits, Lock};
use helm_remote::{Access, HelmFiles, Repositories, same_repository};
use jiff::Timestamp;

use super::HelmDependencyError;
use super::args::DependencyArgs;
use super::chart::{is_local, is_registry, load_folder};
use super::download::{Download, Verification};
use super::repositories::{Names, ensure_unlisted, find, update_listed};
use super::resolve::Resolver;
use crate::go_message::go_message;

/// Builds and updates the dependencies of a chart.
pub(super) struct Manager<'a> {
    chart: String,
    files: HelmFiles,
    access: Access,
    ring: PathBuf,
    refresh: bool,
    debug: bool,
    limits: Limits,
    remote_limits: helm_remote::Limits,
    out: &'a mut dyn Write,
    warnings: &'a mut dyn Write,
}

impl<'a> Manager<'a> {
    pub(super) fn new(
        args: &DependencyArgs,
        command: &str,
        out: &'a mut dyn Write,
        warnings: &'a mut dyn Write,
    ) -> Result<Self, HelmDependencyError> {
        Ok(Self {
            chart: args.chart(command)?,
            files: args.access.files(),
            access: args.access.access(),
            ring: args.access.ring(),
            refresh: !args.skip_refresh,
            debug: args.debug,
            limits: Limits::default(),
            remote_limits: helm_remote::Limits::default(),
            out,
            warnings,
        })
    }

    /// Fetches what the lock lists; without a lock, what is asked for.
    pub(super) fn build(mut self, verify: bool) -> Result<(), HelmDependencyError> {
        let verification = if verify {
            Verification::IfPossible
        } else {
            Verification::Never
        };
        let chart = self.load()?;
        let Some(lock) = chart.lock() else {
            return self.update_with(&chart, verification);
        };
        let mut wanted = chart.metadata().dependencies.clone();
        // Helm 2 knew the dependencies by the names of their repositories.
        let old_digest = Lock::digest_of_helm_2(wanted.as_deref());
        self.names(wanted.as_deref_mut().unwrap_or_default())?;
        if Lock::digest_of(wanted.as_deref(), lock.dependencies.as_deref()) != lock.digest {
            if chart.metadata().api_version != "v1" {
                return Err(HelmDependencyError::OutOfSync);
            }
            writeln!(
                self.warnings,
                "warning: a valid Helm v3 hash was not found. Checking against Helm v2 hash..."
            )?;
            if old_digest != lock.digest {
                return Err(HelmDependencyError::OutOfSyncV1);
            }
        }
        let mut locked = lock.dependencies.clone().unwrap_or_default();
        self.check_listed(&locked)?;
        if self.refresh {
            let repositories = Repositories::read(&self.files, &self.remote_limits)?;
            update_listed(&repositories, self.out)?;
        }
        self.download(&mut locked, verification)
    }

    /// Finds what is asked for, fetches it, and writes the lock.
    pub(super) fn update(mut self, verify: bool) -> Result<(), HelmDependencyError> {
        let verification = if verify {
            Verification::Always
        } else {
            Verification::Never
        };
        let chart = self.load()?;
        self.update_with(&chart, verification)
    }

    fn update_with(&mut self, chart: &Chart, verification: Verification) -> Result<(), HelmDependencyError> {
        let Some(mut wanted) = chart.metadata().dependencies.clone() else {
            return Ok(());
        };
        let mut names = self.names(&mut wanted)?;
        let repositories = Repositories::read(&self.files, &self.remote_limits)?;
        ensure_unlisted(&wanted, &mut names, &repositories, self.refresh, self.out)?;
        if self.refresh {
            update_listed(&repositories, self.out)?;
        }
        let resolver = Resolver {
            chart: &self.chart,
            repositories: &repositories,
            access: &self.access,
            limits: &self.limits,
        };
        let generated = Timestamp::now().into();
        let mut locked = resolver.resolve(&wanted, &names)?;
        self.download(&mut locked, verification)?;
        let lock = Lock {
            generated,
            digest: Lock::digest_of(Some(&wanted), Some(&locked)),
            dependencies: Some(locked),
        };
        if chart.lock().is_some_and(|old| old.digest == lock.digest) {
            return Ok(());
        }
        self.write(&lock, chart.metadata().api_version == "v1")
    }

    fn load(&mut self) -> Result<Chart, HelmDependencyError> {
        match fs::metadata(&self.chart) {
            Ok(metadata) if metadata.is_dir() => load_folder(&self.chart, &self.limits),
            Ok(_) => Err(HelmDependencyError::Packed),
            Err(error) => Err(HelmDependencyError::NoChart {
                chart: self.chart.clone(),
                error: go_message(&error),
            }),
        }
    }

    fn names(&mut self, wanted: &mut [Dependency]) -> Result<Names, HelmDependencyError> {
        let repositories = Repositories::read(&self.files, &self.remote_limits)?;
        let (debug, out) = (self.debug, &mut *self.out);
        find(wanted, &repositories, &self.chart, &mut |repository| {
            if debug {
                writeln!(out, "Repository from local path: {repository}")?;
            }
            Ok(())
        })
    }

    /// What a lock lists is fetched from repositories of Helm's list alone.
    fn check_listed(&self, locked: &[Option<Dependency>]) -> Result<(), HelmDependencyError> {
        let repositories = Repositories::read(&self.files, &self.remote_limits)?;
        let is_known = |repository: &str| {
            let bare = repository.strip_suffix('/').unwrap_or(repository);
            repository.is_empty()
                || is_local(repository)
                || is_registry(repository)
                || repositories
                    .listed()
                    .any(|listed| same_repository(listed.url(), bare))
        };
        let unknown = locked.iter().flatten().map(|dependency| &dependency.repository);
        let unknown: Vec<_> = unknown
            .filter(|repository| !is_known(repository))
            .cloned()
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(HelmDependencyError::NotListed(unknown))
    }

    fn download(
        &mut self,
        locked: &mut [Option<Dependency>],
        verification: Verification,
    ) -> Result<(), HelmDependencyError> {
        let repositories = Repositories::read(&self.files, &self.remote_limits)?;
        let download = Download {
            chart: &self.chart,
            repositories: &repositories,
            files: &self.files,
            access: &self.access,
            ring: &self.ring,
            verification,
            debug: self.debug,
            limits: &self.limits,
            remote_limits: &self.remote_limits,
        };
        download.all(locked, self.out)
    }

    fn write(&self, lock: &Lock, is_v1: bool) -> Result<(), HelmDependencyError> {
        let name = if is_v1 { "requirements.lock" } else { "Chart.lock" };
        let path = go_std::path::join(&self.chart, name);
        // A link could lead anywhere.
        if let Ok(target) = fs::read_link(&path) {
            return Err(HelmDependencyError::LockIsLink {
                name,
                target: target.display().to_string(),
            });
        }
        fs::write(&path, lock.to_yaml()?).map_err(|error| HelmDependencyError::File { path, error })
    }
}
