//! Counterparts of helm-controller's tables, and what follows from them.

mod attempts;
mod decisions;
mod outcomes;
mod paces;
mod summaries;

use flux_api::{HelmRelease, HelmReleaseStatus, ReleaseSnapshot, TestFilter, TestHook};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::{ChartIdentity, Drift, Facts, Machine, Record, Stored, Verification};

/// The chart that is wanted.
const CHART: ChartIdentity<'_> = ChartIdentity {
    name: "hello",
    version: "0.1.0",
    app_version: "1.2.3",
};

/// A HelmRelease `apps/web` of generation 1 with a spec and a status.
fn object(spec: &Value, status: &Value) -> HelmRelease {
    let mut base = json!({"interval": "10m", "chartRef": {"kind": "OCIRepository", "name": "web"}});
    for (key, value) in spec.as_object().unwrap() {
        base[key] = value.clone();
    }
    serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "apps", "generation": 1},
        "spec": base, "status": status,
    }))
    .unwrap()
}

/// A snapshot of `apps/web` as it stands in a status.
fn snapshot(version: i64, status: &str) -> Value {
    json!({"apiVersion": "v2", "digest": format!("sha256:{version}"), "name": "web", "namespace": "apps", "version": version,
        "status": status, "chartName": "hello", "chartVersion": "0.1.0", "configDigest": "sha256:values",
        "firstDeployed": null, "lastDeployed": null})
}

/// The same with tests that ended in these phases.
fn tested(version: i64, status: &str, phases: &[&str]) -> Value {
    let mut snapshot = snapshot(version, status);
    let tests = phases
        .iter()
        .enumerate()
        .map(|(at, phase)| (format!("t{at}"), json!({"phase": phase})));
    snapshot["testHooks"] = Value::Object(tests.collect());
    snapshot
}

/// The last record, as it was made for the object; nothing without a status.
fn stored(status: &str) -> Option<Stored> {
    (!status.is_empty()).then(|| Stored {
        status: status.to_owned(),
        chart_name: "hello".to_owned(),
        chart_version: "0.1.0".to_owned(),
        verification: Verification::Same,
    })
}

/// What is known when nothing special is.
fn facts(object: &HelmRelease, stored: Option<Stored>) -> Facts<'_> {
    Facts {
        object,
        status: &object.status,
        stored,
        chart: CHART,
        same_values: true,
        post_renderers: "",
        common_metadata: "",
        drift: Some(Drift::None),
        previous: None,
        forced: false,
        retry_by_default: false,
    }
}

fn machine<'a>(object: &'a HelmRelease, status: &'a mut HelmReleaseStatus) -> Machine<'a> {
    Machine {
        object,
        status,
        post_renderers: "",
        common_metadata: "",
        retry_by_default: false,
        algorithm: helm::digest::Algorithm::default(),
        now: Timestamp::UNIX_EPOCH,
    }
}

/// `type status reason: message` of each condition.
fn conditions(status: &HelmReleaseStatus) -> Vec<String> {
    let line = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        format!("{} {} {}: {}", c.type_, c.status, c.reason, c.message)
    };
    status.conditions.iter().map(line).collect()
}

/// A condition as it stands in a status.
fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": reason, "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z"})
}

/// A record of `apps/web`.
struct Written {
    version: i64,
    status: &'static str,
    tests: &'static [(&'static str, &'static str)],
}

impl Record for Written {
    fn name(&self) -> &'static str {
        "web"
    }
    fn namespace(&self) -> &'static str {
        "apps"
    }
    fn version(&self) -> i64 {
        self.version
    }
    fn snapshot(&self, _: helm::digest::Algorithm, oci_digest: &str) -> ReleaseSnapshot {
        let mut snapshot: ReleaseSnapshot =
            serde_json::from_value(snapshot(self.version, self.status)).unwrap();
        snapshot.digest = format!("sha256:{}{}{oci_digest}", self.version, self.status);
        snapshot.oci_digest = oci_digest.to_owned();
        snapshot
    }
    fn tests(&self, filters: &[TestFilter]) -> BTreeMap<String, TestHook> {
        let chosen = |name: &str| {
            filters
                .iter()
                .all(|filter| filter.name != name || !filter.exclude)
        };
        let hook = |(name, phase): &(&str, &str)| {
            let hook = TestHook {
                phase: (*phase).to_owned(),
                ..TestHook::default()
            };
            ((*name).to_owned(), hook)
        };
        self.tests
            .iter()
            .filter(|(name, _)| chosen(name))
            .map(hook)
            .collect()
    }
}

fn written(version: i64, status: &'static str) -> Written {
    Written {
        version,
        status,
        tests: &[],
    }
}
