//! What only scenarios of HelmReleases do: damage to release records, and to objects of a release.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::look::{release_of, unpack};
use super::scenario::{Damage, Record};
use super::stage::Stage;
use crate::testbed::{CONFIG_MAP, DEPLOYMENT, HELM_RELEASE, Kind, SECRET, SERVICE, SERVICE_ACCOUNT};

/// The kinds whose objects are spoiled.
const SPOILED: [Kind; 4] = [CONFIG_MAP, DEPLOYMENT, SERVICE, SERVICE_ACCOUNT];

impl Stage<'_> {
    /// Spoils objects of a release: takes Helm's label from the first one of each kind, and deletes the last ConfigMap.
    pub(super) async fn spoil(&self, name: &str) -> Result<()> {
        let release = self.namespace.get(HELM_RELEASE, name).await?;
        let release = release.context("there is no HelmRelease")?;
        let entries = release.data["status"]["inventory"]["entries"].as_array();
        let mut ids = Vec::new();
        for id in entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["id"].as_str())
        {
            if let [namespace, name, _, kind] = id.split('_').collect::<Vec<_>>()[..] {
                ids.push((namespace, name, kind));
            }
        }
        for kind in SPOILED {
            if let Some((namespace, name, _)) = ids.iter().find(|(_, _, of)| *of == kind.kind) {
                let labels = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Nobody"}}});
                self.namespace.beside(namespace).patch(kind, name, labels).await?;
            }
        }
        let last = ids.iter().rev().find(|(_, _, of)| *of == CONFIG_MAP.kind);
        if let Some((namespace, name, _)) = last {
            self.namespace.beside(namespace).delete(CONFIG_MAP, name).await?;
        }
        Ok(())
    }

    /// Changes a release record as somebody else might.
    pub(super) async fn change_record(&self, record: &Record) -> Result<()> {
        let (release, revision) = &record.of;
        let name = format!("sh.helm.release.v1.{}.v{revision}", self.filled_text(release));
        let secret = self.namespace.get(SECRET, &name).await?;
        let secret = secret.with_context(|| format!("there is no record {name}"))?;
        let mut patch = json!({});
        let bytes = match record.damage {
            Some(Damage::Base64) => b"*".to_vec(),
            Some(Damage::Empty) => Vec::new(),
            Some(Damage::Json) => STANDARD.encode(zipped(b"{")?).into_bytes(),
            Some(Damage::Gzip) => {
                let mut packed = zipped(&[b'{'; 100])?;
                packed.truncate(12);
                STANDARD.encode(packed).into_bytes()
            }
            None => {
                let mut release = release_of(&secret)?;
                let Some(set) = &record.set else {
                    bail!("a change of a record is `set` or `damage`");
                };
                merge(&mut release, &self.filled(set)?);
                if let Some(status) = release.pointer("/info/status") {
                    patch["metadata"] = json!({"labels": {"status": status}});
                }
                STANDARD
                    .encode(zipped(release.to_string().as_bytes())?)
                    .into_bytes()
            }
        };
        patch["data"] = json!({"release": STANDARD.encode(bytes)});
        self.namespace.patch(SECRET, &name, patch).await?;
        // What is read afterwards is what was written.
        let now = self.namespace.get(SECRET, &name).await?.context("the record")?;
        ensure!(
            record.damage.is_some() || unpack(&now).is_ok(),
            "{name} cannot be read"
        );
        Ok(())
    }
}

fn zipped(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

/// Merges a JSON merge patch into a value.
fn merge(value: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    for (key, patch) in fields {
        if patch.is_null() {
            if let Some(value) = value.as_object_mut() {
                value.remove(key);
            }
        } else {
            merge(&mut value[key], patch);
        }
    }
}
