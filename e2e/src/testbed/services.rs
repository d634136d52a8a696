//! What sources are fetched from, besides git and registries: an S3 server and a Helm repository.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::ports::free_port;
use super::process::Process;
use super::server::HttpServer;
use crate::tools::{self, Tool};

/// Waits until something listens on a loopback port.
pub(super) fn wait_for_port(port: u16, process: &mut Process) -> Result<()> {
    let deadline = Instant::now() + Duration::from_mins(1);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Some(status) = process.ended()? {
            bail!("{} ended with {status}:\n{}", process.name(), process.output());
        }
        if Instant::now() > deadline {
            bail!(
                "{} does not listen on port {port} after a minute:\n{}",
                process.name(),
                process.output()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// An S3 server; its buckets are folders.
#[derive(Debug)]
pub struct S3 {
    port: u16,
    root: PathBuf,
    _process: Process,
}

impl S3 {
    /// The access key of the only user.
    pub const ACCESS_KEY: &str = "testbed";
    /// The secret key of the only user.
    pub const SECRET_KEY: &str = "testbed-secret";

    pub(super) fn start(dir: &Path, logs: &Path) -> Result<Self> {
        let [gateway] = tools::ensure([Tool::S3])?;
        let port = free_port()?;
        let (root, sidecar) = (dir.join("buckets"), dir.join("metadata"));
        fs::create_dir_all(&root)?;
        fs::create_dir_all(&sidecar)?;
        let mut process = Process::spawn(
            "versitygw",
            logs,
            &gateway,
            [
                "--quiet".to_owned(),
                format!("--access={}", Self::ACCESS_KEY),
                format!("--secret={}", Self::SECRET_KEY),
                format!("--port=127.0.0.1:{port}"),
                "posix".to_owned(),
                // Not every file system that tests run on keeps extended attributes.
                format!("--sidecar={}", sidecar.display()),
                root.display().to_string(),
            ],
            &[],
        )?;
        wait_for_port(port, &mut process)?;
        Ok(Self {
            port,
            root,
            _process: process,
        })
    }

    /// Host and port, as a Bucket's `spec.endpoint` has them.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Creates the bucket when needed and puts an object into it.
    pub fn put(&self, bucket: &str, key: &str, content: &str) -> Result<()> {
        if !self.root.join(bucket).exists() {
            self.request(&format!("/{bucket}"), "")?;
        }
        self.request(&format!("/{bucket}/{key}"), content)
    }

    /// A signed PUT over a connection of its own.
    fn request(&self, path: &str, body: &str) -> Result<()> {
        let host = self.endpoint();
        // The server allows a quarter of an hour of skew, so the clock is asked for each request.
        let (date, time) = utc_now();
        let payload = hex(&Sha256::digest(body));
        let canonical = format!(
            "PUT\n{path}\n\nhost:{host}\nx-amz-content-sha256:{payload}\nx-amz-date:{time}\n\n\
             host;x-amz-content-sha256;x-amz-date\n{payload}"
        );
        let scope = format!("{date}/us-east-1/s3/aws4_request");
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hex(&Sha256::digest(canonical))
        );
        let mut key = format!("AWS4{}", Self::SECRET_KEY).into_bytes();
        for part in [date.as_str(), "us-east-1", "s3", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        let signature = hex(&hmac(&key, to_sign.as_bytes()));
        let mut connection = TcpStream::connect(&host)?;
        write!(
            connection,
            "PUT {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n\
             X-Amz-Date: {time}\r\nX-Amz-Content-Sha256: {payload}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}\r\n\r\n{body}",
            body.len(),
            Self::ACCESS_KEY,
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 200") {
            bail!("PUT {path}: {answer}");
        }
        Ok(())
    }
}

/// Today and now, as Signature Version 4 writes them.
fn utc_now() -> (String, String) {
    let now = k8s_openapi::jiff::Timestamp::now();
    (
        now.strftime("%Y%m%d").to_string(),
        now.strftime("%Y%m%dT%H%M%SZ").to_string(),
    )
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)]))
        .collect()
}

/// HMAC-SHA256 for keys of at most one block, which Signature Version 4's are.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new()
        .chain_update(pad(0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}

/// A Helm repository: packaged charts and their index, served as files.
#[derive(Debug)]
pub struct HelmRepository {
    root: PathBuf,
    http: HttpServer,
}

impl HelmRepository {
    pub(super) fn start(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root)?;
        let router = Router::new().fallback(serve_file).with_state(root.clone());
        Ok(Self {
            root,
            http: HttpServer::start(router)?,
        })
    }

    /// The URL for a `HelmRepository` or `helm repo add`.
    pub fn url(&self) -> String {
        self.http.url("")
    }

    /// Serves the same files to those who give this name and password.
    pub fn guarded(&self, user: &str, password: &str) -> Result<HttpServer> {
        let wanted = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let state = (self.root.clone(), wanted);
        HttpServer::start(Router::new().fallback(serve_guarded).with_state(state))
    }

    /// The folder of the packaged charts.
    pub fn folder(&self) -> &Path {
        &self.root
    }

    /// Packages a chart given as files (`Chart.yaml`, `templates/...`) and puts it into the index.
    pub async fn add(&self, files: &[(&str, &str)]) -> Result<()> {
        let [helm] = tools::ensure([Tool::Helm])?;
        let chart = tempfile::tempdir()?;
        for (path, content) in files {
            let path = chart.path().join(path);
            fs::create_dir_all(path.parent().unwrap_or(chart.path()))?;
            fs::write(path, content)?;
        }
        for arguments in [
            vec![
                "package".as_ref(),
                chart.path().as_os_str(),
                "--destination".as_ref(),
                self.root.as_os_str(),
            ],
            vec!["repo".as_ref(), "index".as_ref(), self.root.as_os_str()],
        ] {
            let output = tokio::process::Command::new(&helm)
                .args(arguments)
                .output()
                .await?;
            if !output.status.success() {
                bail!("helm: {}", String::from_utf8_lossy(&output.stderr));
            }
        }
        Ok(())
    }
}

async fn serve_guarded(State((root, wanted)): State<(PathBuf, String)>, request: Request) -> Response {
    let given = request.headers().get(AUTHORIZATION);
    if given.is_none_or(|given| given.as_bytes() != wanted.as_bytes()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    serve_file(State(root), request).await
}

async fn serve_file(State(root): State<PathBuf>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    if path.contains("..") {
        return StatusCode::NOT_FOUND.into_response();
    }
    match tokio::fs::read(root.join(&path)).await.context(path) {
        Ok(bytes) => bytes.into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}
