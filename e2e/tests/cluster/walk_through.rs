//! `docs/migrate.md`, executed: what it shows is what happens.
//!
//! `OPENFLUX_RECORD_DOCS=1` writes what happens into it instead.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{GIT_REPOSITORY, HELM_RELEASE, KUSTOMIZATION, Namespace, condition, is_ready, program};
use e2e::tools::{self, Tool};
use kube::api::DynamicObject;
use serde_json::json;

use crate::app::{config_map, deployment};
use crate::beside::Beside;

const CHART: &str = "{apiVersion: v2, name: cache, version: 1.0.0}\n";
const TEMPLATE: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: cache}
data: {size: '{{ .Values.size }}'}
";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/migrate.md")
}

/// The files of the repository that the page speaks of.
fn files() -> Vec<(&'static str, String)> {
    let source = json!({"kind": "GitRepository", "name": "flux-system", "namespace": "flux-system"});
    let podinfo = format!(
        "apiVersion: {}
kind: {}
metadata:
  name: podinfo
  namespace: apps
spec:
  interval: 1h
  path: ./apps/podinfo
  prune: true
  wait: true
  targetNamespace: apps
  sourceRef: {source}
",
        KUSTOMIZATION.api_version, KUSTOMIZATION.kind
    );
    let cache = format!(
        "apiVersion: {}
kind: {}
metadata:
  name: cache
  namespace: apps
spec:
  interval: 1h
  chart:
    spec:
      chart: ./charts/cache
      sourceRef: {source}
  values:
    size: small
",
        HELM_RELEASE.api_version, HELM_RELEASE.kind
    );
    vec![
        ("clusters/prod/podinfo.yaml", podinfo),
        ("clusters/prod/cache.yaml", cache),
        ("apps/podinfo/settings.yaml", config_map("podinfo", "blue")),
        ("apps/podinfo/web.yaml", deployment("podinfo", 0)),
        ("charts/cache/Chart.yaml", CHART.to_owned()),
        ("charts/cache/templates/settings.yaml", TEMPLATE.to_owned()),
    ]
}

#[tokio::test]
async fn the_walk_through_is_what_happens() -> Result<()> {
    let beside = Beside::start(false).await?;
    let testbed = &beside.testbed;
    testbed.stock_kustomize_controller().await?;
    testbed.stock_helm_controller().await?;
    testbed.openflux_controller().await?;
    let repo = testbed.git().await?.create("fleet").await?;
    let files = files();
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    repo.commit("the fleet", &files).await?;
    let apps = testbed.namespace_called("apps").await?;
    let flux = testbed.home().await?;
    let (meta, url) = (json!({"name": "flux-system"}), repo.url());
    for object in [
        json!({"apiVersion": GIT_REPOSITORY.api_version, "kind": GIT_REPOSITORY.kind, "metadata": meta,
            "spec": {"interval": "1h", "url": url, "ref": {"branch": "main"}}}),
        json!({"apiVersion": KUSTOMIZATION.api_version, "kind": KUSTOMIZATION.kind, "metadata": meta,
            "spec": {"interval": "1h", "retryInterval": "2s", "path": "./clusters/prod", "prune": true,
                "sourceRef": {"kind": "GitRepository", "name": "flux-system"}}}),
    ] {
        flux.apply(&object.to_string()).await?;
    }
    settled(&flux, KUSTOMIZATION, "flux-system").await?;
    settled(&apps, KUSTOMIZATION, "podinfo").await?;
    settled(&apps, HELM_RELEASE, "cache").await?;

    let folder = testbed.dir().join("walk-through");
    let bin = testbed.dir().join("walk-through-bin");
    for folder in [&folder, &bin] {
        std::fs::create_dir_all(folder)?;
    }
    let [kubectl, flux_cli] = tools::ensure([Tool::Kubectl, Tool::Flux])?;
    for (name, program) in [
        ("kubectl", kubectl),
        ("flux", flux_cli),
        ("openflux", program("openflux")?),
    ] {
        std::os::unix::fs::symlink(program, bin.join(name))?;
    }
    let shell = Shell {
        folder,
        path: format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default()),
        kubeconfig: testbed.kubeconfig().to_owned(),
        shadow_url: testbed.shadow_url(),
    };
    shell.run(&format!("git clone --quiet {url} fleet")).await?;

    let text = std::fs::read_to_string(page())?;
    let mut happened = String::new();
    let mut lines = text.lines().peekable();
    let mut inside = false;
    while let Some(line) = lines.next() {
        writeln!(happened, "{line}")?;
        if line.starts_with("```") {
            inside = !inside && line == "```console";
            continue;
        }
        let Some(command) = line.strip_prefix("$ ").filter(|_| inside) else {
            continue;
        };
        while lines
            .next_if(|line| !line.starts_with("$ ") && *line != "```")
            .is_some()
        {}
        happened.push_str(&shell.run(command).await?);
    }
    if std::env::var_os("OPENFLUX_RECORD_DOCS").is_some() {
        std::fs::write(page(), happened)?;
        return Ok(());
    }
    for (number, (said, happened)) in text.lines().zip(happened.lines()).enumerate() {
        // Columns are as wide as what stands in them.
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(
            words(said) == words(happened),
            "docs/migrate.md:{}: it says\n{said}\nand what happens is\n{happened}\n\nOPENFLUX_RECORD_DOCS=1 writes it anew",
            number + 1
        );
    }
    ensure!(
        text.lines().count() == happened.lines().count(),
        "docs/migrate.md has another length"
    );
    Ok(())
}

