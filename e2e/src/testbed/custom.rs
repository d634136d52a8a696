//! Programs of third parties, with kinds of their own, and what they ask.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::PostParams;
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::namespace::eventually;
use super::{Archive, HttpServer, Kind, Process, Testbed, free_port, openflux};

/// The source of the examples.
pub const NIGHTLY: Kind = Kind {
    api_version: "feeds.example.org/v1",
    kind: "Nightly",
    plural: "nightlies",
};

/// The deployer of the examples.
pub const FILE_MAP: Kind = Kind {
    api_version: "deploy.example.org/v1",
    kind: "FileMap",
    plural: "filemaps",
};

/// The transformation of the examples.
pub const STAMP: Kind = Kind {
    api_version: "change.example.org/v1",
    kind: "Stamp",
    plural: "stamps",
};

/// A reference to an object of such a kind.
pub fn reference(kind: Kind, name: &str) -> Value {
    json!({"apiVersion": kind.api_version, "kind": kind.kind, "name": name})
}

/// The crate of programs that are written as third parties write theirs.
const PACKAGE: &str = "controller-examples";

/// A program of third parties that runs, with a volume that outlives it.
#[derive(Debug)]
pub struct Custom {
    program: PathBuf,
    name: String,
    arguments: Vec<String>,
    process: Process,
}

impl Custom {
    /// Installs the kinds of a program, and starts it.
    pub async fn start(testbed: &Testbed, name: &str) -> Result<Self> {
        let program = openflux::binary(PACKAGE, name)?;
        install_crds(&testbed.client().await?, &program).await?;
        let volume = testbed.dir().join(format!("volume-{name}"));
        let arguments = vec![
            "--metrics-addr=0".to_owned(),
            "--health-addr=0".to_owned(),
            // Where the testbed serves everything.
            "--artifact-hosts=127.0.0.1".to_owned(),
            "--source-hosts=127.0.0.1".to_owned(),
            format!("--storage-path={}", volume.display()),
            format!("--storage-addr=127.0.0.1:{}", free_port()?),
            "--storage-reserve=0".to_owned(),
        ];
        let process = spawn(testbed, name, &program, &arguments)?;
        Ok(Self {
            program,
            name: name.to_owned(),
            arguments,
            process,
        })
    }

    /// What a program prints that is not run.
    pub async fn print(name: &str, arguments: &[&str]) -> Result<Value> {
        print(&openflux::binary(PACKAGE, name)?, arguments).await
    }

    /// Ends the program as a failing machine does, and starts it anew.
    pub fn restart(self, testbed: &Testbed) -> Result<Self> {
        drop(self.process);
        let process = spawn(testbed, &self.name, &self.program, &self.arguments)?;
        Ok(Self { process, ..self })
    }
}

fn spawn(testbed: &Testbed, name: &str, program: &std::path::Path, arguments: &[String]) -> Result<Process> {
    let environment = [
        ("KUBECONFIG", testbed.kubeconfig().display().to_string()),
        ("RUNTIME_NAMESPACE", super::HOME.to_owned()),
    ];
    Process::spawn(name, testbed.logs(), program, arguments, &environment)
}

async fn print(program: &std::path::Path, arguments: &[&str]) -> Result<Value> {
    let printed = tokio::process::Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .await
        .with_context(|| program.display().to_string())?;
    ensure!(
        printed.status.success(),
        "{} {arguments:?}: {}",
        program.display(),
        printed.status
    );
    Ok(serde_json::from_slice(&printed.stdout)?)
}

/// Installs the kinds that a program says it has.
async fn install_crds(client: &Client, program: &std::path::Path) -> Result<()> {
    let list = print(program, &["crds"]).await?;
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    for item in list["items"].as_array().into_iter().flatten() {
        let definition: CustomResourceDefinition = serde_json::from_value(item.clone())?;
        match api.create(&PostParams::default(), &definition).await {
            Err(kube::Error::Api(answer)) if answer.code == 409 => {}
            created => drop(created?),
        }
        let name = definition.metadata.name.unwrap_or_default();
        eventually(&format!("{name} to be established"), async || {
            let status = api.get(&name).await?.status.unwrap_or_default();
            let mut conditions = status.conditions.into_iter().flatten();
            let is =
                conditions.any(|condition| condition.type_ == "Established" && condition.status == "True");
            Ok(is.then_some(()))
        })
        .await?;
    }
    Ok(())
}

type Files = Arc<Mutex<HashMap<String, Bytes>>>;

/// A server of releases: `/latest` is a version, `/<version>.tar.gz` its files.
#[derive(Debug)]
pub struct Feed {
    http: HttpServer,
    files: Files,
}

impl Feed {
    /// Starts without any release.
    pub fn start() -> Result<Self> {
        let files = Files::default();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&files));
        let http = HttpServer::start(router)?;
        Ok(Self { http, files })
    }

    /// Releases a version.
    pub fn release(&self, version: &str, files: &[(&str, &str)]) -> Result<()> {
        let archive = Archive::of(files).pack()?;
        let mut all = self.files.lock();
        all.insert(format!("/{version}.tar.gz"), archive.into());
        all.insert("/latest".to_owned(), Bytes::from(format!("{version}\n")));
        Ok(())
    }

    /// The URL of the feed.
    pub fn url(&self) -> String {
        self.http.url("")
    }
}

async fn serve(State(files): State<Files>, request: Request) -> Response {
    let found = files.lock().get(request.uri().path()).cloned();
    found.map_or_else(
        || StatusCode::NOT_FOUND.into_response(),
        axum::response::IntoResponse::into_response,
    )
}
