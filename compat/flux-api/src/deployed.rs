//! What the kinds of all Flux deployers have in common, whatever their specs and statuses hold besides.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_core::{NamespaceResourceScope, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kustomization::MIN_TIMEOUT;
use crate::{
    DependencyReference, Duration, GoDuration, KubeConfigReference, Kustomization, KustomizationStatus,
    REQUESTED_AT,
};

/// An object that asks a deployer to bring a source into the cluster.
pub trait Deployed:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// What its controller did last.
    type Status: DeployedStatus;

    /// Returns what the controller did last.
    fn status(&self) -> &Self::Status;
    /// Gives access to it, for objects that are kept with a newer status than they were read with.
    fn status_mut(&mut self) -> &mut Self::Status;
    /// Returns whether reconciliation is switched off.
    fn is_suspended(&self) -> bool;
    /// Returns the time between two reconciliations; zero for no timed one, or if it cannot be read.
    fn interval(&self) -> GoDuration;
    /// Returns the time between a failure and the next attempt, under the same rules.
    fn retry_interval(&self) -> GoDuration;
    /// Returns the longest wait for readiness.
    fn timeout(&self) -> GoDuration;
    /// Returns the service account to impersonate, in the object's namespace; empty for the controller's default.
    fn service_account(&self) -> &str;
    /// Returns the objects of the same kind that must be ready first.
    fn depends_on(&self) -> &[DependencyReference];
    /// Returns where to find the credentials of the cluster that it is brought to, if that is another one.
    fn kube_config(&self) -> Option<&KubeConfigReference>;
    /// Returns kind (`ConfigMap` or `Secret`) and name of what the object reads from its own namespace.
    fn configs(&self) -> Vec<(&'static str, &str)>;
}

/// The part of a status that is the same for all of them.
pub trait DeployedStatus: Clone + Debug + Default + PartialEq + Serialize + Send + Sync + 'static {
    /// Returns the conditions, those of others included.
    fn conditions(&self) -> &Vec<Condition>;
    /// Gives access to the conditions.
    fn conditions_mut(&mut self) -> &mut Vec<Condition>;
    /// Returns the last generation that was reconciled; -1 before the first.
    fn observed_generation(&self) -> i64;
    /// Takes note that a generation was reconciled.
    fn set_observed_generation(&mut self, generation: i64);
    /// Takes note of the requests that an object's annotations make: they are handled.
    fn handle_requests(&mut self, annotations: &BTreeMap<String, String>);
    /// Returns the last request that was handled.
    fn last_handled_request(&self) -> &str;
    /// Returns the last revision that was applied with success, which dependents may compare with their own.
    fn applied_revision(&self) -> &str;
}

impl Deployed for Kustomization {
    type Status = KustomizationStatus;

    fn status(&self) -> &KustomizationStatus {
        &self.status
    }

    fn status_mut(&mut self) -> &mut KustomizationStatus {
        &mut self.status
    }

    fn is_suspended(&self) -> bool {
        self.spec.suspend
    }

    fn interval(&self) -> GoDuration {
        or_zero(&self.spec.interval)
    }

    fn retry_interval(&self) -> GoDuration {
        self.spec
            .retry_interval
            .as_ref()
            .map_or(self.interval(), |interval| {
                interval.get().unwrap_or(self.interval())
            })
    }

    fn timeout(&self) -> GoDuration {
        Self::timeout(self).unwrap_or(MIN_TIMEOUT)
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
        let sources = self.spec.post_build.iter();
        let sources = sources.flat_map(|post_build| &post_build.substitute_from);
        let kind = |kind: &str| if kind == "Secret" { "Secret" } else { "ConfigMap" };
        let sources = sources.map(|source| (kind(&source.kind), source.name.as_str()));
        let keys = self.spec.decryption.iter();
        let keys = keys.filter_map(|decryption| decryption.secret_ref.as_ref());
        let keys = keys.map(|secret| ("Secret", secret.name.as_str()));
        let remote = self
            .spec
            .kube_config
            .iter()
            .flat_map(KubeConfigReference::configs);
        sources.chain(keys).chain(remote).collect()
    }
}

impl DeployedStatus for KustomizationStatus {
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

    fn handle_requests(&mut self, annotations: &BTreeMap<String, String>) {
        if let Some(requested) = annotations.get(REQUESTED_AT) {
            self.last_handled_reconcile_at.clone_from(requested);
        }
    }

    fn last_handled_request(&self) -> &str {
        &self.last_handled_reconcile_at
    }

    fn applied_revision(&self) -> &str {
        &self.last_applied_revision
    }
}

fn or_zero(duration: &Duration) -> GoDuration {
    duration.get().unwrap_or_default()
}
