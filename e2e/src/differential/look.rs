//! What there is in the namespaces of a scenario.

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use serde_json::{Map, Value, json};

use super::deployer::Deployer;
use super::neutral::Origin;
use super::notes::Notes;
use super::scenario::{CLUSTER_KINDS, KINDS};
use crate::testbed::{EVENT, Namespace, SECRET};

/// Managers whose fields tell nothing about the controllers.
const OTHERS: [&str; 4] = [
    "testbed",
    "kube-controller-manager",
    "source-controller",
    "kube-scheduler",
];

/// What the managers of controllers are called that write to a Kustomization.
const CONTROLLERS: [&str; 2] = ["gotk-", "kustomize-controller"];

/// Looks at namespaces, and remembers which objects it has seen.
#[derive(Debug)]
pub(super) struct Eye {
    deployer: Deployer,
    /// Whether digests cannot be compared.
    digests: bool,
    /// What the names of objects without a namespace begin with that are looked at.
    cluster: Option<String>,
    /// Namespaces that are looked at themselves.
    namespaces: Vec<String>,
    /// The UIDs of each object, in the order in which they were seen.
    lives: HashMap<String, Vec<String>>,
}

/// What is there, and the resource versions by which one sees that somebody has written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) seen: Value,
    pub(super) versions: BTreeMap<String, String>,
}

impl Eye {
    pub(super) fn new(
        deployer: Deployer,
        digests: bool,
        cluster: Option<String>,
        namespaces: Vec<String>,
    ) -> Self {
        Self {
            deployer,
            digests,
            cluster,
            namespaces,
            lives: HashMap::new(),
        }
    }

    /// Looks at everything in these namespaces. A HelmRelease or Kustomization that was seen a moment ago counts as it was
    /// then.
    pub(super) async fn look(
        &mut self,
        namespaces: &[Namespace],
        seen: Option<DynamicObject>,
    ) -> Result<State> {
        let mut state = State::default();
        let (mut releases, mut records, mut objects) = (Map::new(), Map::new(), Map::new());
        let first = namespaces.first().map(|namespace| namespace.name().to_owned());
        let first = first.unwrap_or_default();
        for namespace in namespaces {
            for kind in KINDS {
                for object in namespace.list(kind).await? {
                    let name = object.metadata.name.clone().unwrap_or_default();
                    if name == "kube-root-ca.crt" || (kind.kind == "ServiceAccount" && name == "default") {
                        continue;
                    }
                    let id = format!("{}/{}/{name}", namespace.name(), kind.kind);
                    let version = object.metadata.resource_version.clone();
                    if kind == self.deployer.kind() {
                        let then = seen
                            .as_ref()
                            .filter(|seen| seen.metadata.uid == object.metadata.uid);
                        releases.insert(id, release(self.deployer, then.unwrap_or(&object)));
                        continue;
                    }
                    if object.data["type"] == "helm.sh/release.v1" {
                        records.insert(name, record(&object));
                    } else {
                        let life = self.life(&id, &object);
                        objects.insert(id.clone(), plain(&object, life));
                    }
                    // Their statuses are written by others.
                    if [SECRET.kind, "ConfigMap", "Service"].contains(&kind.kind) {
                        state.versions.insert(id, version.unwrap_or_default());
                    }
                }
            }
        }
        let mut seen = json!({"releases": releases, "records": records, "objects": objects});
        if let (Some(begin), Some(namespace)) = (self.cluster.clone(), namespaces.first()) {
            seen["crds"] = self.look_at_crds(&begin, namespace).await?.into();
            seen["cluster"] = self.look_at_cluster(&begin, namespace).await?.into();
        }
        let origin = Origin {
            namespace: &first,
            digests: self.digests,
        };
        state.seen = origin.neutral(&seen);
        Ok(state)
    }

