//! `openflux-controller install`: the manifests, from the same source as the code that they run.

mod admission;
mod chart;
mod deployment;
mod package;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use admission::{network_policy, writers_policy};
use deployment::deployment;
use rules::{group_of, rules, rules_at_home};

/// What to install, and where.
#[derive(Args, Clone, Debug, Default)]
#[command(group(ArgGroup::new("form").required(true).args(["export", "chart", "folder"])))]
pub(crate) struct InstallFlags {
    /// Print the manifests to standard output; nothing is ever applied from here.
    #[arg(long)]
    export: bool,
    /// Write a Helm chart into a new folder, whose values are what the other flags say; they are not read here.
    #[arg(long, value_name = "DIR")]
    chart: Option<PathBuf>,
    /// Write the manifests into a new folder, as a kustomization.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Namespace of the controller; that of Flux, whose network policies let only its own pods fetch artifacts.
    #[arg(long, default_value = "flux-system")]
    namespace: String,
    /// Image of the controller.
    #[arg(long, default_value = concat!("openflux-controller:", env!("CARGO_PKG_VERSION")))]
    image: String,
    /// Kustomizations and HelmReleases to reconcile, by labels.
    #[arg(long, default_value = "sharding.fluxcd.io/key=openflux")]
    watch_label_selector: String,
    /// Controllers to run, such as sources,kustomize; sources, kustomize and helm by default. With http or transform
    /// a Service serves what they make.
    #[arg(long, value_delimiter = ',')]
    controllers: Vec<String>,
    /// Service account of Kustomizations and HelmReleases that name none, for clusters with tenants. The controller itself may then
    /// change nothing that it applies; without this it is a cluster administrator, as stock's is.
    #[arg(long, default_value = "")]
    default_service_account: String,
    /// Refuse sources in other namespaces.
    #[arg(long)]
    no_cross_namespace_refs: bool,
    /// Refuse kustomize bases on other machines.
    #[arg(long)]
    no_remote_bases: bool,
    /// The only hosts that kustomize bases may come from.
    #[arg(long, value_delimiter = ',')]
    remote_base_hosts: Vec<String>,
    /// Hosts that artifacts may come from; the services of the cluster by default.
    #[arg(long, value_delimiter = ',')]
    artifact_hosts: Vec<String>,
    /// Domain of the cluster's services.
    #[arg(long, default_value = CLUSTER_DOMAIN)]
    cluster_domain: String,
    /// Let nobody write Artifacts but the service accounts of this namespace, and these users, such as
    /// system:serviceaccount:producers:http. Whoever writes an Artifact decides what is deployed.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "", value_delimiter = ',')]
    artifact_writers: Option<Vec<String>>,
    /// How many processes run, of which one leads.
    #[arg(long, default_value_t = 1)]
    replicas: i32,
    /// Further Deployments, each for a share of the objects: those that are labelled as --watch-label-selector says, with -1, -2
    /// and so on at the end of the value. They mirror no sources, which the first one does for all.
    #[arg(long, default_value_t = 0)]
    shards: u16,
    /// Memory limit of a process.
    #[arg(long, default_value = "1Gi")]
    memory: String,
    /// Size of the folder for temporary files, such as 2Gi; as large as the node allows by default.
    #[arg(long, default_value = "")]
    temp_size: String,
    /// Keep the artifacts that are made here on this PersistentVolumeClaim; by default they are made anew after a restart of the
    /// pod.
    #[arg(long, default_value = "")]
    storage_claim: String,
    /// Serve them over TLS with tls.crt and tls.key of this Secret, which are for openflux-controller.<namespace>.svc.<domain>.
    #[arg(long, default_value = "")]
    storage_tls_secret: String,
    /// A further argument of the controller, such as --arg=--concurrent=8. Repeatable.
    #[arg(long, allow_hyphen_values = true)]
    arg: Vec<String>,
}

const CLUSTER_DOMAIN: &str = "cluster.local";

const NAME: &str = "openflux-controller";

