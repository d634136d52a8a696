//! A HelmRelease as an object that a deployer reconciles.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::spec::DEFAULT_TIMEOUT;
use super::{HelmRelease, HelmReleaseStatus};
use crate::{DependencyReference, Deployed, DeployedStatus, GoDuration, KubeConfigReference, REQUESTED_AT};

impl Deployed for HelmRelease {
    type Status = HelmReleaseStatus;

    fn status(&self) -> &HelmReleaseStatus {
        &self.status
    }

    fn status_mut(&mut self) -> &mut HelmReleaseStatus {
        &mut self.status
    }

    fn is_suspended(&self) -> bool {
        self.spec.suspend
    }

    fn interval(&self) -> GoDuration {
        self.spec.interval.get().unwrap_or_default()
    }

    /// There is no other than the interval; what fails has a pace of its own.
    fn retry_interval(&self) -> GoDuration {
        self.interval()
    }

    fn timeout(&self) -> GoDuration {
        Self::timeout(self).unwrap_or(DEFAULT_TIMEOUT)
    }

    fn service_account(&self) -> &str {
        &self.spec.service_account_name
    }

    fn depends_on(&self) -> &[DependencyReference] {
        &self.spec.depends_on
    }

    fn kube_config(&self) -> Option<&KubeConfigReference> {
        self.spec.kube_config.as_ref()
    }

    fn configs(&self) -> Vec<(&'static str, &str)> {
        let kind = |kind: &str| if kind == "Secret" { "Secret" } else { "ConfigMap" };
        let references = self.spec.values_from.iter();
        let values = references.map(|reference| (kind(&reference.kind), reference.name.as_str()));
        let remote = self
            .spec
            .kube_config
            .iter()
            .flat_map(KubeConfigReference::configs);
        values.chain(remote).collect()
    }
}

impl DeployedStatus for HelmReleaseStatus {
    fn conditions(&self) -> &Vec<Condition> {
        &self.conditions
    }

    fn conditions_mut(&mut self) -> &mut Vec<Condition> {
        &mut self.conditions
    }

    fn observed_generation(&self) -> i64 {
        self.observed_generation
    }

    fn set_observed_generation(&mut self, generation: i64) {
        self.observed_generation = generation;
    }

    /// Only that a run was asked for; whoever runs judges what else was.
    fn handle_requests(&mut self, annotations: &BTreeMap<String, String>) {
        if let Some(requested) = annotations.get(REQUESTED_AT) {
            self.last_handled_reconcile_at.clone_from(requested);
        }
    }

    fn last_handled_request(&self) -> &str {
        &self.last_handled_reconcile_at
    }

    fn applied_revision(&self) -> &str {
        &self.last_attempted_revision
    }
}