    /// The CRDs of a scenario, and the objects of their kinds.
    async fn look_at_crds(&mut self, begin: &str, namespace: &Namespace) -> Result<Map<String, Value>> {
        let client = namespace.client();
        let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
        let mut found = Map::new();
        for crd in crds.list(&ListParams::default()).await? {
            if crd.spec.group != format!("{begin}.test") {
                continue;
            }
            let name = crd.metadata.name.clone().unwrap_or_default();
            let served = crd.spec.versions.iter().find(|version| version.served);
            let version = served.map(|version| version.name.clone()).unwrap_or_default();
            let object: DynamicObject = serde_json::from_value(serde_json::to_value(&crd)?)?;
            let life = self.life(&name, &object);
            found.insert(name, plain(&object, life));
            let gvk = GroupVersionKind::gvk(&crd.spec.group, &version, &crd.spec.names.kind);
            let resource = ApiResource::from_gvk_with_plural(&gvk, &crd.spec.names.plural);
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            // One that was defined a moment ago, or goes, need not be served.
            let Ok(objects) = api.list(&ListParams::default()).await else {
                continue;
            };
            for object in objects {
                let of = object.metadata.namespace.clone().unwrap_or_default();
                let name = object.metadata.name.clone().unwrap_or_default();
                let id = format!("{of}/{}/{name}", crd.spec.names.kind);
                let life = self.life(&id, &object);
                found.insert(id, plain(&object, life));
            }
        }
        Ok(found)
    }

    /// What a scenario has made that is in no namespace.
    async fn look_at_cluster(&mut self, begin: &str, namespace: &Namespace) -> Result<Map<String, Value>> {
        let mut found = Map::new();
        for kind in CLUSTER_KINDS {
            let (group, version) = kind.api_version.split_once('/').unwrap_or(("", kind.api_version));
            let gvk = GroupVersionKind::gvk(group, version, kind.kind);
            let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural);
            let api: Api<DynamicObject> = Api::all_with(namespace.client().clone(), &resource);
            for object in api.list(&ListParams::default()).await? {
                let name = object.metadata.name.clone().unwrap_or_default();
                let is_ours = match kind.kind {
                    "Namespace" => self.namespaces.contains(&name),
                    _ => name.starts_with(&format!("{begin}.")),
                };
                if is_ours {
                    let id = format!("{}/{name}", kind.kind);
                    let life = self.life(&id, &object);
                    found.insert(id, plain(&object, life));
                }
            }
        }
        Ok(found)
    }

    /// How many objects of that name there have been.
    fn life(&mut self, id: &str, object: &DynamicObject) -> usize {
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let lives = self.lives.entry(id.to_owned()).or_default();
        if lives.last() != Some(&uid) {
            lives.push(uid);
        }
        lives.len()
    }
}

/// A HelmRelease or Kustomization: what its controller writes.
fn release(deployer: Deployer, object: &DynamicObject) -> Value {
    let mut conditions = Map::new();
    let mut order = Vec::new();
    for condition in object.data["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let kind = condition["type"].as_str().unwrap_or_default();
        conditions.insert(kind.to_owned(), condition.clone());
        order.push(kind);
    }
    let mut status = object.data["status"].clone();
    if let Some(fields) = status.as_object_mut() {
        fields.insert("conditions".to_owned(), conditions.into());
    }
    let mut seen = json!({"status": status, "order of conditions": order, "finalizers": object.metadata.finalizers,
        "is going": object.metadata.deletion_timestamp.is_some()});
    if deployer == Deployer::Kustomize {
        seen["managers"] = managers(object, |_| true);
        if let Some(managers) = seen["managers"].as_object_mut() {
            // What the scenario and the hand-over write about it is theirs.
            managers.retain(|manager, _| CONTROLLERS.iter().any(|begin| manager.starts_with(begin)));
        }
    }
    seen
}

/// A release record, unpacked as far as that goes.
fn record(secret: &DynamicObject) -> Value {
    let mut labels = json!(secret.metadata.labels);
    for time in ["createdAt", "modifiedAt"] {
        if labels.get(time).is_some() {
            labels[time] = "CHANCE".into();
        }
    }
    let release = unpack(secret).unwrap_or_else(|error| format!("damaged: {error}").into());
    json!({"labels": labels, "annotations": secret.metadata.annotations, "release": release,
        "owners": secret.metadata.owner_references, "managers": managers(secret, str::is_empty)})
}