/// Prints or writes the manifests.
///
/// # Errors
/// Standard output, or a folder, cannot be written.
pub(crate) fn install(flags: &InstallFlags) -> anyhow::Result<()> {
    use std::io::Write;
    if flags.shards > 0 && flags.shard(1).is_none() {
        return Err(anyhow::anyhow!(
            "--shards needs a --watch-label-selector of the form key=value, and a deployer among --controllers"
        ));
    }
    if let Some(folder) = &flags.chart {
        return write(folder, &chart::chart()?);
    }
    if let Some(folder) = &flags.folder {
        return write(folder, &package::folder(flags)?);
    }
    let mut text = artifact_crd::CRD_YAML.to_owned();
    for (_, crd) in flags.produced_kinds() {
        text.push_str(crd);
    }
    for object in objects(flags) {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str("---\n");
        text.push_str(&go_yaml::sigs::value_to_string(&object).map_err(|error| anyhow::anyhow!("{error}"))?);
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Writes files into a folder that is new, so that nothing of an older version is left in it.
fn write(folder: &Path, files: &package::Files) -> anyhow::Result<()> {
    let what = || folder.display().to_string();
    fs::create_dir(folder).with_context(what)?;
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder)).with_context(what)?;
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

impl InstallFlags {
    /// Whether artifacts are stored and served.
    fn produces(&self) -> bool {
        self.runs("http") || self.runs("transform")
    }

    fn runs(&self, name: &str) -> bool {
        self.controllers.iter().any(|controller| controller == name)
    }

    /// The kinds that artifacts are made of here: plural names, and CustomResourceDefinitions.
    fn produced_kinds(&self) -> Vec<(&'static str, &'static str)> {
        let kinds = [
            ("http", artifact_crd::HTTP_PLURAL, artifact_crd::HTTP_CRD_YAML),
            (
                "transform",
                artifact_crd::TRANSFORMATION_PLURAL,
                artifact_crd::TRANSFORMATION_CRD_YAML,
            ),
        ];
        let runs = kinds.into_iter().filter(|(controller, ..)| self.runs(controller));
        runs.map(|(_, plural, crd)| (plural, crd)).collect()
    }

    /// How long a process may take to end, which is what stock's deployers have: an action on a release is not to be cut off.
    fn grace_seconds(&self) -> u32 {
        let releases = self.controllers.iter().any(|controller| controller == "helm");
        if releases || self.controllers.is_empty() {
            600
        } else {
            60
        }
    }

    /// What one of the shards is installed with.
    fn shard(&self, number: u16) -> Option<Self> {
        let (key, value) = self.watch_label_selector.split_once('=')?;
        let is_name = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
            !text.is_empty() && text.bytes().all(fits)
        };
        let chosen = |controller: &&str| {
            let given = self.controllers.iter().any(|own| own == controller);
            given || self.controllers.is_empty()
        };
        let deployers: Vec<_> = ["kustomize", "helm"].into_iter().filter(chosen).collect();
        (is_name(key) && is_name(value) && !deployers.is_empty()).then(|| Self {
            watch_label_selector: format!("{key}={value}-{number}"),
            controllers: deployers.into_iter().map(str::to_owned).collect(),
            ..self.clone()
        })
    }
}

fn objects(flags: &InstallFlags) -> Vec<Value> {
    let labels = labels();
    let namespaced = json!({"name": NAME, "namespace": flags.namespace, "labels": labels});
    let cluster_wide = |name: &str| json!({"name": name, "labels": labels});
    let subject = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": flags.namespace}]);
    let role = |kind: &str, name: &str| json!({"apiGroup": RBAC_GROUP, "kind": kind, "name": name});
    let rbac = |kind: &str, metadata: &Value| json!({"apiVersion": format!("{RBAC_GROUP}/v1"), "kind": kind, "metadata": metadata});
    let with = |mut object: Value, fields: Value| {
        if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
            object.extend(fields);
        }
        object
    };
    let bind = |kind: &str, metadata: &Value, role: Value| {
        with(
            rbac(kind, metadata),
            json!({"roleRef": role, "subjects": subject}),
        )
    };
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": namespaced}),
        with(
            rbac("ClusterRole", &cluster_wide(NAME)),
            json!({"rules": rules(flags)}),
        ),
        bind(
            "ClusterRoleBinding",
            &cluster_wide(NAME),
            role("ClusterRole", NAME),
        ),
        with(rbac("Role", &namespaced), json!({"rules": rules_at_home()})),
        bind("RoleBinding", &namespaced, role("Role", NAME)),
    ];
    if flags.default_service_account.is_empty() {
        // As in stock: Kustomizations without a service account are applied by the controller itself.
        let name = format!("{NAME}-cluster-reconciler");
        objects.push(bind(
            "ClusterRoleBinding",
            &cluster_wide(&name),
            role("ClusterRole", "cluster-admin"),
        ));
    } else {
        // What service accounts have applied is watched, so that its readiness need not be asked for.
        let name = format!("{NAME}-watcher");
        let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]);
        objects.push(with(
            rbac("ClusterRole", &cluster_wide(&name)),
            json!({"rules": everything}),
        ));
        objects.push(bind(
            "ClusterRoleBinding",
            &cluster_wide(&name),
            role("ClusterRole", &name),
        ));
    }
    // What people with the usual roles see, and change, as with stock's sources; who may write Artifacts decides what is deployed, so
    // that none of them may.
    let groups = ["openfluxcd.ocm.software", artifact_crd::HTTP_GROUP];
    let groups = if flags.runs("http") {
        &groups[..]
    } else {
        &groups[..1]
    };
    let read = json!([{"apiGroups": groups, "resources": ["*"], "verbs": ["get", "list", "watch"]}]);
    let mut viewer = rbac("ClusterRole", &cluster_wide(&format!("{NAME}-view")));
    for role in ["view", "edit", "admin"] {
        viewer["metadata"]["labels"][format!("{RBAC_GROUP}/aggregate-to-{role}")] = "true".into();
    }
    objects.push(with(viewer, json!({"rules": read})));
    let kinds = flags.produced_kinds();
    if !kinds.is_empty() {
        let verbs = ["create", "delete", "deletecollection", "patch", "update"];
        let rules: Vec<_> = kinds
            .iter()
            .map(
                |(plural, _)| json!({"apiGroups": [group_of(plural)], "resources": [plural], "verbs": verbs}),
            )
            .collect();
        let mut editor = rbac("ClusterRole", &cluster_wide(&format!("{NAME}-edit")));
        for role in ["edit", "admin"] {
            editor["metadata"]["labels"][format!("{RBAC_GROUP}/aggregate-to-{role}")] = "true".into();
        }
        objects.push(with(editor, json!({"rules": rules})));
    }
    objects.push(network_policy(flags, &namespaced));
    if flags.produces() {
        let (name, port) = if flags.storage_tls_secret.is_empty() {
            ("http", 80)
        } else {
            ("https", 443)
        };
        let port = json!({"name": name, "port": port, "targetPort": "storage", "protocol": "TCP"});
        objects.push(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": namespaced,
            "spec": {
                "selector": {"app": NAME},
                "ports": [port],
            },
        }));
    }
    if let Some(writers) = &flags.artifact_writers {
        objects.extend(writers_policy(flags, writers, &labels));
    }
    objects.push(deployment(flags, NAME, &namespaced));
    for number in 1..=flags.shards {
        if let Some(shard) = flags.shard(number) {
            let name = format!("{NAME}-{number}");
            let metadata = json!({"name": name, "namespace": flags.namespace, "labels": labels});
            objects.push(deployment(&shard, &name, &metadata));
        }
    }
    objects
}

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

