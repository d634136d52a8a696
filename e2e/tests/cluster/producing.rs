//! Processes that make artifacts, on volumes that outlive them, and what they make them of.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use e2e::testbed::{ARTIFACT, ArtifactServer, Kind, Namespace, Process, Testbed, free_port};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A process that makes artifacts.
pub(crate) struct Producing {
    pub(crate) volume: PathBuf,
    pub(crate) address: String,
    pub(crate) process: Process,
    name: String,
    arguments: Vec<String>,
}

impl Producing {
    /// Starts one on a volume of the testbed, for objects with the label `test` of its name unless `more` says otherwise.
    pub(crate) fn start(testbed: &Testbed, name: &str, volume: &str, more: &[&str]) -> Result<Self> {
        let volume = testbed.dir().join(format!("volume-{volume}"));
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut arguments = vec![
            format!("--storage-path={}", volume.display()),
            format!("--storage-addr={address}"),
            "--storage-reserve=0".to_owned(),
            "--http-source-hosts=127.0.0.1".to_owned(),
        ];
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let process = spawn(testbed, name, &arguments)?;
        Ok(Self {
            volume,
            address,
            process,
            name: name.to_owned(),
            arguments,
        })
    }

    /// Ends the process as a failing machine does, and starts it anew.
    pub(crate) fn restart(self, testbed: &Testbed) -> Result<Self> {
        let Self {
            process,
            name,
            arguments,
            ..
        } = self;
        drop(process);
        let process = spawn(testbed, &name, &arguments)?;
        Ok(Self {
            process,
            name,
            arguments,
            ..self
        })
    }
}

fn spawn(testbed: &Testbed, name: &str, arguments: &[String]) -> Result<Process> {
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    testbed.start_openflux(name, &arguments)
}

/// Applies an object with the label `test`.
pub(crate) async fn labelled(
    namespace: &Namespace,
    kind: Kind,
    label: &str,
    name: &str,
    spec: Value,
) -> Result<()> {
    let object = json!({
        "apiVersion": kind.api_version, "kind": kind.kind,
        "metadata": {"name": name, "labels": {"test": label}}, "spec": spec,
    });
    namespace.apply(&object.to_string()).await
}

/// An Artifact that nobody but the test has made.
pub(crate) async fn input(
    namespace: &Namespace,
    server: &ArtifactServer,
    name: &str,
    content: &str,
) -> Result<()> {
    let artifact = json!({
        "apiVersion": ARTIFACT.api_version, "kind": ARTIFACT.kind, "metadata": {"name": name},
        "spec": {
            "url": server.url(content), "revision": format!("{content}@{}", server.digest(content)),
            "digest": server.digest(content), "lastUpdateTime": "2026-01-01T00:00:00Z",
        },
    });
    namespace.apply(&artifact.to_string()).await
}

/// The bytes that a URL serves, which has to answer with `200 OK`.
pub(crate) async fn get(url: &str) -> Result<Vec<u8>> {
    let (address, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .context("a URL")?;
    let mut stream = TcpStream::connect(address)
        .await
        .with_context(|| url.to_owned())?;
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.context("an HTTP answer")? + 4);
    let head = String::from_utf8_lossy(&answer);
    ensure!(head.split(' ').nth(1) == Some("200"), "{url} answered {head}");
    Ok(body)
}