/// Unpacks a release record.
pub(super) fn release_of(secret: &DynamicObject) -> Result<Value> {
    let text = secret.data["data"]["release"].as_str().context("no record")?;
    let packed = STANDARD.decode(STANDARD.decode(text)?)?;
    let mut json = Vec::new();
    GzDecoder::new(packed.as_slice()).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// Unpacks a release record, without the contents of its chart's files.
pub(super) fn unpack(secret: &DynamicObject) -> Result<Value> {
    let mut release = release_of(secret)?;
    // The files of a chart are the same on both sides, and long.
    for list in ["templates", "files"] {
        let files = release["chart"][list].as_array_mut().into_iter().flatten();
        for file in files {
            file["data"] = file["data"].as_str().map(str::len).into();
        }
    }
    Ok(release)
}

/// Any other object, without its status.
fn plain(object: &DynamicObject, life: usize) -> Value {
    let metadata = &object.metadata;
    let annotations: BTreeMap<_, _> = metadata
        .annotations
        .iter()
        .flatten()
        .filter(|(key, _)| !key.starts_with("deployment.kubernetes.io/"))
        .collect();
    let owners: Vec<_> = metadata
        .owner_references
        .iter()
        .flatten()
        .map(|owner| format!("{} {}", owner.kind, owner.name))
        .collect();
    let mut fields = object.data.clone();
    if let Some(fields) = fields.as_object_mut() {
        fields.remove("status");
        fields.remove("metadata");
    }
    json!({
        "labels": metadata.labels, "annotations": annotations, "owners": owners, "finalizers": metadata.finalizers,
        "generation": metadata.generation, "is going": metadata.deletion_timestamp.is_some(), "life": life,
        "managers": managers(object, str::is_empty), "fields": fields,
    })
}

/// The fields of each manager, of the subresources that count.
fn managers(object: &DynamicObject, counts: impl Fn(&str) -> bool) -> Value {
    let managers = object.metadata.managed_fields.iter().flatten();
    let managers = managers
        .filter(|entry| counts(entry.subresource.as_deref().unwrap_or_default()))
        .filter(|entry| !OTHERS.contains(&entry.manager.as_deref().unwrap_or_default()));
    let mut found = Map::new();
    for entry in managers {
        let key = format!(
            "{} {} {}",
            entry.manager.as_deref().unwrap_or_default(),
            entry.operation.as_deref().unwrap_or_default(),
            entry.subresource.as_deref().unwrap_or_default()
        );
        found.insert(
            key.trim_end().to_owned(),
            json!([entry.api_version, entry.fields_v1]),
        );
    }
    found.into()
}

/// What stands for annotations that may be any.
pub(super) const ANY: &str = "*";

/// What was told about HelmReleases or Kustomizations, each thing once, and with which annotations.
pub(super) async fn events(
    deployer: Deployer,
    namespaces: &[Namespace],
    notes: Option<&Notes>,
) -> Result<Vec<(String, String)>> {
    let mut told: Vec<(String, String)> = Vec::new();
    let first = namespaces.first().map(|namespace| namespace.name().to_owned());
    let origin = Origin {
        namespace: &first.unwrap_or_default(),
        digests: true,
    };
    let kind = deployer.kind().kind;
    let line = |of: &str, reason: &str, name: &str, message: &str| {
        let message = without_log(message);
        let line = origin.neutral(&format!("{of} {reason} {name}: {message}").into());
        line.as_str().unwrap_or_default().to_owned()
    };
    for namespace in namespaces {
        for event in namespace.list(EVENT).await? {
            let about = &event.data["involvedObject"];
            if about["kind"] != kind || event.data["reason"] == BY_CHANCE {
                continue;
            }
            let text = |name: &str| event.data[name].as_str().unwrap_or_default();
            let annotations: BTreeMap<_, _> = event.metadata.annotations.iter().flatten().collect();
            let name = about["name"].as_str().unwrap_or_default();
            // Of what was combined nobody says which was the first.
            let (message, about) = match text("message").strip_prefix("(combined from similar events): ") {
                Some(message) => (message, ANY.to_owned()),
                None => (
                    text("message"),
                    format!("{annotations:?} by {}", event.data["source"]["component"]),
                ),
            };
            told.push((line(text("type"), text("reason"), name, message), about));
        }
        let sent = notes
            .map(|notes| notes.about(kind, namespace.name()))
            .transpose()?;
        for note in sent.into_iter().flatten() {
            if note.reason != BY_CHANCE {
                let of = format!("notified/{}", note.severity);
                let line = line(&of, &note.reason, &note.name, &note.message);
                told.push((line, origin.neutral(&note.about).to_string()));
            }
        }
    }
    told.sort();
    // The same again is counted, with what was said about it first, unless a folder of chance is named.
    told.dedup_by(|again, first| again.0 == first.0);
    Ok(told)
}

/// How often a source was waited for is chance.
const BY_CHANCE: &str = "SourceNotReady";

/// What Helm has logged follows a message, with times.
fn without_log(message: &str) -> &str {
    message.split("\n\nLast Helm logs").next().unwrap_or_default()
}
