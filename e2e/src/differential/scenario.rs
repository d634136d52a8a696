//! Scenarios as they are written down.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::deployer::Deployer;
use crate::testbed::Kind;

/// What is done, and what is waited for after each step.
///
/// In all texts `NAMESPACE` stands for the scenario's namespace, `CHARTS` for the URL of its Helm repository, `REGISTRY`
/// for that of its charts in the registry, `KUBECONFIG` for a kubeconfig of its own control plane, in base64, `ARTIFACTS` for the URL
/// of a server that has archives and one file `garbage`, and `COMPAT` for the folder of the engines.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Whose scenario it is.
    #[serde(skip)]
    pub deployer: Deployer,
    /// Its name, which is that of its namespace too.
    pub name: String,
    /// Versions of the charts that there are, by name: folders of `scenarios/helm/charts`.
    #[serde(default = "web")]
    pub charts: BTreeMap<String, Vec<String>>,
    /// Charts that are none of ours.
    #[serde(skip)]
    pub public: Vec<PublicChart>,
    /// Those of them that are in the registry too.
    #[serde(default)]
    pub registry: BTreeMap<String, Vec<String>>,
    /// Further namespaces that are looked at: `NAMESPACE-` and each of these.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Whether it leaves something that has no namespace, which is looked at then: names that begin with that of the scenario
    /// (of HelmReleases) or of the namespace (of Kustomizations) and a dot, and CRDs of the group that ends in `.test`
    /// instead.
    #[serde(default)]
    pub is_cluster_wide: bool,
    /// Whether it is among the tests that every change has to pass.
    #[serde(default)]
    pub is_in_tests: bool,
    /// Whether it is played only when it is named: it takes long.
    #[serde(default)]
    pub on_demand: bool,
    /// Whether it is handed over and back at its end.
    #[serde(default = "yes")]
    pub hand_over: bool,
    /// What may differ, and why.
    #[serde(default)]
    pub differs: Vec<Difference>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// The files of a chart: paths below it, and what is in them.
pub(super) type ChartFiles = Vec<(String, Vec<u8>)>;

/// A chart that is none of ours.
#[derive(Clone, Debug)]
pub struct PublicChart {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) archive: Vec<u8>,
}

/// Something that may differ.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Where: parts of a path, a star for any one of them; everything below counts too.
    pub at: String,
    /// Whether it need not differ.
    #[serde(default)]
    pub sometimes: bool,
    /// The reason, which COMPATIBILITY.md has too if users can notice it.
    pub why: String,
}

/// A step; what it does is done in the order of these fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// The HelmRelease or Kustomization that it is about; `app` by default.
    pub of: Option<String>,
    /// Objects to apply.
    pub apply: Vec<Value>,
    /// An object that admission refuses before the step goes on: what asks for that needs a moment.
    pub refused: Option<Value>,
    /// A command of the real `helm`, in the namespace.
    pub helm: Option<String>,
    /// A command of the real `flux`, in the namespace.
    pub flux: Option<String>,
    /// Objects that the real `kubectl` applies on the client's side.
    pub by_hand: Vec<Value>,
    /// Commands of the real `kubectl`, in the namespace.
    #[serde(deserialize_with = "one_or_more")]
    pub kubectl: Vec<String>,
    /// The source whose artifact changes; the GitRepository `app` by default.
    pub source: Option<Named>,
    /// Files that are written for its next artifact: text, a path in `COMPAT`, an object, or a list of objects; nothing
    /// removes one. Those of earlier steps stay.
    pub files: Option<BTreeMap<String, Value>>,
    /// Fields of the artifact that are not as they ought to be, or `none`.
    pub artifact: Option<Value>,
    /// A change of a release record.
    pub record: Option<Record>,
    /// A HelmRelease or a Kustomization to make: fields of its spec, besides the usual ones.
    #[serde(rename = "release", alias = "kustomization")]
    pub make: Option<Value>,
    /// A change of its spec.
    pub spec: Option<Value>,
    /// Whether somebody spoils objects of the release: Helm's label on one of each kind, and one ConfigMap goes.
    pub spoil: bool,
    /// A change of another object.
    pub patch: Option<Change>,
    /// An object to delete.
    pub delete: Option<Named>,
    /// A request for a run, with these further annotations (`forceAt`, `resetAt`).
    pub reconcile: Option<Vec<String>>,
    /// What is waited for, one after the other; then it is looked at what there is, unless that is `now`. Where nothing is
    /// said, a Kustomization has to settle.
    #[serde(deserialize_with = "one_or_more")]
    pub until: Vec<Until>,
    /// Whether everything is handed over to the other controller then, and back.
    pub hand_over: bool,
}

/// A change of a release record.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The release and the revision.
    pub of: (String, u32),
    /// What is merged into it; its label follows `info.status`.
    #[serde(default)]
    pub set: Option<Value>,
    /// Or how it is damaged.
    #[serde(default)]
    pub damage: Option<Damage>,
}

/// How a record is damaged.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Damage {
    /// It is no base64.
    Base64,
    /// It is compressed, and cut off.
    Gzip,
    /// It is no JSON.
    Json,
    /// There is nothing in it.
    Empty,
}

