//! What `doctor` knows of a cluster.

use std::fmt::Debug;
use std::io::Write as _;

use flux_api::{HelmRelease, Kustomization, ObjectKey, Tolerant};
use flux_fleet::doctor::{Facts, Refusal, Right, Who};
use flux_fleet::owner::OPENFLUX;
use flux_fleet::{DeployerKind, Handle};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingAdmissionPolicy};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, ClusterResourceScope, GroupVersionKind};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::error::describe;
use super::read::{list, read};
use super::{Cluster, CommandError, Wanted};

/// How many questions about rights are asked at once.
const AT_ONCE: usize = 16;

/// Finds out what the checks need; what cannot be found out says why.
///
/// # Errors
/// The API server cannot be reached at all.
pub(crate) async fn facts(cluster: &Cluster, before_installation: bool) -> Result<Facts, CommandError> {
    let client = &cluster.client;
    let world = read(cluster, &Wanted::default()).await?;
    let refusals = refusals(&world.kustomizations, &world.helm_releases);
    let mut facts = Facts {
        world,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        before_installation,
        definitions: Ok(Vec::new()),
        webhooks: Ok(Vec::new()),
        admission: Ok(Vec::new()),
        network: Ok(Vec::new()),
        namespaces: Ok(Vec::new()),
        pods: Ok(Vec::new()),
        leases: Ok(Vec::new()),
        instances: Ok(Vec::new()),
        labelled: Ok(Vec::new()),
        rights: Vec::new(),
        refusals,
        skew: None,
    };
    let account = account(&facts);
    let (key, value) = facts.label();
    let selector = format!("{key}={value}");
    let of_objects = async {
        futures::join!(
            cluster_wide::<CustomResourceDefinition>(client),
            cluster_wide::<MutatingWebhookConfiguration>(client),
            cluster_wide::<ValidatingAdmissionPolicy>(client),
            cluster_wide::<Namespace>(client),
            list::<NetworkPolicy>(client, None, None),
            list::<Pod>(client, None, Some("app.kubernetes.io/part-of=openflux")),
            list::<Lease>(client, None, None),
        )
    };
    let of_flux = async {
        futures::join!(
            instances(client),
            labelled(client, &selector),
            rights(client, account, before_installation),
            skew(client),
        )
    };
    let (objects, flux) = futures::join!(Box::pin(of_objects), Box::pin(of_flux));
    let (definitions, webhooks, admission, namespaces, network, pods, leases) = objects;
    let (instances, labelled, rights, skew) = flux;
    facts.definitions = definitions;
    facts.webhooks = webhooks;
    facts.admission = admission;
    facts.namespaces = namespaces;
    facts.network = network;
    facts.pods = pods;
    facts.leases = leases;
    facts.instances = instances;
    facts.labelled = labelled;
    facts.rights = rights;
    facts.skew = skew;
    Ok(facts)
}

/// Says on standard error what there has to be before anything can move.
pub(crate) fn tell_what_is_missing(facts: &Facts) {
    if facts.ours().next().is_some() || !facts.world.unread.is_empty() {
        return;
    }
    // Whoever closed stderr does not want to know.
    let _ = std::io::stderr().write_all(
        b"openflux-controller is not in this cluster yet, so that nothing can move: openflux-controller install --export --image IMAGE | \
          kubectl apply --server-side -f -\n",
    );
}

/// Reads the pods of our controller.
pub(crate) async fn our_pods(cluster: &Cluster) -> Result<Vec<Pod>, CommandError> {
    let pods = list::<Pod>(&cluster.client, None, Some("app.kubernetes.io/part-of=openflux")).await;
    pods.map_err(CommandError::Controller)
}

/// What our controller would refuse, by its own table.
fn refusals(kustomizations: &[Tolerant<Kustomization>], releases: &[Tolerant<HelmRelease>]) -> Vec<Refusal> {
    let handle = |kind, meta: &ObjectMeta| {
        Handle::new(
            kind,
            meta.namespace.clone().unwrap_or_default(),
            meta.name.clone().unwrap_or_default(),
        )
    };
    let kustomizations = kustomizations.iter().filter_map(|object| {
        let object = object.0.as_ref().ok()?;
        let why = kustomize_controller::refusal(object)?;
        let handle = handle(DeployerKind::Kustomization, &object.metadata);
        Some(Refusal { handle, why })
    });
    let releases = releases.iter().filter_map(|object| {
        let object = object.0.as_ref().ok()?;
        let why = helm_controller::refusal(object)?;
        let handle = handle(DeployerKind::HelmRelease, &object.metadata);
        Some(Refusal { handle, why })
    });
    kustomizations.chain(releases).collect()
}

async fn cluster_wide<K>(client: &Client) -> Result<Vec<K>, String>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(format!("{}: {}", K::plural(&()), describe(&error))),
    }
}

