//! What became of the tests of a release.

use std::collections::BTreeMap;

use flux_api::{ConditionStatus, ReleaseSnapshot, TEST_SUCCESS, reason};

use super::written::{Attempt, Record, Told, event};
use crate::machine::{Machine, words};

impl Machine<'_> {
    /// What became of the tests; `tested` is namespace, name and revision of the release that Helm tested.
    pub fn tested<R: Record>(&mut self, tested: Option<(&str, &str, i64)>, attempt: &Attempt<'_, R>) -> Told {
        let Some(current) = self.status.history.latest().cloned() else {
            self.summarize();
            return (Vec::new(), Err("no latest release: required for test".to_owned()));
        };
        let filters = self
            .object
            .spec
            .test
            .as_ref()
            .map_or(&[][..], |test| &test.filters);
        for record in attempt.written {
            if current.targets(record.name(), record.namespace(), record.version()) {
                let mut new = record.snapshot(self.algorithm, &current.oci_digest);
                new.action.clone_from(&current.action);
                new.test_hooks = Some(record.tests(filters));
                self.status.history.replace(new);
            }
        }
        let mismatch = tested
            .filter(|(namespace, name, version)| !current.targets(name, namespace, *version))
            .map(|(namespace, name, version)| {
                format!(
                    "release mismatch: tested release {namespace}/{name}.v{version} != current release {}",
                    current.full_name()
                )
            });
        let error = mismatch.or_else(|| attempt.result.err().map(str::to_owned));
        let latest = self.status.history.latest().cloned().unwrap_or_default();
        let told = match error {
            None => self.tests_succeeded(&latest),
            Some(error) => self.tests_failed(&latest, error),
        };
        self.summarize();
        told
    }

    fn tests_succeeded(&mut self, latest: &ReleaseSnapshot) -> Told {
        let hooks = match latest.test_hooks.as_ref().map_or(0, BTreeMap::len) {
            0 => "no test hooks".to_owned(),
            1 => "1 test hook completed successfully".to_owned(),
            count => format!("{count} test hooks completed successfully"),
        };
        let message = format!("Helm test succeeded for {}: {hooks}", words::release(latest));
        self.set(
            TEST_SUCCESS,
            ConditionStatus::True,
            reason::TEST_SUCCEEDED,
            &message,
        );
        (
            vec![event(false, reason::TEST_SUCCEEDED, message, latest)],
            Ok(()),
        )
    }

    fn tests_failed(&mut self, latest: &ReleaseSnapshot, error: String) -> Told {
        let message = format!(
            "Helm test failed for {}: {}",
            words::release(latest),
            error.trim()
        );
        self.status.failures += 1;
        self.set(
            TEST_SUCCESS,
            ConditionStatus::False,
            reason::TEST_FAILED,
            &message,
        );
        let events = vec![event(true, reason::TEST_FAILED, message, latest)];
        if !latest.has_been_tested() {
            return (events, Err(error));
        }
        let remediation = self.status.active_remediation(&self.object.spec);
        if let Some(remediation) = remediation.filter(|found| !found.ignore_test_failures) {
            remediation.count(self.status);
        }
        (events, Ok(()))
    }
}
