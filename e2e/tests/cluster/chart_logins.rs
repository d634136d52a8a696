//! Charts of registries behind a password, beside the real helm: the files of `helm registry login` and of Docker, flags,
//! tokens; and what is said when none of them will do.

use std::fs;

use anyhow::{Context as _, Result};
use e2e::testbed::{Registry, Testbed};
use serde_json::{Value, json};

use crate::chart_dependencies::{Both, asking, write};

/// Where Helm and Docker keep credentials, below the home of whoever they are for.
const HELM: &str = ".config/helm/registry/config.json";
const DOCKER: &str = ".docker/config.json";

impl Both {
    /// Gives both the same files with credentials, and takes all others away.
    fn logins(&self, files: &[(&str, String)]) -> Result<()> {
        for (side, ..) in self.sides() {
            for name in [HELM, DOCKER] {
                let path = self.home(side).join(name);
                if path.exists() {
                    fs::remove_file(path)?;
                }
            }
            for (name, text) in files {
                write(&self.home(side), &[(*name, text.as_str())])?;
            }
        }
        Ok(())
    }

    /// Both fetch the dependency of a chart in a version of a registry, or tell the same of why they do not.
    fn fetch(&self, registry: &str, version: &str, flags: &[&str], code: i32, words: &str) -> Result<()> {
        let dependency = format!("- {{name: web, version: '{version}', repository: '{registry}'}}\n");
        self.chart(&[("Chart.yaml", &asking(&dependency))])?;
        let update = [&["dependency", "update", "app", "--plain-http"][..], flags].concat();
        self.same(&update, code, words)
            .with_context(|| format!("{registry} {version}"))
    }
}

/// A configuration with one entry.
fn config(registry: &str, entry: &Value) -> String {
    json!({"auths": {registry: entry}}).to_string()
}

#[tokio::test]
async fn registries_are_asked_with_the_logins_of_helm_and_docker() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let both = Both::new()?;
    let open = testbed.registry().await?;
    let work = tempfile::tempdir()?;
    let (source, packed) = (work.path().join("web"), work.path().display().to_string());
    for version in ["1.2.3", "1.10.0"] {
        let text = format!("apiVersion: v2\nname: web\nversion: {version}\n");
        write(&source, &[("Chart.yaml", &text)])?;
        both.prepare(&["package", &source.display().to_string(), "--destination", &packed])?;
        let archive = format!("{packed}/web-{version}.tgz");
        both.prepare(&["push", &archive, &open.url("logins"), "--plain-http"])?;
    }
    let guarded = open.guarded()?;
    let (host, registry) = (guarded.host(), guarded.url("logins"));
    let (user, password) = (Registry::USER, Registry::PASSWORD);
    let login = json!({"username": user, "password": password});

    // Nobody has said who is there.
    for version in ["1.2.3", "^1"] {
        both.fetch(&registry, version, &[], 1, "basic credential not found")?;
    }
    let chart = format!("{registry}/web");
    for version in ["1.2.3", "^1", ""] {
        let args = ["template", "r", &chart, "--version", version, "--plain-http"];
        both.same(&args, 1, "basic credential not found")?;
    }
    let flags = ["--username", user, "--password", password];
    both.fetch(&registry, "^1", &flags, 0, "Digest: sha256:")?;
    for (flags, words) in [
        (
            ["--username", user, "--password", "other"],
            "authentication required",
        ),
        (
            ["--username", user, "--password", ""],
            "basic credential not found",
        ),
    ] {
        both.fetch(&registry, "1.2.3", &flags, 1, words)?;
        both.fetch(&registry, "^1", &flags, 1, words)?;
    }

    // Helm itself logs in.
    both.prepare(&[
        "registry",
        "login",
        &host,
        "--username",
        user,
        "--password",
        password,
        "--plain-http",
    ])?;
    for version in ["1.2.3", "^1", "1.10.0"] {
        both.fetch(&registry, version, &[], 0, "Digest: sha256:")?;
        both.same(&["dependency", "build", "app", "--plain-http"], 0, "Pulled: ")?;
    }
    both.fetch(&registry, "1.2.4", &[], 1, "web:1.2.4: not found")?;
    both.fetch(&format!("{registry}/none"), "^1", &[], 1, "name unknown")?;
    let none = format!("{registry}/none");
    for version in ["1.0.0", "^1"] {
        let args = ["template", "r", &none, "--version", version, "--plain-http"];
        both.same(&args, 1, "")?;
    }
    // A file that a flag names.
    let elsewhere = work.path().join("config.json");
    fs::write(&elsewhere, config(&host, &login))?;
    both.logins(&[])?;
    let elsewhere = elsewhere.display().to_string();
    both.fetch(&registry, "^1", &["--registry-config", &elsewhere], 0, "Pulled: ")?;

    // What else the files may hold.
    let good = config(&host, &login);
    for (files, code, words) in [
        (vec![(DOCKER, good.clone())], 0, "Pulled: "),
        (
            vec![(DOCKER, config(&format!("http://{host}/v1/"), &login))],
            0,
            "Pulled: ",
        ),
        (
            vec![(HELM, config("other.test", &login)), (DOCKER, good.clone())],
            0,
            "Pulled: ",
        ),
        (
            vec![(HELM, good.clone()), (DOCKER, "{".to_owned())],
            0,
            "Pulled: ",
        ),
        (
            vec![(HELM, "\n".to_owned()), (DOCKER, good.clone())],
            0,
            "Pulled: ",
        ),
        (vec![(DOCKER, "{".to_owned())], 1, "basic credential not found"),
        (
            vec![(HELM, config(&host, &json!({"auth": "%%"})))],
            1,
            "failed to decode auth field: invalid config format: illegal base64 data at input byte 0",
        ),
        (
            vec![(HELM, config(&host, &json!({"username": user})))],
            1,
            "missing username or password for basic auth",
        ),
    ] {
        both.logins(&files)?;
        both.fetch(&registry, "1.2.3", &[], code, words)?;
        both.fetch(&registry, "^1", &[], code, words)?;
    }
    Ok(())
}