async fn instances(client: &Client) -> Result<Vec<ObjectKey>, String> {
    let kind = GroupVersionKind::gvk("fluxcd.controlplane.io", "v1", "FluxInstance");
    let resource = ApiResource::from_gvk_with_plural(&kind, "fluxinstances");
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    match api.list_metadata(&ListParams::default()).await {
        Ok(list) => Ok(list.items.iter().map(ObjectKey::of).collect()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(format!("fluxinstances: {}", describe(&error))),
    }
}

/// The objects that the label has moved, with who owns which of their fields.
async fn labelled(client: &Client, selector: &str) -> Result<Vec<(Handle, ObjectMeta)>, String> {
    let mut found = Vec::new();
    for kind in DeployerKind::ALL {
        let gvk = GroupVersionKind::gvk(kind.group(), kind.version(), kind.kind());
        let resource = ApiResource::from_gvk(&gvk);
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        match api.list_metadata(&ListParams::default().labels(selector)).await {
            Ok(list) => found.extend(list.items.into_iter().map(|object| {
                let handle = Handle::new(kind, object.namespace().unwrap_or_default(), object.name_any());
                (handle, object.metadata)
            })),
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(format!("{}s: {}", kind.kind(), describe(&error))),
        }
    }
    Ok(found)
}

/// The service account of our controller.
fn account(facts: &Facts) -> Option<String> {
    let deployment = facts.world.ours.first()?;
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    let account = pod.service_account_name.as_deref().unwrap_or(OPENFLUX);
    Some(format!(
        "system:serviceaccount:{}:{account}",
        deployment.namespace().unwrap_or_default()
    ))
}

/// Whose right, the verb, the group, the resource, and whether nothing works without it.
type Question = (Who, &'static str, &'static str, &'static str, bool);

const KUSTOMIZE: &str = flux_api::KUSTOMIZE_GROUP;
const HELM: &str = flux_api::HELM_GROUP;
const SOURCES: &str = flux_api::SOURCE_GROUP;

const QUESTIONS: [Question; 18] = [
    (Who::You, "list", KUSTOMIZE, "kustomizations", true),
    (Who::You, "list", HELM, "helmreleases", true),
    (Who::You, "list", SOURCES, "gitrepositories", true),
    (Who::You, "list", "apps", "deployments", true),
    (Who::You, "list", artifact_crd::GROUP, artifact_crd::PLURAL, true),
    (Who::You, "patch", KUSTOMIZE, "kustomizations", false),
    (Who::You, "patch", HELM, "helmreleases", false),
    (Who::Controller, "watch", KUSTOMIZE, "kustomizations", true),
    (Who::Controller, "patch", KUSTOMIZE, "kustomizations", true),
    (Who::Controller, "patch", KUSTOMIZE, "kustomizations/status", true),
    (Who::Controller, "watch", HELM, "helmreleases", true),
    (Who::Controller, "patch", HELM, "helmreleases", true),
    (Who::Controller, "patch", HELM, "helmreleases/status", true),
    (Who::Controller, "watch", SOURCES, "gitrepositories", true),
    (
        Who::Controller,
        "patch",
        artifact_crd::GROUP,
        artifact_crd::PLURAL,
        true,
    ),
    (Who::Controller, "watch", "apps", "deployments", true),
    (Who::Controller, "watch", "", "secrets", true),
    (Who::Controller, "create", "", "events", true),
];

async fn rights(client: &Client, account: Option<String>, before_installation: bool) -> Vec<Right> {
    let asked = QUESTIONS.into_iter().filter(|(who, _, group, ..)| match who {
        Who::You => !(before_installation && *group == artifact_crd::GROUP),
        Who::Controller => account.is_some(),
    });
    let account = account.as_deref();
    let ask = |(who, verb, group, resource, is_needed): Question| async move {
        Right {
            who,
            verb,
            group,
            resource,
            is_needed,
            allowed: may(
                client,
                account.filter(|_| who == Who::Controller),
                verb,
                group,
                resource,
            )
            .await,
        }
    };
    futures::stream::iter(asked)
        .map(ask)
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// Whether an account may do something in all namespaces, or whoever asks if there is none.
async fn may(
    client: &Client,
    account: Option<&str>,
    verb: &str,
    group: &str,
    resource: &str,
) -> Result<bool, String> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let attributes = ResourceAttributes {
        verb: Some(verb.to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: (!subresource.is_empty()).then(|| subresource.to_owned()),
        ..ResourceAttributes::default()
    };
    let params = PostParams::default();
    let status: Option<SubjectAccessReviewStatus> = match account {
        None => {
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(attributes),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            let answer = Api::all(client.clone()).create(&params, &review).await;
            answer.map_err(|error| describe(&error))?.status
        }
        Some(account) => {
            let review = SubjectAccessReview {
                spec: SubjectAccessReviewSpec {
                    resource_attributes: Some(attributes),
                    user: Some(account.to_owned()),
                    groups: Some(vec![
                        "system:serviceaccounts".to_owned(),
                        "system:authenticated".to_owned(),
                    ]),
                    ..SubjectAccessReviewSpec::default()
                },
                ..SubjectAccessReview::default()
            };
            let answer = Api::all(client.clone()).create(&params, &review).await;
            answer.map_err(|error| describe(&error))?.status
        }
    };
    Ok(status.is_some_and(|status| status.allowed))
}

/// By how many seconds the clock of the API server is ahead of ours, as its answers have it.
async fn skew(client: &Client) -> Option<i64> {
    let request = http::Request::get("/version")
        .body(kube::client::Body::empty())
        .ok()?;
    let answer = client.send(request).await.ok()?;
    let date = answer.headers().get("date")?.to_str().ok()?;
    let time = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(time.timestamp().as_second() - Timestamp::now().as_second())
}
