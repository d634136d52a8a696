//! `spec.decryption`: encrypted files of the real sops, beside stock's kustomize-controller.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::testbed::{CONFIG_MAP, KUSTOMIZATION, SECRET, condition};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::app::{App, Owner};
use crate::side_by_side::neutral;
use crate::together::{Side, together};

/// A file of the cases of the engines.
fn case(path: &str) -> Result<String> {
    let compat = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat");
    fs::read_to_string(compat.join(path)).with_context(|| path.to_owned())
}

/// All kinds of encrypted files in one kustomization.
fn tree() -> Result<Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../compat/kustomize-sops/cases/in");
    let mut files = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = Path::new("deploy").join(path.strip_prefix(&root)?);
            // Nobody defines its kind.
            let text = fs::read_to_string(&path)?.replace("  - widget.yaml\n", "");
            files.push((name.to_string_lossy().into_owned(), text));
        }
    }
    Ok(files)
}

async fn app(owner: Owner, prefix: &str, files: &[(String, String)]) -> Result<App> {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    App::owned_by(owner, prefix, &files).await
}

/// A Secret with keys, whose changes are told to those who use it.
async fn keys(app: &App, name: &str, entries: &[(&str, &str)]) -> Result<()> {
    let data = entries.iter().map(|(name, file)| {
        let text = case(&format!("sops/cases/keys/{file}"))?;
        Ok((name.to_string(), Value::from(STANDARD.encode(text))))
    });
    let data = data.collect::<Result<serde_json::Map<_, _>>>()?;
    let labels = json!({"reconcile.fluxcd.io/watch": "Enabled"});
    let metadata = json!({"name": name, "labels": labels});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data});
    app.apply(&secret.to_string()).await
}

