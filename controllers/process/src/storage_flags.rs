//! The flags of whoever stores and serves artifacts; names and defaults are source-controller's where it has the flag.

use std::time::Duration;

use artifact_producer::StorageSettings;
use artifact_store::{Advertised, StoreOptions};
use clap::Args;
use flux_archive::Algorithm;

use crate::deployer_flags::FlagError;
use crate::flags::ArtifactFlags;
use crate::values::{duration, integer};

/// Flags of whoever stores and serves artifacts.
#[derive(Args, Clone, Debug)]
pub struct StorageFlags {
    /// Folder of stored artifacts.
    #[arg(long, env = "STORAGE_PATH", default_value = "/data")]
    pub storage_path: String,
    /// Address of the file server.
    #[arg(long, env = "STORAGE_ADDRESS", default_value = ":9090")]
    pub storage_addr: String,
    /// Address of the file server in URLs: host, host:port, or one that begins with http:// or https://. Needed in a cluster.
    #[arg(long, env = "STORAGE_ADV_ADDR", default_value = "")]
    pub storage_adv_addr: String,
    /// How long an artifact stays after another took its place.
    #[arg(long, value_parser = duration, default_value = "1m")]
    pub artifact_retention_ttl: Duration,
    /// How many artifacts of one source stay.
    #[arg(long, default_value_t = 2, value_parser = integer::<usize>)]
    pub artifact_retention_records: usize,
    /// Algorithm of digests: sha256, sha384, sha512 or blake3.
    #[arg(long, default_value = "sha256")]
    pub artifact_digest_algo: String,
    /// How long an artifact stays in any case after another took its place.
    #[arg(long, value_parser = duration, default_value = "15s")]
    pub storage_grace: Duration,
    /// Folder with tls.crt and tls.key of the file server, such as a mounted Secret; they are read again when they change.
    #[arg(long, default_value = "")]
    pub storage_tls_secret_dir: String,
    /// Bytes that stay free on the volume.
    #[arg(long, default_value_t = 64 << 20)]
    pub storage_reserve: u64,
    /// The most bytes that all artifacts take; 0 for as many as fit.
    #[arg(long, default_value_t = 0)]
    pub storage_max_bytes: u64,
    /// How often stored artifacts are read to see whether they are what they were.
    #[arg(long, value_parser = duration, default_value = "24h")]
    pub storage_scrub_interval: Duration,
}

impl StorageFlags {
    /// Gives the settings for the artifacts of some kinds.
    ///
    /// # Errors
    /// An algorithm that no consumer knows, or no address in URLs where there has to be one.
    pub fn settings(&self, kinds: &[&str], artifacts: &ArtifactFlags) -> Result<StorageSettings, FlagError> {
        let in_cluster = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        let advertised = self.advertised(in_cluster)?;
        let algorithm: Algorithm = self.artifact_digest_algo.parse().map_err(|error| FlagError {
            flag: "artifact-digest-algo",
            reason: format!("{error}"),
        })?;
        Ok(StorageSettings {
            address: self.storage_addr.clone(),
            tls: (!self.storage_tls_secret_dir.is_empty())
                .then(|| self.storage_tls_secret_dir.clone().into()),
            scrub_interval: self.storage_scrub_interval,
            store: StoreOptions {
                advertised: Advertised::new(&advertised),
                algorithm,
                retention_ttl: self.artifact_retention_ttl,
                retention_records: self.artifact_retention_records,
                grace: self.storage_grace,
                reserve: self.storage_reserve,
                max_bytes: self.storage_max_bytes,
                max_artifact_bytes: artifacts.artifact_max_bytes as u64,
                max_unpacked_bytes: artifacts.artifact_max_unpacked_bytes,
                ..StoreOptions::new(&self.storage_path, &advertised, kinds)
            },
        })
    }

    /// The address in URLs: the one that is given, or as source-controller derives it from where the server listens.
    fn advertised(&self, in_cluster: bool) -> Result<String, FlagError> {
        let address = self.address(in_cluster)?;
        if self.storage_tls_secret_dir.is_empty() || address.starts_with("https://") {
            return Ok(address);
        }
        if address.starts_with("http://") {
            return Err(FlagError {
                flag: "storage-adv-addr",
                reason: "the file server has a certificate (--storage-tls-secret-dir), so that its address begins with https://"
                    .to_owned(),
            });
        }
        Ok(format!("https://{address}"))
    }

    fn address(&self, in_cluster: bool) -> Result<String, FlagError> {
        if !self.storage_adv_addr.is_empty() {
            return Ok(self.storage_adv_addr.clone());
        }
        let (host, port) = self
            .storage_addr
            .rsplit_once(':')
            .unwrap_or((&self.storage_addr, "80"));
        if in_cluster && !host.starts_with("127.") && host != "localhost" {
            return Err(FlagError {
                flag: "storage-adv-addr",
                reason:
                    "consumers in a cluster need an address of the file server, such as that of a Service"
                        .to_owned(),
            });
        }
        let host = match host {
            "" => "localhost".to_owned(),
            "0.0.0.0" | "[::]" => hostname::get().map_or_else(
                |_| "localhost".to_owned(),
                |name| name.to_string_lossy().into_owned(),
            ),
            host => host.to_owned(),
        };
        Ok(format!("{host}:{port}"))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        storage: StorageFlags,
    }

    #[test]
    fn the_address_in_urls_is_said_or_derived() {
        let advertised = |arguments: &[&str], in_cluster| {
            let all = ["x"].iter().chain(arguments);
            Flags::parse_from(all).storage.advertised(in_cluster).ok()
        };
        assert_eq!(advertised(&[], false).as_deref(), Some("localhost:9090"));
        assert_eq!(advertised(&[], true), None);
        let loopback = ["--storage-addr=127.0.0.1:9790"];
        assert_eq!(advertised(&loopback, true).as_deref(), Some("127.0.0.1:9790"));
        let said = ["--storage-adv-addr=files.flux-system.svc."];
        assert_eq!(advertised(&said, true).as_deref(), Some("files.flux-system.svc."));
        let tls = |address| advertised(&["--storage-tls-secret-dir=/tls", address], true);
        let files = Some("https://files");
        assert_eq!(tls("--storage-adv-addr=files").as_deref(), files);
        assert_eq!(tls("--storage-adv-addr=https://files").as_deref(), files);
        assert_eq!(tls("--storage-adv-addr=http://files"), None);
    }
}
