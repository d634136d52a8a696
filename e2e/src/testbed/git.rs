//! git over HTTP: `git http-backend` behind a small CGI wrapper.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::server::HttpServer;

/// Repositories under one URL, readable and writable by anybody.
#[derive(Debug)]
pub struct GitServer {
    root: PathBuf,
    http: HttpServer,
}

/// One repository of a [`GitServer`].
#[derive(Debug)]
pub struct GitRepo {
    url: String,
    bare: PathBuf,
    work: PathBuf,
}

impl GitServer {
    pub(super) fn start(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root)?;
        let router = Router::new()
            .fallback(serve)
            .with_state(Arc::from(root.as_path()));
        Ok(Self {
            root,
            http: HttpServer::start(router)?,
        })
    }

    /// The URL of a repository, which need not exist yet.
    pub fn url(&self, name: &str) -> String {
        self.http.url(&format!("/{name}.git"))
    }

    /// Creates an empty repository with the branch `main`.
    pub async fn create(&self, name: &str) -> Result<GitRepo> {
        let bare = self.root.join(format!("{name}.git"));
        let work = self.root.join(format!("{name}.work"));
        git(
            &self.root,
            ["init", "--quiet", "--bare", "--initial-branch=main"],
            Some(&bare),
        )
        .await?;
        git(&bare, ["config", "http.receivepack", "true"], None).await?;
        git(
            &self.root,
            ["init", "--quiet", "--initial-branch=main"],
            Some(&work),
        )
        .await?;
        Ok(GitRepo {
            url: self.url(name),
            bare,
            work,
        })
    }
}

impl GitRepo {
    /// The URL to clone from.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Commits and pushes `main` with these files written, and returns the commit's id.
    ///
    /// Files of earlier commits stay; a file without content is removed.
    pub async fn commit(&self, message: &str, files: &[(&str, &str)]) -> Result<String> {
        for (path, content) in files {
            let path = self.work.join(path);
            if content.is_empty() {
                fs::remove_file(&path).with_context(|| path.display().to_string())?;
                continue;
            }
            fs::create_dir_all(path.parent().unwrap_or(&self.work))?;
            fs::write(&path, content).with_context(|| path.display().to_string())?;
        }
        git(&self.work, ["add", "--all"], None).await?;
        git(
            &self.work,
            ["commit", "--quiet", "--allow-empty", "--message", message],
            None,
        )
        .await?;
        git(&self.work, ["push", "--quiet", "--force"], Some(&self.bare))
            .await
            .context("pushing")?;
        git(&self.work, ["rev-parse", "HEAD"], None).await
    }
}

/// Runs git without the user's configuration; `path` is the last argument, `main` follows it when pushing.
async fn git<const N: usize>(dir: &Path, arguments: [&str; N], path: Option<&Path>) -> Result<String> {
    let mut git = Command::new("git");
    git.current_dir(dir)
        .args(arguments)
        .args(path)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["GIT_AUTHOR", "GIT_COMMITTER"] {
        git.env(format!("{who}_NAME"), "Testbed")
            .env(format!("{who}_EMAIL"), "testbed@openflux.test");
    }
    if arguments.first() == Some(&"push") {
        git.arg("main");
    }
    let output = git
        .output()
        .await
        .context("the git command was not found: install git")?;
    if !output.status.success() {
        bail!(
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

async fn serve(State(root): State<Arc<Path>>, request: Request) -> Response {
    match run_backend(&root, request).await {
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// One request through the CGI of `git http-backend`, which unpacks gzip itself.
async fn run_backend(root: &Path, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    // Collected because CGI wants a length, which a chunked request does not have.
    let body = body.collect().await?.to_bytes();
    let header = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header(header::CONTENT_TYPE.as_str()))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header(header::CONTENT_ENCODING.as_str()))
        .env("HTTP_GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = backend.stdin.take().context("git http-backend has no stdin")?;
    let feed = tokio::spawn(async move {
        // The backend may answer, and close its input, before it has read everything.
        let _ = stdin.write_all(&body).await;
    });
    let output = backend.wait_with_output().await?;
    feed.await?;
    parse_cgi(&output.stdout.into())
}

fn parse_cgi(output: &Bytes) -> Result<Response> {
    let end = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .context("git http-backend sent no headers")?;
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    for line in std::str::from_utf8(&output[..end])?.lines() {
        let Some((name, value)) = line.split_once(": ") else {
            bail!("malformed CGI header {line:?}")
        };
        if name == "Status" {
            status = value.get(..3).unwrap_or(value).parse()?;
        } else {
            headers.insert(header::HeaderName::from_bytes(name.as_bytes())?, value.parse()?);
        }
    }
    let mut response = Response::new(Body::from(output.slice(end + 4..)));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}