fn labels() -> Value {
    json!({
        "app.kubernetes.io/name": NAME,
        "app.kubernetes.io/part-of": "openflux",
        "app.kubernetes.io/version": env!("CARGO_PKG_VERSION"),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        flags: InstallFlags,
    }

    /// What a command line asks for.
    pub(super) fn flags(words: &[&str]) -> InstallFlags {
        let words = ["install", "--export"].iter().chain(words);
        Line::try_parse_from(words).unwrap().flags
    }

    /// Objects in an order that is nobody's.
    pub(super) fn sorted(mut objects: Vec<Value>) -> Vec<Value> {
        objects.sort_by_key(|object| format!("{} {}", object["kind"], object["metadata"]["name"]));
        objects
    }

    #[test]
    fn shards_reconcile_a_share_each_and_nothing_else() {
        let flags = InstallFlags {
            watch_label_selector: "sharding.fluxcd.io/key=openflux".to_owned(),
            namespace: "flux-system".to_owned(),
            shards: 2,
            ..InstallFlags::default()
        };
        let all = objects(&flags);
        let deployments: Vec<_> = all
            .iter()
            .filter(|object| object["kind"] == "Deployment")
            .collect();
        let shown = |object: &&Value| {
            let pod = &object["spec"]["template"];
            let arguments = &pod["spec"]["containers"][0]["args"];
            let arguments = arguments
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            let telling = |argument: &&str| argument.contains("selector") || argument.contains("controllers");
            let telling: Vec<_> = arguments.filter(telling).map(str::to_owned).collect();
            let app = pod["metadata"]["labels"]["app"].as_str().unwrap_or_default();
            assert_eq!(object["spec"]["selector"]["matchLabels"]["app"], app);
            (app.to_owned(), telling.join(" "))
        };
        let shown: Vec<_> = deployments.iter().map(shown).collect();
        let expected = [
            ("", "openflux"),
            ("-1", "openflux-1 --controllers=kustomize,helm"),
            ("-2", "openflux-2 --controllers=kustomize,helm"),
        ];
        let expected = expected.map(|(name, rest)| {
            let selector = format!("--watch-label-selector=sharding.fluxcd.io/key={rest}");
            (format!("{NAME}{name}"), selector)
        });
        assert_eq!(shown, expected);
        for selector in ["", "a in (b,c)", "!a", "a=b,c=d", "a!=b"] {
            let odd = InstallFlags {
                watch_label_selector: selector.to_owned(),
                ..flags.clone()
            };
            assert!(odd.shard(1).is_none(), "{selector}");
        }
        let sources = InstallFlags {
            controllers: vec!["sources".to_owned()],
            ..flags.clone()
        };
        assert!(sources.shard(1).is_none());
    }
}
