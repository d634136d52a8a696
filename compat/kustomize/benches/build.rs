//! Time and memory of builds in process: `cargo bench -p kustomize`.
//!
//! An overlay of four objects with a patch, and overlays of up to 10,000 objects. Each size runs in a process of its own,
//! so that its peak memory is its own; times are the best of several runs.

use std::error::Error;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use kustomize::{MemoryTree, Options, build};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SIZES: [usize; 6] = [4, 100, 1_500, 2_500, 5_000, 10_000];

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if let [objects] = arguments.as_slice() {
        return Ok(writeln!(out, "{}", measure(objects.parse()?)?)?);
    }
    writeln!(
        out,
        "| objects | time | per object | peak memory | per object |\n|---|---|---|---|---|"
    )?;
    for objects in SIZES {
        let child = Command::new(std::env::current_exe()?)
            .arg(objects.to_string())
            .output()?;
        out.write_all(&child.stdout)?;
        out.write_all(&child.stderr)?;
    }
    Ok(())
}

/// One line of the table.
fn measure(objects: usize) -> Result<String> {
    let tree = overlay(objects);
    let before = memory("VmRSS")?;
    let start = Instant::now();
    let mut best = Duration::MAX;
    // The first run also reads the embedded schema, which a process does once.
    while best == Duration::MAX || start.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        let output = build(&tree, "overlay", &Options::default())?;
        let text = output.to_yaml()?;
        best = best.min(start.elapsed());
        assert_eq!(text.matches("\n---\n").count() + 1, objects);
    }
    let peak = memory("VmHWM")?;
    let per_object = |value: f64| value / objects as f64;
    Ok(format!(
        "| {objects} | {:.2} ms | {:.1} µs | {:.1} MiB | {:.1} KiB |",
        best.as_secs_f64() * 1e3,
        per_object(best.as_secs_f64() * 1e6),
        peak / 1024.0,
        per_object(peak - before),
    ))
}

/// A field of this process's status, in KiB.
fn memory(field: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("the kernel does not tell")?.parse()?)
}

/// Deployments, Services, ConfigMaps and ServiceAccounts in equal parts below an overlay that changes all of them.
fn overlay(objects: usize) -> MemoryTree {
    let mut tree = MemoryTree::new().with(
        "overlay/kustomization.yaml",
        "resources: [../base]\nnamespace: apps\nnamePrefix: my-\n\
         labels: [{pairs: {team: a}, includeSelectors: true}]\n\
         images: [{name: registry.example.com/app, newTag: v2}]\n\
         patches: [{path: patch.yaml, target: {kind: Deployment}}]\n",
    );
    tree = tree.with("overlay/patch.yaml", PATCH);
    let mut files = String::new();
    for (file, first) in (0..objects).step_by(100).enumerate() {
        let text: String = (first..objects.min(first + 100)).map(object).collect();
        tree = tree.with(&format!("base/{file}.yaml"), text);
        files.push_str("- ");
        files.push_str(&file.to_string());
        files.push_str(".yaml\n");
    }
    tree.with("base/kustomization.yaml", format!("resources:\n{files}"))
}

const PATCH: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: any\nspec:\n  replicas: 3\n  template:\n    spec:\n      \
                     containers:\n      - name: app\n        env:\n        - name: LEVEL\n          value: debug\n        resources:\n          \
                     limits:\n            memory: 256Mi\n";

fn object(index: usize) -> String {
    let name = index / 4;
    match index % 4 {
        0 => format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{name}\nspec:\n  replicas: 1\n  selector:\n    \
             matchLabels:\n      app: app-{name}\n  template:\n    metadata:\n      labels:\n        app: app-{name}\n    spec:\n      \
             serviceAccountName: app-{name}\n      containers:\n      - name: app\n        image: registry.example.com/app:v1\n        \
             ports:\n        - containerPort: 8080\n          protocol: TCP\n        envFrom:\n        - configMapRef:\n            \
             name: app-{name}\n"
        ),
        1 => format!(
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: app-{name}\nspec:\n  selector:\n    app: app-{name}\n  ports:\n  \
             - port: 80\n    targetPort: 8080\n"
        ),
        2 => format!(
            "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-{name}\ndata:\n  level: info\n  url: http://app-{name}\n"
        ),
        _ => format!("---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: app-{name}\n"),
    }
}
