//! Reading a cluster: what there is of Flux, and of what it deploys.

use std::fmt::Debug;

use artifact_crd::Artifact;
use flux_api::{
    Bucket, ExternalArtifact, FLUX_DEPLOYMENTS, GitRepository, HelmChart, HelmRelease, HelmRepository,
    Kustomization, OCIRepository, Tolerant,
};
use flux_fleet::world::Describe;
use flux_fleet::{SourceState, World};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::error::{describe, remedy};
use super::{Cluster, CommandError};

/// Label selector of our Deployments.
const OURS: &str = "app.kubernetes.io/part-of=openflux";

/// Label selectors of stock's Deployments and of ours.
pub(crate) const STOCK_AND_OURS: [&str; 2] = [FLUX_DEPLOYMENTS, OURS];

/// How many objects one answer has.
const PAGE: u32 = 500;

/// Which objects are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The namespace of Kustomizations, HelmReleases, sources and Artifacts; all if there is none.
    pub(crate) namespace: Option<String>,
    /// Label selector of Kustomizations and HelmReleases.
    pub(crate) selector: Option<String>,
}

/// Reads all that commands about Flux need; what cannot be read is named in the result.
///
/// # Errors
/// The API server cannot be reached at all.
pub(crate) async fn read(cluster: &Cluster, wanted: &Wanted) -> Result<World, CommandError> {
    let client = &cluster.client;
    let version = client
        .apiserver_version()
        .await
        .map_err(CommandError::api("the cluster cannot be reached"))?;
    let namespace = wanted.namespace.as_deref();
    let selector = wanted.selector.as_deref();
    let all = async {
        futures::join!(
            list::<Deployment>(client, None, Some(FLUX_DEPLOYMENTS)),
            list::<Deployment>(client, None, Some(OURS)),
            list::<Tolerant<Kustomization>>(client, namespace, selector),
            list::<Tolerant<HelmRelease>>(client, namespace, selector),
            list::<Tolerant<Artifact>>(client, namespace, None),
            sources(client, namespace),
        )
    };
    let (stock, ours, kustomizations, helm_releases, artifacts, sources) = Box::pin(all).await;
    let mut unread = Vec::new();
    let (sources, missing) = sources;
    unread.extend(missing);
    Ok(World {
        kubernetes: version.git_version,
        stock: or_unread(stock, &mut unread),
        ours: or_unread(ours, &mut unread),
        kustomizations: or_unread(kustomizations, &mut unread),
        helm_releases: or_unread(helm_releases, &mut unread),
        artifacts: or_unread(artifacts, &mut unread),
        sources,
        unread,
    })
}

async fn sources(client: &Client, namespace: Option<&str>) -> (Vec<SourceState>, Vec<String>) {
    let (git, oci, bucket, repository, chart, external) = futures::join!(
        source::<GitRepository>(client, namespace),
        source::<OCIRepository>(client, namespace),
        source::<Bucket>(client, namespace),
        source::<HelmRepository>(client, namespace),
        source::<HelmChart>(client, namespace),
        source::<ExternalArtifact>(client, namespace),
    );
    let (mut sources, mut unread) = (Vec::new(), Vec::new());
    for kind in [git, oci, bucket, repository, chart, external] {
        sources.extend(or_unread(kind, &mut unread));
    }
    (sources, unread)
}

async fn source<S>(client: &Client, namespace: Option<&str>) -> Result<Vec<SourceState>, String>
where
    S: Describe + Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let objects = list::<Tolerant<S>>(client, namespace, None).await?;
    let describe = |object: Tolerant<S>| match object.0 {
        Ok(source) => source.state(),
        Err(odd) => SourceState {
            kind: S::kind(&()).into_owned(),
            key: flux_api::ObjectKey::new(
                odd.metadata.namespace.unwrap_or_default(),
                odd.metadata.name.unwrap_or_default(),
            ),
            ..SourceState::default()
        },
    };
    Ok(objects.into_iter().map(describe).collect())
}

fn or_unread<T>(result: Result<Vec<T>, String>, unread: &mut Vec<String>) -> Vec<T> {
    result.unwrap_or_else(|error| {
        unread.push(error);
        Vec::new()
    })
}

/// Lists objects page by page; a kind that is not installed has none.
pub(crate) async fn list<K>(
    client: &Client,
    namespace: Option<&str>,
    selector: Option<&str>,
) -> Result<Vec<K>, String>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let mut params = ListParams::default().limit(PAGE);
    if let Some(selector) = selector {
        params = params.labels(selector);
    }
    let mut objects = Vec::new();
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(objects),
            Err(error) => {
                let (said, remedy) = (describe(&error), remedy(&error));
                return Err(format!("{}: {said}{remedy}", K::plural(&())));
            }
        };
        objects.extend(page.items);
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(objects),
        }
    }
}
