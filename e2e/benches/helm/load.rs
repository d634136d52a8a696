//! What is released: charts in OCIRepositories whose statuses the benchmark writes, and HelmReleases of them.

use std::fmt::Write as _;

use anyhow::Result;
use e2e::testbed::{Archive, HELM_RELEASE, Kind, OCI_REPOSITORY, Stock};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::deployers::stage::{App, Release};

/// The kind of what is deployed.
pub(crate) const OBJECT: Kind = HELM_RELEASE;

/// The kind of its sources.
pub(crate) const SOURCE: Kind = OCI_REPOSITORY;

/// Where they come from, by their specs.
pub(crate) const SOURCE_URL: &str = "oci://example.org/app";

/// The other contender.
pub(crate) const STOCK: Stock = Stock::Helm;

/// What it is called.
pub(crate) const STOCK_NAME: &str = "helm-controller";

/// What it is told besides.
pub(crate) const STOCK_FLAGS: &[&str] = &[];

/// What one release consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    /// Four objects.
    Four,
    /// As many as a release of kube-prometheus-stack has: about a hundred, some of them long.
    Many,
}

/// What is there before.
pub(crate) fn before(_namespace: &str) -> String {
    String::new()
}

/// The spec of a HelmRelease.
pub(crate) fn spec(app: &App, _namespace: &str) -> Value {
    let strategy = json!({"name": "RetryOnFailure", "retryInterval": "5s"});
    let again = json!({"disableWait": !app.wait, "strategy": strategy});
    json!({
        "interval": "1h", "timeout": app.timeout, "chartRef": {"kind": SOURCE.kind, "name": app.source},
        "install": again, "upgrade": again, "values": {"host": format!("{}.example.org", app.name)},
    })
}

/// Whether a HelmRelease that is ready has released a chart.
pub(crate) fn has_deployed(object: &DynamicObject, release: &Release) -> bool {
    object.data.pointer("/status/history/0/appVersion") == Some(&json!(release.version))
}

/// Packs a chart; `version` changes one of its objects. With replicas, on a cluster without nodes, they never become ready.
pub(crate) fn pack(version: &str, replicas: u32, size: Size) -> Result<Release> {
    let number = version.parse::<u32>().unwrap_or_default();
    let head = format!("apiVersion: v2\nname: app\nversion: 1.{number}.0\nappVersion: {version:?}\n");
    let values =
        format!("version: {version:?}\nreplicas: {replicas}\nhost: ''\nimage: registry.example.org/app:1\n");
    let mut files = vec![
        ("app/Chart.yaml".to_owned(), head),
        ("app/values.yaml".to_owned(), values),
        ("app/templates/app.yaml".to_owned(), FOUR.to_owned()),
    ];
    if matches!(size, Size::Many) {
        files.extend(many());
    }
    let files: Vec<_> = files
        .iter()
        .map(|(path, content)| (path.as_str(), content.as_str()))
        .collect();
    let archive = Archive::of(&files).pack()?;
    Ok(Release::of(archive, version, |digest| {
        format!("1.{number}.0@{digest}")
    }))
}

const FOUR: &str = "apiVersion: v1
kind: ServiceAccount
metadata: {name: '{{ .Release.Name }}'}
---
apiVersion: v1
kind: Service
metadata: {name: '{{ .Release.Name }}', annotations: {version: {{ .Values.version | quote }}}}
spec: {selector: {app: '{{ .Release.Name }}'}, ports: [{port: 80, protocol: TCP}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: '{{ .Release.Name }}'}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: '{{ .Release.Name }}'}}
  template:
    metadata: {labels: {app: '{{ .Release.Name }}'}}
    spec: {containers: [{name: app, image: '{{ .Values.image }}'}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: '{{ .Release.Name }}'}
spec:
  rules:
  - host: {{ .Values.host }}
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: '{{ .Release.Name }}', port: {number: 80}}}}]}
";

/// Thirty dashboards, and as many rules, services and accounts; what is long in it compresses as well as what it stands for.
fn many() -> Vec<(String, String)> {
    let mut files = vec![(
        "app/templates/_helpers.tpl".to_owned(),
        "{{- define \"app.labels\" }}\napp.kubernetes.io/name: {{ .Chart.Name }}\napp.kubernetes.io/instance: {{ .Release.Name }}\nhelm.sh/chart: {{ printf \"%s-%s\" .Chart.Name .Chart.Version | replace \"+\" \"_\" }}\n{{- end }}\n"
            .to_owned(),
    )];
    for number in 0..30 {
        let mut dashboard = String::new();
        for panel in 0..120 {
            // Writing to a string cannot fail.
            let _ = writeln!(
                dashboard,
                "      {{\"id\": {panel}, \"title\": \"Panel {panel} of {number}\", \"type\": \"timeseries\", \"targets\": [{{\"expr\": \
                 \"sum(rate(requests_{number}_{panel}_total{{{{ `{{namespace=\\\"$namespace\\\"}}` }}}}[5m])) by (code)\"}}]}},"
            );
        }
        files.push((
            format!("app/templates/dashboard-{number:02}.yaml"),
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}-dashboard-{number:02}\n  labels:\n    \
                 {{{{- include \"app.labels\" . | nindent 4 }}}}\ndata:\n  dashboard.json: |\n    {{\"panels\": [\n{dashboard}      {{}}]}}\n"
            ),
        ));
        files.push((
            format!("app/templates/more-{number:02}.yaml"),
            format!(
                "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {{{{ .Release.Name }}}}-{number:02}\n  labels:\n    \
                 {{{{- include \"app.labels\" . | nindent 4 }}}}\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: \
                 {{{{ .Release.Name }}}}-{number:02}\n  labels:\n    {{{{- include \"app.labels\" . | nindent 4 }}}}\nspec:\n  selector: \
                 {{app: {{{{ .Release.Name }}}}}}\n  ports: [{{port: 80}}]\n"
            ),
        ));
    }
    files
}
