//! Objects of any kind: by the names that people give them, and by what inventories say.

use std::collections::BTreeMap;

use controller_kit::{Mapper, readiness};
use flux_api::ObjectId;
use flux_fleet::live::{Live, Traced};
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Api, Client, ResourceExt};

use super::error::describe;
use super::{Cluster, CommandError};

/// How many objects are asked for at once.
const AT_ONCE: usize = 16;

/// The most owners above an object, so that a circle has an end.
const MAX_OWNERS: usize = 16;

/// Looks at objects; what cannot be read says why.
pub(crate) async fn get_all(
    cluster: &Cluster,
    objects: BTreeMap<ObjectId, String>,
) -> BTreeMap<ObjectId, Live> {
    let mapper = Mapper::new(cluster.client.clone());
    let look = |(id, version): (ObjectId, String)| {
        let mapper = mapper.clone();
        let client = cluster.client.clone();
        async move {
            let live = look(&client, &mapper, &id, &version).await;
            (id, live)
        }
    };
    futures::stream::iter(objects)
        .map(look)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

async fn look(client: &Client, mapper: &Mapper, id: &ObjectId, version: &str) -> Live {
    let mapping = match mapper.mapping(&id.group, version, &id.kind).await {
        Ok(mapping) => mapping,
        Err(error) => return Live::new("Unknown", error.to_string()),
    };
    let api = api(client, &mapping.api_resource(), &id.namespace);
    match api.get_opt(&id.name).await {
        Ok(Some(object)) => judge(&object),
        Ok(None) => Live::new("NotFound", ""),
        Err(error) => Live::new("Unknown", describe(&error)),
    }
}

fn judge(object: &DynamicObject) -> Live {
    let judged = serde_json::to_value(object).map(|object| readiness::judge(&object));
    match judged {
        Ok(Ok(readiness)) => Live::new(readiness.status.as_str(), readiness.message),
        Ok(Err(malformed)) => Live::new("Unknown", malformed.to_string()),
        Err(error) => Live::new("Unknown", error.to_string()),
    }
}

fn api(client: &Client, resource: &ApiResource, namespace: &str) -> Api<DynamicObject> {
    if namespace.is_empty() {
        Api::all_with(client.clone(), resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, resource)
    }
}

/// Reads an object that people name, and its owners from the nearest on.
///
/// # Errors
/// There is no such kind or no such object, or it may not be read.
pub(crate) async fn get_chain(
    cluster: &Cluster,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Vec<Traced>, CommandError> {
    let client = &cluster.client;
    let (resource, namespaced) = find_kind(client, kind).await?;
    let namespace = if namespaced { namespace } else { "" };
    let object = api(client, &resource, namespace)
        .get_opt(name)
        .await
        .map_err(CommandError::api(format!("{kind}/{name}")))?;
    let Some(object) = object else {
        let place = if namespaced {
            format!(" in namespace {namespace}")
        } else {
            String::new()
        };
        return Err(CommandError::NotFound(format!(
            "there is no {} {name}{place}",
            resource.kind
        )));
    };
    let mapper = Mapper::new(client.clone());
    let mut owner = controller_of(&object);
    let mut chain = vec![traced(&resource.group, &object)];
    while let Some((group, version, kind, name)) = owner.take() {
        if chain.len() > MAX_OWNERS {
            break;
        }
        let mapping = mapper.mapping(&group, &version, &kind).await;
        let Ok(mapping) = mapping else { break };
        let namespace = if mapping.namespaced { namespace } else { "" };
        let above = api(client, &mapping.api_resource(), namespace)
            .get_opt(&name)
            .await;
        let above = above.map_err(CommandError::api(format!("{kind}/{name}")))?;
        let Some(above) = above else { break };
        owner = controller_of(&above);
        chain.push(traced(&group, &above));
    }
    Ok(chain)
}

fn traced(group: &str, object: &DynamicObject) -> Traced {
    Traced {
        id: ObjectId {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            group: group.to_owned(),
            kind: object
                .types
                .as_ref()
                .map(|types| types.kind.clone())
                .unwrap_or_default(),
        },
        live: judge(object),
        labels: object.labels().clone(),
    }
}

/// Group, version, kind and name of the controller that made an object.
fn controller_of(object: &DynamicObject) -> Option<(String, String, String, String)> {
    let mut owners = object.owner_references().iter();
    let owner = owners.find(|owner| owner.controller == Some(true))?;
    let (group, version) = owner
        .api_version
        .split_once('/')
        .unwrap_or(("", &owner.api_version));
    Some((
        group.to_owned(),
        version.to_owned(),
        owner.kind.clone(),
        owner.name.clone(),
    ))
}

/// Finds the kind that people mean by a name: a kind, a resource, one of its short names, each with or without its group.
async fn find_kind(client: &Client, name: &str) -> Result<(ApiResource, bool), CommandError> {
    let (wanted, group) = name.split_once('.').unwrap_or((name, ""));
    let wanted = wanted.to_lowercase();
    let core = client
        .list_core_api_resources("v1")
        .await
        .map_err(CommandError::api("the kinds of the cluster"))?;
    if group.is_empty()
        && let Some(found) = pick(&core.resources, &wanted, "", "v1")
    {
        return Ok(found);
    }
    let groups = client
        .list_api_groups()
        .await
        .map_err(CommandError::api("the API groups of the cluster"))?;
    let versions = groups.groups.into_iter().filter_map(|known| {
        let matches = group.is_empty() || known.name == group || known.name.starts_with(&format!("{group}."));
        let version = known.preferred_version.or(known.versions.into_iter().next())?;
        matches.then_some((known.name, version))
    });
    let ask = |(group, version): (
        String,
        k8s_openapi::apimachinery::pkg::apis::meta::v1::GroupVersionForDiscovery,
    )| async move {
        let list = client.list_api_group_resources(&version.group_version).await;
        (group, version.version, list)
    };
    // In the order of the groups, which is that of their priority.
    let mut answers = futures::stream::iter(versions).map(ask).buffered(AT_ONCE);
    while let Some((group, version, list)) = answers.next().await {
        // A group whose server is down hides no other.
        let Ok(list) = list else { continue };
        if let Some(found) = pick(&list.resources, &wanted, &group, &version) {
            return Ok(found);
        }
    }
    Err(CommandError::NotFound(format!(
        "the cluster has no kind {name:?}"
    )))
}

fn pick(resources: &[APIResource], wanted: &str, group: &str, version: &str) -> Option<(ApiResource, bool)> {
    let is_meant = |resource: &&APIResource| {
        let mut short = resource.short_names.iter().flatten();
        !resource.name.contains('/')
            && (resource.name == wanted
                || resource.singular_name == wanted
                || resource.kind.to_lowercase() == wanted
                || short.any(|name| name == wanted))
    };
    let found = resources.iter().find(is_meant)?;
    let kind = GroupVersionKind::gvk(group, version, &found.kind);
    Some((
        ApiResource::from_gvk_with_plural(&kind, &found.name),
        found.namespaced,
    ))
}