/// A kind and a name, and the further namespace where it is not in the first one.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// The kind, one of [`KINDS`].
    pub kind: String,
    /// The name.
    pub name: String,
    /// The further namespace.
    #[serde(default)]
    pub namespace: Option<String>,
}

/// A change of an object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The object.
    pub of: Named,
    /// What is merged into it.
    pub merge: Value,
    /// Whether that is about its status.
    #[serde(default)]
    pub status: bool,
}

/// What a step waits for.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// It is ready, for what it asks now, and what its source has now.
    Ready,
    /// It is gone.
    Gone,
    /// Nothing about it changes for two seconds.
    Quiet,
    /// All Kustomizations are ready or have failed, for what they ask now and what their sources have now.
    Settled,
    /// Nothing more is tried, with this reason of `Ready`.
    Stalled(String),
    /// `Ready` is not true, with this reason, for what is asked now.
    Failed(String),
    /// `Ready` says this, among other things.
    Says(String),
    /// A condition has this type, status and reason.
    Condition(String, String, String),
    /// Nothing: the step only prepares the next one, and what is there is not looked at.
    Now,
    /// An object has a value at a place (a JSON pointer); none: it is gone.
    Object(Named, Option<(String, Value)>),
}

/// The kinds that scenarios may name.
pub(super) const KINDS: [Kind; 26] = [
    crate::testbed::CONFIG_MAP,
    crate::testbed::SECRET,
    crate::testbed::SERVICE,
    crate::testbed::SERVICE_ACCOUNT,
    crate::testbed::DEPLOYMENT,
    crate::testbed::HELM_CHART,
    crate::testbed::HELM_RELEASE,
    crate::testbed::HELM_REPOSITORY,
    crate::testbed::OCI_REPOSITORY,
    crate::testbed::EXTERNAL_ARTIFACT,
    crate::testbed::KUSTOMIZATION,
    crate::testbed::GIT_REPOSITORY,
    crate::testbed::BUCKET,
    kind("v1", "LimitRange", "limitranges"),
    kind("batch/v1", "CronJob", "cronjobs"),
    kind(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    ),
    kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"),
    kind("batch/v1", "Job", "jobs"),
    kind("apps/v1", "StatefulSet", "statefulsets"),
    kind("apps/v1", "DaemonSet", "daemonsets"),
    kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
    kind("v1", "ResourceQuota", "resourcequotas"),
    kind("networking.k8s.io/v1", "Ingress", "ingresses"),
    kind("rbac.authorization.k8s.io/v1", "Role", "roles"),
    kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
];

/// Kinds without a namespace that scenarios make.
pub(super) const CLUSTER_KINDS: [Kind; 6] = [
    kind("v1", "Namespace", "namespaces"),
    kind("v1", "PersistentVolume", "persistentvolumes"),
    kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"),
    kind(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
    ),
    kind("storage.k8s.io/v1", "StorageClass", "storageclasses"),
    kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses"),
];

const fn kind(api_version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind {
        api_version,
        kind,
        plural,
    }
}

impl Named {
    /// The kind as the testbed knows it.
    pub(super) fn kind(&self) -> Result<Kind> {
        let known = KINDS.into_iter().find(|kind| kind.kind == self.kind);
        known.with_context(|| format!("scenarios do not know the kind {}", self.kind))
    }
}

impl Step {
    /// The name of what it is about.
    pub(super) fn subject(&self) -> &str {
        self.of.as_deref().unwrap_or("app")
    }
}

/// Reads all scenarios, in the order of their files and in that in which they are written.
///
/// # Errors
/// One cannot be read, or two have the same name.
pub fn scenarios(deployer: Deployer) -> Result<Vec<Scenario>> {
    let mut files: Vec<_> = std::fs::read_dir(deployer.folder())?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut all: Vec<Scenario> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        let found: Vec<Value> = serde_saphyr::from_str(&text).with_context(|| file.display().to_string())?;
        for scenario in found {
            let name = scenario["name"].clone();
            let mut scenario: Scenario = serde_json::from_value(scenario)
                .with_context(|| format!("scenario {name} in {}", file.display()))?;
            scenario.deployer = deployer;
            ensure!(
                all.iter().all(|known| known.name != scenario.name),
                "two scenarios are called {name}"
            );
            all.push(scenario);
        }
    }
    Ok(all)
}

fn web() -> BTreeMap<String, Vec<String>> {
    let versions = ["1.0.0", "1.1.0"].map(str::to_owned);
    BTreeMap::from([("web".to_owned(), versions.to_vec())])
}

fn yes() -> bool {
    true
}

fn one_or_more<'de, D: serde::Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let all = if value.is_array() {
        value
    } else {
        Value::Array(vec![value])
    };
    serde_json::from_value(all).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_scenarios_can_be_read() {
        for deployer in [Deployer::Helm, Deployer::Kustomize] {
            let all = scenarios(deployer).expect("scenarios");
            assert!(all.len() >= 100, "{deployer:?}: {}", all.len());
            for scenario in &all {
                for difference in &scenario.differs {
                    assert!(!difference.why.is_empty(), "{}", scenario.name);
                }
            }
        }
    }
}
