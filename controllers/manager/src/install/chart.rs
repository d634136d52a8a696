//! The manifests as a Helm chart: the same objects, with names in the place of what users choose.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::deployment::STORAGE_TLS;
use super::package::{Files, print};
use super::{InstallFlags, NAME, objects};

/// What stands for the namespace until templates do.
const NAMESPACE: &str = "OPENFLUX_NAMESPACE";
const IMAGE: &str = "OPENFLUX_IMAGE";
const DOMAIN: &str = "OPENFLUX_DOMAIN";
const ARGUMENTS: &str = "OPENFLUX_ARGUMENTS";
const USERS: &str = "OPENFLUX_USERS";
const MEMORY: &str = "OPENFLUX_MEMORY";
const TEMP_SIZE: &str = "OPENFLUX_TEMP_SIZE";
const CLAIM: &str = "OPENFLUX_CLAIM";
const TLS_SECRET: &str = "OPENFLUX_TLS_SECRET";
/// Whether the controllers that users choose store artifacts.
const STORES: &str = "or (has \"http\" .Values.controllers) (has \"transform\" .Values.controllers)";
/// Begin and end what only those need who choose a controller.
const IF_HTTP: &str = "OPENFLUX_IF_HTTP";
const IF_TRANSFORM: &str = "OPENFLUX_IF_TRANSFORM";
const END: &str = "OPENFLUX_END";
/// Numbers that nobody chooses.
const REPLICAS: i32 = 424_242;
const GRACE: i32 = 535_353;

/// A Helm chart with a value for each flag.
pub(super) fn chart() -> anyhow::Result<Files> {
    let version = env!("CARGO_PKG_VERSION");
    let metadata = format!(
        "apiVersion: v2\nname: {NAME}\ndescription: Deploys Kustomizations and HelmReleases of Flux from Artifacts, \
         beside stock Flux.\ntype: application\nversion: {version}\nappVersion: {version}\nkubeVersion: '>=1.33.0-0'\n"
    );
    Ok(Files::from([
        ("Chart.yaml".to_owned(), metadata),
        ("values.yaml".to_owned(), VALUES.to_owned()),
        (
            "crds/artifacts.yaml".to_owned(),
            artifact_crd::CRD_YAML.to_owned(),
        ),
        (
            "crds/https.yaml".to_owned(),
            artifact_crd::HTTP_CRD_YAML.to_owned(),
        ),
        (
            "crds/transformations.yaml".to_owned(),
            artifact_crd::TRANSFORMATION_CRD_YAML.to_owned(),
        ),
        (format!("templates/{NAME}.yaml"), template()?),
    ]))
}

/// What users choose, with what it is when they do not.
const VALUES: &str = "\
# Image of the controller; that of this version, without a registry, when empty.
image: \"\"
# Controllers to run, such as [sources, kustomize]; sources, kustomize and helm when empty. With http or transform a Service serves
# what they make.
controllers: []
# Where that is stored.
storage:
  # PersistentVolumeClaim to keep it on; it is made anew after a restart of the pod when empty.
  claim: \"\"
  # Secret with tls.crt and tls.key, which are for openflux-controller.<namespace>.svc.<clusterDomain>; without TLS when empty.
  tlsSecret: \"\"
# Kustomizations and HelmReleases to reconcile, by labels.
watchLabelSelector: sharding.fluxcd.io/key=openflux
# Service account of Kustomizations and HelmReleases that name none, for clusters with tenants. The controller itself may
# then change nothing that it applies; without this it is a cluster administrator, as stock's is.
defaultServiceAccount: \"\"
# Refuse sources in other namespaces.
noCrossNamespaceRefs: false
# Refuse kustomize bases on other machines.
noRemoteBases: false
# The only hosts that kustomize bases may come from.
remoteBaseHosts: []
# Hosts that artifacts may come from; the services of the cluster when empty.
artifactHosts: []
# Domain of the cluster's services.
clusterDomain: cluster.local
# Let nobody write Artifacts but the service accounts of the namespace, and these users.
artifactWriters:
  enabled: false
  users: []
# How many processes run, of which one leads. Shards, which reconcile a share each, are in what `install --shards` prints and not
# in this chart.
replicas: 1
# Memory limit of a process.
memory: 1Gi
# Size of the folder for temporary files, such as 2Gi; as large as the node allows when empty.
tempSize: \"\"
# Further arguments of the controller, such as --concurrent=8.
args: []
";