#[tokio::test]
async fn registries_are_asked_with_tokens_as_by_helm() -> Result<()> {
    let testbed = Testbed::shared().await?;
    let both = Both::new()?;
    let open = testbed.registry().await?;
    let work = tempfile::tempdir()?;
    let (source, packed) = (work.path().join("web"), work.path().display().to_string());
    write(
        &source,
        &[("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\n")],
    )?;
    both.prepare(&["package", &source.display().to_string(), "--destination", &packed])?;
    let archive = format!("{packed}/web-1.2.3.tgz");
    both.prepare(&["push", &archive, &open.url("tokens"), "--plain-http"])?;
    let server = open.with_tokens()?;
    let host = server.address().to_string();
    let registry = format!("oci://{host}/tokens");
    for (entry, code, words) in [
        (
            json!({"username": Registry::USER, "password": Registry::PASSWORD}),
            0,
            "Pulled: ",
        ),
        (json!({"identitytoken": Registry::IDENTITY_TOKEN}), 0, "Pulled: "),
        (json!({"registrytoken": Registry::REGISTRY_TOKEN}), 0, "Pulled: "),
        (
            json!({"username": Registry::USER, "password": "other"}),
            1,
            "response status code 401: unauthorized: no such user",
        ),
        (
            json!({"identitytoken": "other"}),
            1,
            "response status code 400: Bad Request",
        ),
        (
            json!({"registrytoken": "other"}),
            1,
            "response status code 401: Unauthorized",
        ),
        (
            json!({}),
            1,
            "response status code 401: unauthorized: no such user",
        ),
    ] {
        both.logins(&[(DOCKER, config(&host, &entry))])?;
        both.fetch(&registry, "1.2.3", &[], code, words)?;
        both.fetch(&registry, "^1", &[], code, words)?;
    }
    Ok(())
}