async fn settled(namespace: &Namespace, kind: e2e::testbed::Kind, name: &str) -> Result<()> {
    let settled = |object: &DynamicObject| is_ready(object) && condition(object, "Reconciling").is_none();
    namespace.wait(kind, name, "is ready", settled).await?;
    Ok(())
}

struct Shell {
    folder: PathBuf,
    path: String,
    kubeconfig: PathBuf,
    /// In place of a forwarded port: the controller is no pod here.
    shadow_url: String,
}

impl Shell {
    /// Runs a command and gives what a terminal shows of it, with what differs each time made the same.
    async fn run(&self, command: &str) -> Result<String> {
        let output = tokio::process::Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {command}")])
            .current_dir(&self.folder)
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("OPENFLUX_SHADOW_URL", &self.shadow_url)
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8")
            .envs(["AUTHOR", "COMMITTER"].into_iter().flat_map(|who| {
                [
                    (format!("GIT_{who}_NAME"), "alice"),
                    (format!("GIT_{who}_EMAIL"), "alice@example.com"),
                ]
            }))
            .stdin(std::process::Stdio::null())
            .output()
            .await?;
        let mut text = String::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            writeln!(text, "{}", same_each_time(line))?;
        }
        let code = output.status.code().context("it was killed")?;
        if code != 0 {
            writeln!(text, "(ends with {code})")?;
        }
        Ok(text)
    }
}

/// A line in which names, times and commits of this run are those of the page.
fn same_each_time(line: &str) -> String {
    let words: Vec<_> = line.split(' ').map(same_word).collect();
    let mut line = words.join(" ").trim_end().to_owned();
    if line.starts_with(MIGRATION) {
        // Its second column is an age.
        let mut words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        if let Some(age) = words.iter_mut().skip(1).find(|word| !word.is_empty()) {
            "5s".clone_into(age);
        }
        line = words.join(" ");
    }
    line
}

const MIGRATION: &str = "20260901-101500-1a2b3c4d";

fn same_word(word: &str) -> String {
    let digits =
        |text: &str, number: usize| text.len() == number && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = word.split('-').collect();
    if let [date, time, random] = parts[..]
        && digits(date, 8)
        && digits(time, 6)
        && random.len() == 8
    {
        return MIGRATION.to_owned();
    }
    if let Some((whole, rest)) = word.split_once('.')
        && let Some(part) = rest.strip_suffix('s')
        && digits(whole, whole.len())
        && digits(part, 1)
    {
        return "0.4s".to_owned();
    }
    if let Some((before, after)) = word.split_once("sha1:") {
        let end = after
            .find(|letter: char| !letter.is_ascii_hexdigit())
            .unwrap_or(after.len());
        return format!("{before}sha1:f00dcafef00d{}", &after[end..]);
    }
    if word.len() > 19 && word.ends_with('Z') && word.as_bytes().get(10) == Some(&b'T') {
        return "2026-09-01T10:15:00Z".to_owned();
    }
    word.to_owned()
}

#[test]
fn what_differs_each_time_is_made_the_same() {
    for (line, expected) in [
        (
            "ready main@sha1:0123456789ab  taken 12.3s",
            "ready main@sha1:f00dcafef00d  taken 0.4s",
        ),
        (
            "openflux migrate verify 20250203-040506-00ff00ff",
            "openflux migrate verify 20260901-101500-1a2b3c4d",
        ),
        ("soak 2s", "soak 2s"),
    ] {
        assert_eq!(same_each_time(line), expected);
    }
}