/// The arguments, in the order in which `install` has them.
const ARGUMENT_LINES: &str = "        - run
        - {{ printf \"--watch-label-selector=%s\" .Values.watchLabelSelector | quote }}
        - --events-addr=http://notification-controller.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}./
        - --enable-leader-election
        - --shadow-addr=127.0.0.1:9292
        {{- with .Values.controllers }}
        - --controllers={{ join \",\" . }}
        {{- end }}
        {{- with .Values.defaultServiceAccount }}
        - --default-service-account={{ . }}
        {{- end }}
        {{- if .Values.noCrossNamespaceRefs }}
        - --no-cross-namespace-refs=true
        {{- end }}
        {{- if .Values.noRemoteBases }}
        - --no-remote-bases=true
        {{- end }}
        {{- with .Values.remoteBaseHosts }}
        - {{ printf \"--remote-base-hosts=%s\" (join \",\" .) | quote }}
        {{- end }}
        {{- if .Values.artifactHosts }}
        - {{ printf \"--artifact-hosts=%s\" (join \",\" .Values.artifactHosts) | quote }}
        {{- else if ne .Values.clusterDomain \"cluster.local\" }}
        - {{ printf \"--artifact-hosts=*.svc,*.svc.%s\" .Values.clusterDomain | quote }}
        {{- end }}
        {{- if OPENFLUX_STORES }}
        {{- if .Values.storage.tlsSecret }}
        - --storage-adv-addr=https://openflux-controller.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
        - --storage-tls-secret-dir=/etc/openflux/storage-tls
        {{- else }}
        - --storage-adv-addr=openflux-controller.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}.
        {{- end }}
        {{- end }}
        {{- range .Values.args }}
        - {{ . | quote }}
        {{- end }}
";

fn template() -> anyhow::Result<String> {
    let flags = |account: &str, writers: bool, stores: bool| InstallFlags {
        controllers: if stores {
            vec!["http".to_owned(), "transform".to_owned()]
        } else {
            Vec::new()
        },
        storage_claim: CLAIM.to_owned(),
        storage_tls_secret: TLS_SECRET.to_owned(),
        namespace: NAMESPACE.to_owned(),
        image: IMAGE.to_owned(),
        default_service_account: account.to_owned(),
        cluster_domain: DOMAIN.to_owned(),
        artifact_writers: writers.then(|| vec![USERS.to_owned()]),
        replicas: REPLICAS,
        memory: MEMORY.to_owned(),
        temp_size: TEMP_SIZE.to_owned(),
        ..InstallFlags::default()
    };
    let mut storing = objects(&flags("", false, true));
    mark(&mut storing);
    let roles: BTreeMap<String, Value> = storing
        .iter()
        .filter(|object| object["kind"] == "ClusterRole")
        .map(|role| (name_of(role), role.clone()))
        .collect();
    // What the controllers may do depends on those that are chosen, one by one.
    let with_roles = |flags: &InstallFlags| -> Vec<Value> {
        let marked = |object: Value| match roles.get(&name_of(&object)) {
            Some(role) if object["kind"] == "ClusterRole" => role.clone(),
            _ => object,
        };
        objects(flags).into_iter().map(marked).collect()
    };
    let plain = with_roles(&flags("", false, false));
    let restricted = with_roles(&flags("ACCOUNT", false, false));
    let guarded = with_roles(&flags("", true, false));
    // The Deployment says all in its arguments.
    let is_deployment = |object: &&Value| object["kind"] == "Deployment";
    let only = |these: &[Value], those: &[Value]| -> Vec<Value> {
        let others = |object: &&Value| !is_deployment(object) && !those.contains(object);
        these.iter().filter(others).cloned().collect()
    };
    let shared: Vec<_> = plain
        .iter()
        .filter(|object| !is_deployment(object) && restricted.contains(object))
        .cloned()
        .collect();
    let (with_storage, without) = (only(&storing, &plain), only(&shared, &storing));
    let shared: Vec<_> = shared
        .into_iter()
        .filter(|object| storing.contains(object))
        .collect();
    let deployment = |objects: &[Value]| {
        let mut deployment = objects.iter().find(is_deployment).cloned().unwrap_or_default();
        let pod = &mut deployment["spec"]["template"]["spec"];
        pod["containers"][0]["args"] = json!([ARGUMENTS]);
        pod["terminationGracePeriodSeconds"] = GRACE.into();
        print(&[deployment])
    };
    let text = format!(
        "{shared}---\n{{{{- if {STORES} }}}}\n{with_storage}{{{{- else }}}}\n{without}{{{{- end }}}}\n---\n\
         {{{{- if .Values.defaultServiceAccount }}}}\n{restricted}{{{{- else }}}}\n{administrator}{{{{- end }}}}\n\
         {{{{- if .Values.artifactWriters.enabled }}}}\n---\n{guard}{{{{- end }}}}\n---\n\
         {{{{- if {STORES} }}}}\n{storing}{{{{- else }}}}\n{plain}{{{{- end }}}}\n",
        with_storage = print(&with_storage)?,
        without = print(&without)?,
        storing = deployment(&storing)?,
        shared = print(&shared)?,
        restricted = print(&only(&restricted, &plain))?,
        administrator = print(&only(&plain, &restricted))?,
        guard = print(&only(&guarded, &plain))?,
        plain = deployment(&plain)?,
    );
    Ok(with_values(&text))
}

fn name_of(object: &Value) -> String {
    let name = object["metadata"]["name"].as_str();
    name.unwrap_or_default().to_owned()
}

/// Puts marks around what ClusterRoles have for one of the controllers alone.
fn mark(objects: &mut [Value]) {
    for role in objects
        .iter_mut()
        .filter(|object| object["kind"] == "ClusterRole")
    {
        let Some(rules) = role["rules"].as_array_mut() else {
            continue;
        };
        let mut marked = Vec::new();
        for mut rule in std::mem::take(rules) {
            let of_http = json!(artifact_crd::HTTP_GROUP);
            let is_transformations = rule["resources"][0]
                .as_str()
                .is_some_and(|resource| resource.starts_with(artifact_crd::TRANSFORMATION_PLURAL));
            let groups = rule["apiGroups"].as_array_mut();
            let mark = if is_transformations {
                Some(IF_TRANSFORM)
            } else if let Some(groups) = groups.filter(|groups| groups.contains(&of_http)) {
                if groups.len() == 1 {
                    Some(IF_HTTP)
                } else {
                    // One of several groups, and the rule is for all of them.
                    let within = |group: Value| {
                        if group == of_http {
                            vec![json!(IF_HTTP), group, json!(END)]
                        } else {
                            vec![group]
                        }
                    };
                    *groups = std::mem::take(groups).into_iter().flat_map(within).collect();
                    None
                }
            } else {
                None
            };
            match mark {
                Some(mark) => marked.extend([json!(mark), rule, json!(END)]),
                None => marked.push(rule),
            }
        }
        *rules = marked;
    }
}

/// Puts templates in the place of what stands for them.
fn with_values(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(condition).collect();
    let text = lines.join("\n") + "\n";
    text.replace(&format!("        - {ARGUMENTS}\n"), ARGUMENT_LINES)
        .replace(
            &format!("[\"{USERS}\","),
            "[{{ range .Values.artifactWriters.users }}{{ . | toJson }},{{ end }}",
        )
        .replace(
            IMAGE,
            &format!("{{{{ .Values.image | default (printf \"{NAME}:%s\" .Chart.AppVersion) | quote }}}}"),
        )
        .replace(
            &format!("      - emptyDir:\n          sizeLimit: {TEMP_SIZE}\n"),
            "      - emptyDir: {{ if .Values.tempSize }}{sizeLimit: {{ .Values.tempSize | quote }}}{{ else }}{}{{ end }}\n",
        )
        .replace(
            &format!("      - name: artifacts\n        persistentVolumeClaim:\n          claimName: {CLAIM}\n"),
            "      - name: artifacts\n        {{- if .Values.storage.claim }}\n        persistentVolumeClaim:\n          \
             claimName: {{ .Values.storage.claim }}\n        {{- else }}\n        emptyDir: {}\n        {{- end }}\n",
        )
        .replace(
            &format!("      - name: storage-tls\n        secret:\n          secretName: {TLS_SECRET}\n"),
            "      {{- with .Values.storage.tlsSecret }}\n      - name: storage-tls\n        secret:\n          secretName: {{ . }}\n      {{- end }}\n",
        )
        .replace(
            &format!("        - mountPath: {STORAGE_TLS}\n          name: storage-tls\n          readOnly: true\n"),
            &format!(
                "        {{{{- if .Values.storage.tlsSecret }}}}\n        - mountPath: {STORAGE_TLS}\n          name: storage-tls\n          readOnly: true\n        {{{{- end }}}}\n"
            ),
        )
        .replace(
            "  - name: https\n    port: 443\n",
            "  - name: {{ if .Values.storage.tlsSecret }}https{{ else }}http{{ end }}\n    port: {{ if .Values.storage.tlsSecret }}443{{ else }}80{{ end }}\n",
        )
        .replace("OPENFLUX_STORES", STORES)
        .replace(&REPLICAS.to_string(), "{{ .Values.replicas }}")
        .replace(
            &GRACE.to_string(),
            "{{ if or (not .Values.controllers) (has \"helm\" .Values.controllers) }}600{{ else }}60{{ end }}",
        )
        .replace(MEMORY, "{{ .Values.memory }}")
        .replace(DOMAIN, "{{ .Values.clusterDomain }}")
        .replace(NAMESPACE, "{{ .Release.Namespace }}")
}

/// A line that holds nothing but a mark, as what it stands for.
fn condition(line: &str) -> &str {
    match line.trim_start().trim_start_matches("- ") {
        IF_HTTP => "{{- if has \"http\" .Values.controllers }}",
        IF_TRANSFORM => "{{- if has \"transform\" .Values.controllers }}",
        END => "{{- end }}",
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use helm::{Chart, File, Limits, Release, RenderOptions, Renderer};
    use serde_json::json;
    use sprig::FixedEnvironment;

    use super::super::tests::{flags, sorted};
    use super::*;

    fn rendered(values: &Value) -> Vec<Value> {
        let files = chart().unwrap();
        let files = files
            .iter()
            .map(|(name, text)| File::new(name.as_str(), text))
            .collect();
        let chart = Chart::from_files(files, &Limits::default()).unwrap();
        let release = Release {
            name: "openflux".to_owned(),
            namespace: "flux-system".to_owned(),
            revision: 1,
            is_upgrade: false,
        };
        let values = helm::values::read(values.to_string().as_bytes()).unwrap();
        let environment = FixedEnvironment::new(jiff::Timestamp::UNIX_EPOCH, 1);
        let renderer = Renderer::new(Arc::new(environment));
        let rendered = renderer.render(&chart, &values, &RenderOptions::new(release));
        let rendered = rendered.unwrap_or_else(|error| panic!("{error}\n{}", template().unwrap()));
        let read = |manifest: &helm::Manifest| {
            go_yaml::sigs::to_value(manifest.content.as_bytes(), &go_yaml::Limits::default())
                .unwrap_or_else(|error| panic!("{error}\n{}", manifest.content))
        };
        rendered.manifests.iter().map(read).collect()
    }

    #[track_caller]
    fn same(words: &[&str], values: &Value) {
        let (from_chart, from_flags) = (sorted(rendered(values)), sorted(objects(&flags(words))));
        assert_eq!(from_chart.len(), from_flags.len(), "{words:?}");
        for (chart, flags) in from_chart.iter().zip(&from_flags) {
            assert_eq!(chart, flags, "{words:?}");
        }
    }

    #[test]
    fn the_chart_is_what_install_prints() {
        same(&[], &json!({}));
        same(
            &[
                "--default-service-account=deployer",
                "--no-cross-namespace-refs",
                "--no-remote-bases",
            ],
            &json!({"defaultServiceAccount": "deployer", "noCrossNamespaceRefs": true, "noRemoteBases": true}),
        );
        same(
            &[
                "--artifact-writers=system:serviceaccount:a:b,jane",
                "--cluster-domain=corp.example",
            ],
            &json!({"artifactWriters": {"enabled": true, "users": ["system:serviceaccount:a:b", "jane"]},
                "clusterDomain": "corp.example"}),
        );
        same(
            &["--artifact-writers"],
            &json!({"artifactWriters": {"enabled": true}}),
        );
        same(
            &[
                "--image=r.example/c@sha256:00",
                "--watch-label-selector=a in (b,c)",
                "--controllers=sources,helm",
                "--remote-base-hosts=git.example.com,*.corp",
                "--artifact-hosts=*.svc,1.2.3.4",
                "--replicas=2",
                "--memory=512Mi",
                "--temp-size=2Gi",
                "--arg=--concurrent=8",
                "--arg=--log-level=debug",
            ],
            &json!({"image": "r.example/c@sha256:00", "watchLabelSelector": "a in (b,c)", "controllers": ["sources", "helm"],
                "remoteBaseHosts": ["git.example.com", "*.corp"], "artifactHosts": ["*.svc", "1.2.3.4"], "replicas": 2,
                "memory": "512Mi", "tempSize": "2Gi", "args": ["--concurrent=8", "--log-level=debug"]}),
        );
    }

    #[test]
    fn the_chart_has_what_each_controller_needs() {
        for controllers in [
            &["sources"][..],
            &["transform"],
            &["sources", "kustomize", "transform", "bridge"],
            &["http", "transform"],
            &["helm", "http"],
        ] {
            let words = format!("--controllers={}", controllers.join(","));
            same(&[&words], &json!({"controllers": controllers}));
        }
        assert!(chart().unwrap().contains_key("crds/transformations.yaml"));
    }

    #[test]
    fn the_chart_stores_what_is_downloaded() {
        same(
            &["--controllers=sources,http"],
            &json!({"controllers": ["sources", "http"]}),
        );
        same(
            &[
                "--controllers=sources,http,bridge",
                "--storage-claim=artifacts",
                "--storage-tls-secret=files-tls",
                "--default-service-account=deployer",
                "--cluster-domain=corp.example",
            ],
            &json!({"controllers": ["sources", "http", "bridge"], "storage": {"claim": "artifacts", "tlsSecret": "files-tls"},
                "defaultServiceAccount": "deployer", "clusterDomain": "corp.example"}),
        );
    }
}
