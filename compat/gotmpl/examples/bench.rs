//! Times parsing and rendering of a chart-like set: `cargo run --release -p gotmpl --example bench`.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use gotmpl::{Context, Env, FuncMap, MissingKey, Options, Str, TemplateSet, Value};

const HELPERS: &str = r#"
{{- define "app.name" -}}{{- if .Values.nameOverride }}{{ .Values.nameOverride }}{{ else }}{{ .Chart.Name }}{{ end -}}{{- end -}}
{{- define "app.fullname" -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride }}
{{- else -}}{{- $name := include "app.name" . -}}{{ printf "%s-%s" .Release.Name $name }}{{- end -}}
{{- end -}}
{{- define "app.labels" -}}
app.kubernetes.io/name: {{ include "app.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- if .Chart.AppVersion }}
app.kubernetes.io/version: {{ printf "%q" .Chart.AppVersion }}
{{- end }}
{{- end -}}
"#;

const OBJECT: &str = r#"{{- if .Values.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "app.fullname" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "app.labels" . | printf "\n%s" }}
spec:
  replicas: {{ .Values.replicas }}
  template:
    metadata:
      annotations:
      {{- range $key, $value := .Values.annotations }}
        {{ $key }}: {{ printf "%q" $value }}
      {{- end }}
    spec:
      {{- with .Values.securityContext }}
      securityContext: {{ . }}
      {{- end }}
      containers:
      {{- range $i, $c := .Values.containers }}
      - name: {{ $c.name }}
        image: "{{ $c.image }}:{{ or $c.tag $.Chart.AppVersion }}"
        {{- if and (eq $c.pull "Always") (not $.Values.offline) }}
        imagePullPolicy: Always
        {{- end }}
        args: [{{ range $j, $a := $c.args }}{{ if $j }}, {{ end }}{{ printf "%q" $a }}{{ end }}]
        ports:
        {{- range $c.ports }}
        - containerPort: {{ . }}
          protocol: TCP
        {{- else }}
        []
        {{- end }}
      {{- end }}
{{- end }}
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut funcs = FuncMap::new();
    funcs.add("include", |cx: &mut Context<'_>, name: Str, dot: Value| {
        cx.execute(&name, dot)
    });
    let funcs = Arc::new(funcs);
    let options = Options {
        missing_key: MissingKey::Zero,
        ..Options::default()
    };
    let parse = || {
        let mut set = TemplateSet::new(Arc::clone(&funcs), options.clone());
        set.parse("_helpers.tpl", HELPERS)?;
        for n in 0..10 {
            set.parse(format!("templates/{n}.yaml"), OBJECT)?;
        }
        Ok::<_, gotmpl::ParseError>(set)
    };
    let set = parse()?;
    let data = data()?;
    let mut out = Vec::new();
    let mut render = || {
        out.clear();
        (0..10).try_for_each(|n| {
            set.execute(
                format!("templates/{n}.yaml"),
                data.clone(),
                &Env::default(),
                &mut out,
            )
        })
    };
    render()?;
    println!(
        "parse  11 files, {} bytes: {:?}",
        HELPERS.len() + 10 * OBJECT.len(),
        median(|| drop(parse()))
    );
    println!("render 10 files: {:?}", median(|| drop(render())));
    println!("output {} bytes", out.len());
    Ok(())
}

fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..301)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn data() -> Result<Value, Box<dyn std::error::Error>> {
    let json = r#"{
        "Release": {"Name": "prod", "Namespace": "apps"},
        "Chart": {"Name": "podinfo", "AppVersion": "6.9.0"},
        "Values": {
            "enabled": true, "replicas": 3, "nameOverride": "", "offline": false,
            "annotations": {"a": "1", "b": "2", "prometheus.io/scrape": "true", "prometheus.io/port": "9797"},
            "securityContext": {"runAsUser": 1000, "fsGroup": 1000},
            "containers": [
                {"name": "app", "image": "ghcr.io/x/podinfo", "pull": "Always", "args": ["--port=1", "--level=info"],
                 "ports": [9898, 9797, 9999]},
                {"name": "side", "image": "ghcr.io/x/side", "tag": "1.2", "pull": "IfNotPresent", "args": [], "ports": []}
            ]
        }
    }"#;
    Ok(serde_json::from_str(json)?)
}
