//! Megabytes per second of reading and printing: `cargo bench -p go-yaml [-- FILE]`.
//!
//! Without a file it measures about 20 MB of Deployments and ConfigMaps made here. Times are of the processor where the
//! system tells them, so a busy machine does not matter.

use std::error::Error;
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use go_yaml::{Limits, sigs, v3};

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let input = match file {
        Some(path) => std::fs::read(path)?,
        None => manifests(20 << 20).into_bytes(),
    };
    let limits = Limits::default();
    let mut out = std::io::stdout().lock();
    let mut report = |what: &str, bytes: usize, took: Duration| {
        let speed = bytes as f64 / 1e6 / took.as_secs_f64();
        writeln!(
            out,
            "{what:<34} {:>7.1} MB in {:>7.1} ms: {speed:>6.1} MB/s",
            bytes as f64 / 1e6,
            took.as_secs_f64() * 1e3
        )
    };

    let (nodes, took) = best(|| v3::parse(&input, &limits));
    let nodes = nodes?;
    report("yaml.v3 read to trees", input.len(), took)?;
    let (text, took) = best(|| v3::to_string_all(&nodes, &v3::EmitOptions::default()));
    report("yaml.v3 print trees", text?.len(), took)?;
    let (text, took) = best(|| {
        nodes
            .iter()
            .map(sigs::node_to_string)
            .collect::<Result<String, _>>()
    });
    report("kustomize output of trees", text?.len(), took)?;
    let pieces = split(&input);
    let (values, took) = best(|| {
        pieces
            .iter()
            .map(|piece| sigs::to_value(piece, &limits))
            .collect::<Result<Vec<_>, _>>()
    });
    let values = values?;
    report("sigs.k8s.io/yaml read to values", input.len(), took)?;
    let (text, took) = best(|| {
        values
            .iter()
            .map(sigs::value_to_string)
            .collect::<Result<String, _>>()
    });
    report("sigs.k8s.io/yaml print values", text?.len(), took)?;
    Ok(())
}

/// Time on the processor if the kernel tells it, else wall-clock time.
fn clock() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    let wall = START.get_or_init(Instant::now).elapsed();
    let scheduled = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = scheduled.split(' ').next().and_then(|text| text.parse().ok());
    nanoseconds.map_or(wall, Duration::from_nanos)
}

/// The result and the shortest time of three runs.
fn best<T>(mut run: impl FnMut() -> T) -> (T, Duration) {
    let mut timed = || {
        let start = clock();
        let result = run();
        (result, clock().saturating_sub(start))
    };
    let runs = [timed(), timed()];
    runs.into_iter()
        .fold(timed(), |best, next| if next.1 < best.1 { next } else { best })
}

fn split(input: &[u8]) -> Vec<&[u8]> {
    let text = std::str::from_utf8(input).unwrap_or_default();
    text.split("\n---\n").map(str::as_bytes).collect()
}

fn manifests(size: usize) -> String {
    let mut text = String::with_capacity(size + 2000);
    for number in 0.. {
        if text.len() >= size {
            break;
        }
        text.push_str(&MANIFEST.replace("NUMBER", &number.to_string()));
    }
    text
}

const MANIFEST: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-NUMBER
  namespace: team-a
  labels:
    app.kubernetes.io/name: app-NUMBER
    app.kubernetes.io/version: "1.NUMBER"
  annotations:
    description: The application number NUMBER, which does something useful for somebody
spec:
  replicas: 3
  selector:
    matchLabels: {app: app-NUMBER}
  template:
    metadata:
      labels:
        app: app-NUMBER
    spec:
      containers:
        - name: main
          image: registry.example.com/team/app:v1.NUMBER.0
          args: ["--port=8080", "--log-level=info"]
          ports:
            - containerPort: 8080
              name: http
          env:
            - name: ENABLED
              value: "true"
          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits:
              cpu: 500m
              memory: 256Mi
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
            initialDelaySeconds: 5
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: config-NUMBER
data:
  app.conf: |
    [server]
    port = 8080
    # a comment inside
    name = app-NUMBER
  key: value NUMBER
---
"#;
