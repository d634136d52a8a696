//! What a status remembers of a record.

use std::collections::BTreeMap;

use flux_api::{ReleaseSnapshot, TestFilter, TestHook};
use helm::Time;
use helm::digest::Algorithm;
use helm::release::{Release, SNAPSHOT_API_VERSION, Snapshot};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as MetaTime;

use crate::machine::Record;

impl Record for Release {
    fn name(&self) -> &str {
        &self.name
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn snapshot(&self, algorithm: Algorithm, oci_digest: &str) -> ReleaseSnapshot {
        match Snapshot::of(self, algorithm, oci_digest) {
            Ok(snapshot) => of(snapshot),
            Err(error) => {
                // A record that was written has been written as JSON. Without a digest the release counts as somebody
                // else's, and is upgraded.
                tracing::error!(release = self.name, %error, "a release has no digest; this is a bug, please report it");
                ReleaseSnapshot {
                    api_version: SNAPSHOT_API_VERSION.to_owned(),
                    name: self.name.clone(),
                    namespace: self.namespace.clone(),
                    version: self.version,
                    status: self.info.status.to_string(),
                    ..ReleaseSnapshot::default()
                }
            }
        }
    }

    fn tests(&self, filters: &[TestFilter]) -> BTreeMap<String, TestHook> {
        self.test_hooks()
            .into_iter()
            .filter(|(name, _)| is_selected(name, filters))
            .map(|(name, run)| {
                let test = TestHook {
                    last_started: time(run.started_at),
                    last_completed: time(run.completed_at),
                    phase: run.phase.as_str().to_owned(),
                };
                (name.to_owned(), test)
            })
            .collect()
    }
}

fn of(snapshot: Snapshot) -> ReleaseSnapshot {
    ReleaseSnapshot {
        api_version: SNAPSHOT_API_VERSION.to_owned(),
        digest: snapshot.digest.to_string(),
        name: snapshot.name,
        namespace: snapshot.namespace,
        version: snapshot.version,
        status: snapshot.status.to_string(),
        action: String::new(),
        chart_name: snapshot.chart_name,
        chart_version: snapshot.chart_version,
        app_version: snapshot.app_version,
        config_digest: snapshot.config_digest.to_string(),
        first_deployed: time(snapshot.first_deployed),
        last_deployed: time(snapshot.last_deployed),
        deleted: time(snapshot.deleted),
        test_hooks: None,
        oci_digest: snapshot.oci_digest,
    }
}

fn time(time: Time) -> Option<MetaTime> {
    time.to_seconds().map(MetaTime)
}

/// An exclusion wins; where anything is included, nothing else is.
fn is_selected(name: &str, filters: &[TestFilter]) -> bool {
    let named = |exclude: bool| {
        let mut filters = filters.iter();
        filters.any(move |filter| filter.exclude == exclude && filter.name == name)
    };
    let includes = filters.iter().any(|filter| !filter.exclude);
    !named(true) && (!includes || named(false))
}

#[cfg(test)]
mod tests {
    use helm::release::{Execution, Hook, Phase};

    use super::*;

    #[test]
    fn tests_are_those_that_the_filters_select() {
        let hook = |name: &str, event: &str| Hook {
            name: name.to_owned(),
            events: vec![event.to_owned()],
            last_run: Execution {
                phase: Phase::Succeeded,
                ..Execution::default()
            },
            ..Hook::default()
        };
        let release = Release {
            hooks: vec![hook("a", "test"), hook("b", "test"), hook("c", "pre-install")],
            ..Release::default()
        };
        let filter = |name: &str, exclude: bool| TestFilter {
            name: name.to_owned(),
            exclude,
            ..TestFilter::default()
        };
        for (filters, selected) in [
            (vec![], vec!["a", "b"]),
            (vec![filter("a", false)], vec!["a"]),
            (vec![filter("a", true)], vec!["b"]),
            (vec![filter("a", false), filter("a", true)], vec![]),
        ] {
            let tests = release.tests(&filters);
            assert_eq!(tests.keys().collect::<Vec<_>>(), selected, "{filters:?}");
            assert!(tests.values().all(|test| test.phase == "Succeeded"));
        }
    }

    #[test]
    fn a_snapshot_has_the_digest_of_its_record() {
        let release = Release {
            name: "web".into(),
            version: 2,
            ..Release::default()
        };
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Sha1] {
            let snapshot = release.snapshot(algorithm, "sha256:abc");
            let digest = release.digest(algorithm, "sha256:abc").unwrap();
            assert_eq!(snapshot.digest, digest.to_string());
            assert!(snapshot.config_digest.starts_with(algorithm.name()));
        }
        let snapshot = release.snapshot(Algorithm::default(), "sha256:abc");
        assert_eq!(
            (snapshot.version, snapshot.oci_digest.as_str()),
            (2, "sha256:abc")
        );
        assert!(snapshot.first_deployed.is_none());
    }
}