fn decryption() -> Value {
    json!({"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}, "retryInterval": "1h"})
}

/// What was applied, without what the cluster adds.
async fn applied(app: &App) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for kind in [SECRET, CONFIG_MAP] {
        for object in app.list(kind).await? {
            let labels = object.metadata.labels.unwrap_or_default();
            if labels.contains_key("kustomize.toolkit.fluxcd.io/name") {
                let data = &object.data;
                all.push(json!([object.metadata.name, data["type"], data["data"]]));
            }
        }
    }
    all.sort_by_key(|object| object[0].as_str().unwrap_or_default().to_owned());
    Ok(all)
}

#[tokio::test]
async fn encrypted_files_of_all_kinds_become_the_same_objects() -> Result<()> {
    let life = async |side: Side| {
        let app = app(side.owner, "encrypted", &tree()?).await?;
        keys(&app, "keys", &[("age.agekey", "a.agekey")]).await?;
        app.deploy_ready("app", decryption()).await?;
        side.same("objects", async || Ok(Some(json!(applied(&app).await?))))
            .await?;
        side.same("inventory", async || {
            let object = app.existing(KUSTOMIZATION, "app").await?;
            let inventory = object.data["status"]["inventory"].to_string();
            Ok(Some(neutral(&inventory, app.name()).into()))
        })
        .await?;
        anyhow::Ok(app)
    };
    let (_, ours) = together(life).await?;
    let objects = applied(&ours).await?;
    assert!(objects.len() >= 6, "{objects:#?}");

    // What is secret is nowhere but in the objects.
    let process = ours.testbed.openflux_controller().await?;
    let told = [
        process.output(),
        format!("{:?}", ours.events_with("created").await?),
        format!("{:?}", ours.existing(KUSTOMIZATION, "app").await?),
    ];
    for text in told {
        for secret in ["hunter2", "s3cr3t", "AGE-SECRET-KEY"] {
            assert!(!text.contains(secret), "{secret} is told");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_encrypted_kustomization_moves_over_and_back() -> Result<()> {
    let app = app(Owner::Stock, "encrypted-moves", &tree()?).await?;
    app.testbed.openflux_controller().await?;
    keys(&app, "keys", &[("age.agekey", "a.agekey")]).await?;
    let before = app.deploy_ready("app", decryption()).await?;
    let traces = async || {
        let mut traces = Vec::new();
        for object in app.list(SECRET).await? {
            let DynamicObject { metadata, .. } = object;
            traces.push(json!([
                metadata.name,
                metadata.resource_version,
                metadata.managed_fields
            ]));
        }
        anyhow::Ok(traces)
    };
    let stock = traces().await?;
    for owner in [Owner::Ours, Owner::Stock] {
        let patch = json!({"metadata": {"labels": {"sharding.fluxcd.io/key": owner.label()}}});
        app.patch(KUSTOMIZATION, "app", patch).await?;
        app.reconcile("app").await?;
        let after = app.wait_ready(KUSTOMIZATION, "app").await?;
        assert_eq!(traces().await?, stock, "moving to {owner:?} wrote to an object");
        let digest = |object: &DynamicObject| object.data["status"]["history"][0]["digest"].clone();
        assert_eq!(digest(&after), digest(&before));
    }
    Ok(())
}

/// An encrypted Secret, and nothing else.
fn secret() -> Result<Vec<(String, String)>> {
    Ok(vec![(
        "deploy/secret.yaml".to_owned(),
        case("sops/cases/enc/secret.yaml")?,
    )])
}

#[tokio::test]
async fn what_is_wrong_with_keys_is_told_as_stock_tells_it() -> Result<()> {
    let life = async |side: Side| {
        let app = app(side.owner, "wrong-keys", &secret()?).await?;
        app.deploy("app", decryption()).await?;
        let tell = async |part: &str| {
            side.same(part, async || {
                let object = app.existing(KUSTOMIZATION, "app").await?;
                let ready = condition(&object, "Ready").filter(|ready| ready["reason"] == "BuildFailed");
                let message = ready.and_then(|ready| ready["message"].as_str());
                let message = message.filter(|message| message.contains(part));
                Ok(message.map(|message| neutral(message, app.name()).into()))
            })
            .await
        };
        let first = tell("not found").await?;
        // Each change of the Secret brings the next run.
        keys(&app, "keys", &[("age.agekey", "fingerprints.txt")]).await?;
        tell("failed to import").await?;
        keys(&app, "keys", &[("age.agekey", "b.agekey")]).await?;
        tell("identity did not match").await?;
        keys(&app, "keys", &[("other", "a.agekey")]).await?;
        app.patch(SECRET, "keys", json!({"data": {"age.agekey": null}}))
            .await?;
        tell("Did not find keys").await?;
        keys(&app, "keys", &[("age.agekey", "a.agekey")]).await?;
        app.wait_ready(KUSTOMIZATION, "app").await?;
        anyhow::Ok(first)
    };
    let (_, first) = together(life).await?;
    assert_eq!(first, "secrets \"keys\" not found");
    Ok(())
}

#[tokio::test]
async fn a_text_that_sops_cannot_print_is_null_and_told() -> Result<()> {
    let files = [
        (
            "deploy/kustomization.yaml".to_owned(),
            "secretGenerator: [{name: strings, files: [strings.yaml], options: {disableNameSuffixHash: true}}]\n"
                .to_owned(),
        ),
        (
            "deploy/strings.yaml".to_owned(),
            case("sops/cases/enc/strings.yaml")?,
        ),
    ];
    let app = app(Owner::Ours, "encrypted-tabs", &files).await?;
    keys(&app, "keys", &[("age.agekey", "a.agekey")]).await?;
    app.deploy_ready("app", decryption()).await?;
    let applied = app.existing(SECRET, "strings").await?;
    let text = applied.data["data"]["strings.yaml"].as_str().unwrap_or_default();
    let text = String::from_utf8(STANDARD.decode(text)?)?;
    assert_eq!(text, case("sops/cases/want/strings.yaml")?);
    let events = app.events_with("values are null after decryption").await?;
    let told = format!("{events:?}");
    assert!(told.contains("deploy/strings.yaml: leading-tab"), "{told}");
    Ok(())
}
