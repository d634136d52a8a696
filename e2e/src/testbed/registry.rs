//! OCI registries: one for everybody, and the same for those who log in.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::ports::free_port;
use super::process::Process;
use super::server::HttpServer;
use super::services::wait_for_port;
use crate::tools::{self, Tool};

/// The only user of a guarded registry, with the hash of its password.
const USERS: &str = "user:$2a$04$WK9UPSqX1g7pvS6sB.qaAOxoPFzuPmi3NlA5JGzkxjSfkT.mXTbf2\n";

/// The token that a registry with tokens takes.
const TOKEN: &str = "registry-token";

/// An OCI registry without TLS.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    dir: PathBuf,
    logs: PathBuf,
    _process: Process,
}

impl Registry {
    /// The only user of a guarded registry.
    pub const USER: &str = "user";
    /// The password of that user.
    pub const PASSWORD: &str = "pass:word";
    /// What a registry with tokens gives its token for, besides the password.
    pub const IDENTITY_TOKEN: &str = "identity-token";
    /// The token that it takes.
    pub const REGISTRY_TOKEN: &str = TOKEN;

    pub(super) fn start(dir: &Path, logs: &Path) -> Result<Self> {
        Self::serve(dir, logs, "registry", "")
    }

    /// Serves the same content to those who give [`Self::USER`] and [`Self::PASSWORD`].
    ///
    /// # Errors
    /// It does not start.
    pub fn guarded(&self) -> Result<Self> {
        let users = self.dir.join("users");
        fs::write(&users, USERS)?;
        let auth = format!(
            "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            users.display()
        );
        Self::serve(&self.dir, &self.logs, "registry-guarded", &auth)
    }

    /// Serves the same content, read-only, to those who have [`Self::REGISTRY_TOKEN`], which the password and
    /// [`Self::IDENTITY_TOKEN`] get.
    ///
    /// # Errors
    /// It does not start.
    pub fn with_tokens(&self) -> Result<HttpServer> {
        let content = self.dir.join("storage/docker/registry/v2");
        HttpServer::start(
            Router::new()
                .route("/token", get(give_token).post(exchange_token))
                .fallback(serve_content)
                .with_state(content),
        )
    }

    fn serve(dir: &Path, logs: &Path, name: &str, auth: &str) -> Result<Self> {
        let [registry] = tools::ensure([Tool::Registry])?;
        let port = free_port()?;
        fs::create_dir_all(dir)?;
        let config = dir.join(format!("{name}.yaml"));
        let storage = dir.join("storage");
        fs::write(
            &config,
            format!(
                "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n{auth}",
                storage.display()
            ),
        )?;
        let arguments = ["serve".to_owned(), config.display().to_string()];
        let environment = [("OTEL_TRACES_EXPORTER", "none".to_owned())];
        let mut process = Process::spawn(name, logs, &registry, arguments, &environment)?;
        wait_for_port(port, &mut process)?;
        Ok(Self {
            port,
            dir: dir.to_owned(),
            logs: logs.to_owned(),
            _process: process,
        })
    }

    /// The `oci://` URL of a repository.
    pub fn url(&self, repository: &str) -> String {
        format!("oci://{}/{repository}", self.host())
    }

    /// Host and port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

/// Gives a token to who knows the password.
async fn give_token(headers: HeaderMap) -> Response {
    let login = STANDARD.encode(format!("{}:{}", Registry::USER, Registry::PASSWORD));
    let given = headers.get(AUTHORIZATION);
    if given.is_some_and(|given| given.as_bytes() == format!("Basic {login}").as_bytes()) {
        return Json(json!({"token": TOKEN})).into_response();
    }
    let error = json!({"code": "UNAUTHORIZED", "message": "no such user", "detail": null});
    (StatusCode::UNAUTHORIZED, Json(json!({"errors": [error]}))).into_response()
}

/// Gives a token for one that gets others.
async fn exchange_token(Form(form): Form<HashMap<String, String>>) -> Response {
    let has = |name: &str, value: &str| form.get(name).is_some_and(|given| given == value);
    if has("grant_type", "refresh_token") && has("refresh_token", Registry::IDENTITY_TOKEN) {
        return Json(json!({"access_token": TOKEN})).into_response();
    }
    StatusCode::BAD_REQUEST.into_response()
}

/// Serves what a registry has in its folder.
async fn serve_content(State(content): State<PathBuf>, request: Request) -> Response {
    let given = request.headers().get(AUTHORIZATION);
    if given.is_none_or(|given| given.as_bytes() != format!("Bearer {TOKEN}").as_bytes()) {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let challenge = format!(
            "Bearer realm=\"http://{}/token\",service=\"tests\"",
            host.unwrap_or_default()
        );
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response();
    }
    let path = request.uri().path().trim_start_matches("/v2/");
    find_content(&content, path).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

fn find_content(content: &Path, path: &str) -> Option<Response> {
    let blob = |digest: &str| {
        let hex = digest.strip_prefix("sha256:")?;
        let file = content
            .join("blobs/sha256")
            .join(hex.get(..2)?)
            .join(hex)
            .join("data");
        fs::read(file).ok()
    };
    if let Some(name) = path.strip_suffix("/tags/list") {
        let tags = content.join("repositories").join(name).join("_manifests/tags");
        let names = fs::read_dir(tags).ok()?.map_while(Result::ok);
        let names: Vec<_> = names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        return Some(Json(json!({"name": name, "tags": names})).into_response());
    }
    if let Some((_, digest)) = path.split_once("/blobs/") {
        return Some(Body::from(blob(digest)?).into_response());
    }
    let (name, at) = path.split_once("/manifests/")?;
    let digest = if at.starts_with("sha256:") {
        at.to_owned()
    } else {
        let tags = content.join("repositories").join(name).join("_manifests/tags");
        fs::read_to_string(tags.join(at).join("current/link")).ok()?
    };
    let kind = "application/vnd.oci.image.manifest.v1+json";
    Some(([(CONTENT_TYPE, kind)], blob(&digest)?).into_response())
}
