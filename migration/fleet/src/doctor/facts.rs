//! What the checks know.

use std::collections::BTreeMap;

use flux_api::{Arguments, ObjectKey, SHARD_KEY, controller_container, selector};
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingAdmissionPolicy};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Container, Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube_core::{Expression, ResourceExt};

use crate::owner::our_arguments;
use crate::{DeployerKind, Handle, World};

/// What was found out about a cluster; what could not be found out says why.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The Flux objects and controllers.
    pub world: World,
    /// Version of this tool.
    pub tool_version: String,
    /// Whether our controller is not there yet on purpose.
    pub before_installation: bool,
    /// The definitions of kinds.
    pub definitions: Result<Vec<CustomResourceDefinition>, String>,
    /// Webhooks that change objects.
    pub webhooks: Result<Vec<MutatingWebhookConfiguration>, String>,
    /// Policies that refuse objects.
    pub admission: Result<Vec<ValidatingAdmissionPolicy>, String>,
    /// Network policies of the namespaces of all controllers.
    pub network: Result<Vec<NetworkPolicy>, String>,
    /// All namespaces.
    pub namespaces: Result<Vec<Namespace>, String>,
    /// Pods of our controller.
    pub pods: Result<Vec<Pod>, String>,
    /// Leases of the namespaces of all controllers.
    pub leases: Result<Vec<Lease>, String>,
    /// Names of the FluxInstances.
    pub instances: Result<Vec<ObjectKey>, String>,
    /// Metadata of the Kustomizations and HelmReleases with the label that moves them.
    pub labelled: Result<Vec<(Handle, ObjectMeta)>, String>,
    /// Who may do what.
    pub rights: Vec<Right>,
    /// Objects with a field that our controller refuses, each with what it says.
    pub refusals: Vec<Refusal>,
    /// By how many seconds the API server's clock is ahead of this one.
    pub skew: Option<i64>,
}

/// Who is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever runs this tool.
    You,
    /// The service account of our controller.
    Controller,
}

/// Whether somebody may do something.
#[derive(Clone, Debug)]
pub struct Right {
    /// Who.
    pub who: Who,
    /// The verb, such as `list`.
    pub verb: &'static str,
    /// The API group.
    pub group: &'static str,
    /// The resource, with its subresource.
    pub resource: &'static str,
    /// Whether nothing works without it.
    pub is_needed: bool,
    /// The answer.
    pub allowed: Result<bool, String>,
}

/// An object that our controller would refuse.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The object.
    pub handle: Handle,
    /// Why.
    pub why: String,
}

impl Facts {
    /// Returns the label that moves objects to our controller: what it selects, or else the usual one.
    pub fn label(&self) -> (String, String) {
        let selected = self.world.ours.iter().find_map(|deployment| {
            let arguments = our_arguments(deployment)?;
            label_of(arguments.value("watch-label-selector")?)
        });
        selected.unwrap_or_else(|| (SHARD_KEY.to_owned(), "openflux".to_owned()))
    }

    /// Returns the stock Deployments of both deployers, with the kind, the container and its arguments.
    pub fn deployers(&self) -> impl Iterator<Item = (DeployerKind, &Deployment, &Container, Arguments)> {
        DeployerKind::ALL
            .into_iter()
            .flat_map(|kind| self.stock(kind.controller()).map(move |found| (kind, found)))
            .map(|(kind, (deployment, container))| (kind, deployment, container, Arguments::of(container)))
    }

    /// Returns the stock Deployments of a controller that are not scaled to zero.
    pub fn stock(&self, controller: &'static str) -> impl Iterator<Item = (&Deployment, &Container)> {
        let live = self.world.stock.iter().filter(|deployment| {
            let spec = deployment.spec.as_ref();
            spec.is_none_or(|spec| spec.replicas != Some(0))
        });
        live.filter_map(move |deployment| Some((deployment, controller_container(controller, deployment)?)))
    }

    /// Returns our Deployments with their arguments.
    pub fn ours(&self) -> impl Iterator<Item = (&Deployment, Arguments)> {
        let ours = self.world.ours.iter();
        ours.filter_map(|deployment| Some((deployment, our_arguments(deployment)?)))
    }
}

/// The one label that a selector asks for.
fn label_of(text: &str) -> Option<(String, String)> {
    let selector = selector::parse(text).ok()?;
    selector.into_iter().find_map(|requirement| match requirement {
        Expression::Equal(key, value) => Some((key, value)),
        Expression::In(key, values) => Some((key, values.into_iter().next()?)),
        _ => None,
    })
}

/// Namespace and name of a Deployment.
pub(super) fn name(deployment: &Deployment) -> String {
    ObjectKey::new(deployment.namespace().unwrap_or_default(), deployment.name_any()).to_string()
}

/// The one label as labels.
pub(super) fn labels((key, value): (String, String)) -> BTreeMap<String, String> {
    BTreeMap::from([(key, value)])
}
