//! The archive: an OCI image layout, with the index that `docker load` of before 25 reads as well.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use tar::{Builder, Header};

use crate::build::sha256;
use crate::provenance::Source;
use crate::root::{self, Layer};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What an image runs on; the system is always Linux.
pub(crate) struct Platform {
    /// As OCI names it, such as `amd64`.
    pub(crate) architecture: &'static str,
}

/// An archive in the making.
pub(crate) struct Archive<'a> {
    tag: &'a str,
    source: &'a Source,
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: Vec<Value>,
    docker: Vec<Value>,
}

impl<'a> Archive<'a> {
    /// Begins an archive whose image is called `tag` once it is loaded.
    pub(crate) fn new(tag: &'a str, source: &'a Source) -> Self {
        Self {
            tag,
            source,
            blobs: BTreeMap::new(),
            manifests: Vec::new(),
            docker: Vec::new(),
        }
    }

    /// Adds the image of one platform.
    pub(crate) fn add(&mut self, platform: &Platform, layer: Layer) -> Result<()> {
        let on = json!({"architecture": platform.architecture, "os": "linux"});
        if self.manifests.iter().any(|manifest| manifest["platform"] == on) {
            bail!(
                "two of the targets are {}, which can be in an image once",
                platform.architecture
            );
        }
        let config = json!({
            "created": self.source.date, "architecture": platform.architecture, "os": "linux",
            "config": {
                "User": format!("{0}:{0}", root::USER),
                "Entrypoint": [format!("/{}", root::PROGRAM)],
                "Env": [
                    "PATH=/usr/local/bin",
                    format!("SSL_CERT_FILE=/{}", root::AUTHORITIES),
                ],
                "WorkingDir": "/",
                "Labels": self.annotations(),
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer.tar))]},
            "history": [{"created": self.source.date, "created_by": "cargo xtask image"}],
        });
        let layer = self.blob(LAYER, layer.gzip);
        let config = self.blob(CONFIG, serde_json::to_vec(&config)?);
        self.docker.push(json!({
            "Config": path(&config), "RepoTags": [self.tag], "Layers": [path(&layer)],
        }));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer],
            "annotations": self.annotations(),
        });
        let mut manifest = self.blob(MANIFEST, serde_json::to_vec(&manifest)?);
        manifest["platform"] = on;
        self.manifests.push(manifest);
        Ok(())
    }

    /// Gives the bytes of the archive.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        // One platform is an image, several are an index of images.
        let several = self.manifests.len() > 1;
        let mut top = if several {
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.manifests, "annotations": self.annotations()});
            self.blob(INDEX, serde_json::to_vec(&index)?)
        } else {
            self.manifests.first().cloned().unwrap_or_default()
        };
        let (_, tag) = self.tag.rsplit_once(':').unwrap_or_default();
        top["annotations"] = json!({
            "io.containerd.image.name": self.tag, "org.opencontainers.image.ref.name": tag,
        });
        let mut tar = Builder::new(Vec::new());
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]});
        append(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        append(&mut tar, "index.json", &serde_json::to_vec(&index)?)?;
        if !several {
            // What is not OCI knows one platform only.
            append(&mut tar, "manifest.json", &serde_json::to_vec(&self.docker)?)?;
        }
        for (digest, bytes) in &self.blobs {
            append(&mut tar, &format!("blobs/sha256/{digest}"), bytes)?;
        }
        Ok(tar.into_inner()?)
    }

    fn annotations(&self) -> Value {
        json!({
            "org.opencontainers.image.title": "openflux-controller",
            "org.opencontainers.image.description": "Deployers and adapters of Open Flux, beside stock Flux.",
            "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
            "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            "org.opencontainers.image.revision": self.source.revision,
            "org.opencontainers.image.created": self.source.date,
        })
    }

    /// Stores a blob and gives its descriptor.
    fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = sha256(&bytes);
        let descriptor =
            json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()});
        self.blobs.insert(digest, bytes);
        descriptor
    }
}

/// Where the blob of a descriptor lies.
fn path(descriptor: &Value) -> String {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    format!("blobs/{}", digest.replace(':', "/"))
}

fn append(tar: &mut Builder<Vec<u8>>, path: &str, bytes: &[u8]) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(bytes.len().try_into()?);
    header.set_mtime(0);
    tar.append_data(&mut header, path, bytes)?;
    Ok(())
}
