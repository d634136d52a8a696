//! Where a scenario is played: its namespaces on one side, and what its texts stand for.

use std::collections::BTreeMap;

use anyhow::Result;
use kube::api::DynamicObject;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::deployer::Deployer;
use super::scenario::{Named, Scenario};
use super::side::{Offered, SHARD, Side, label};
use crate::testbed::{GIT_REPOSITORY, Namespace};

/// Where the engines have their cases.
pub(super) const COMPAT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../compat");

/// The namespaces of a scenario.
pub(super) struct Stage<'a> {
    pub(super) side: &'a Side,
    pub(super) scenario: &'a Scenario,
    pub(super) offered: &'a Offered,
    pub(super) namespace: Namespace,
    pub(super) all: Vec<Namespace>,
    /// What the sources of Kustomizations have, by namespace, kind and name.
    pub(super) sources: Mutex<BTreeMap<String, Published>>,
}

/// What a source has published.
#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    pub(super) files: BTreeMap<String, String>,
    pub(super) times: u32,
    pub(super) artifact: Value,
}

impl<'a> Stage<'a> {
    pub(super) async fn set(side: &'a Side, scenario: &'a Scenario, offered: &'a Offered) -> Result<Self> {
        // Scenarios of both deployers may share a cluster, and their names.
        let of = match scenario.deployer {
            Deployer::Helm => "",
            Deployer::Kustomize => "ks-",
        };
        let name = format!("{}{of}{}", side.prefix, scenario.name);
        let namespace = side.testbed().namespace_called(&name).await?;
        let source = match scenario.deployer {
            Deployer::Helm => json!({"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmRepository",
                "metadata": {"name": "charts"}, "spec": {"interval": "1h", "url": offered.charts}}),
            // Scenarios write its status.
            Deployer::Kustomize => {
                json!({"apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind,
                "metadata": {"name": "app"},
                "spec": {"interval": "1h", "url": "https://nowhere.test/app", "suspend": true}})
            }
        };
        namespace.apply(&source.to_string()).await?;
        let mut all = vec![namespace.clone()];
        for further in &scenario.namespaces {
            all.push(namespace.beside(&format!("{name}-{further}")));
        }
        Ok(Self {
            side,
            scenario,
            offered,
            namespace,
            all,
            sources: Mutex::default(),
        })
    }

    /// Makes a HelmRelease or Kustomization with these fields of its spec, besides the usual ones.
    pub(super) async fn make(&self, name: &str, spec: &Value) -> Result<()> {
        let mut fields = match self.scenario.deployer {
            Deployer::Helm => json!({
                "interval": "1h", "timeout": "30s",
                "chart": {"spec": {"chart": "web", "version": "1.0.0",
                    "sourceRef": {"kind": "HelmRepository", "name": "charts"}}},
            }),
            // Neither controller tries again while the other is being looked at.
            Deployer::Kustomize => json!({
                "interval": "1h", "retryInterval": "1h", "prune": true,
                "sourceRef": {"kind": GIT_REPOSITORY.kind, "name": "app"}, "targetNamespace": self.namespace.name(),
            }),
        };
        for (key, value) in spec.as_object().into_iter().flatten() {
            fields[key] = value.clone();
        }
        if let Some(fields) = fields.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let mut metadata = json!({"name": name});
        if let Some(label) = label(self.side.is_ours) {
            metadata["labels"] = json!({SHARD: label});
        }
        let kind = self.scenario.deployer.kind();
        let object =
            json!({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": fields});
        self.namespace.apply(&object.to_string()).await
    }

    /// The namespace of an object.
    pub(super) fn namespace_of(&self, named: &Named) -> Namespace {
        match &named.namespace {
            None => self.namespace.clone(),
            Some(further) => self
                .namespace
                .beside(&format!("{}-{further}", self.namespace.name())),
        }
    }

    /// A value of the scenario, with what its texts stand for.
    pub(super) fn filled(&self, value: &Value) -> Result<Value> {
        Ok(serde_json::from_str(&self.filled_text(&value.to_string()))?)
    }

    /// What is this side's, of the kind that the scenario is about.
    pub(super) async fn subjects(&self) -> Result<Vec<DynamicObject>> {
        let mut subjects = self.namespace.list(self.scenario.deployer.kind()).await?;
        subjects.retain(|subject| {
            let labels = subject.metadata.labels.as_ref();
            let shard = labels.and_then(|labels| labels.get(SHARD));
            shard.map(String::as_str) == label(self.side.is_ours)
        });
        Ok(subjects)
    }

    /// A text of the scenario, with what it stands for.
    pub(super) fn filled_text(&self, text: &str) -> String {
        text.replace("NAMESPACE", self.namespace.name())
            .replace("ARTIFACTS", &self.offered.shelf.url(""))
            .replace("COMPAT", COMPAT)
            .replace("CHARTS", &self.offered.charts)
            .replace("REGISTRY", &self.offered.registry)
            .replace("KUBECONFIG", &self.side.kubeconfig)
    }
}
