//! The source `Http`, as its flags want it.

use std::net::IpAddr;

use anyhow::{Context as _, anyhow};
use artifact_producer::{FetchSettings, Storage};
use controller_kit::http::{Guard, HostList};
use controller_kit::{Backoff, selector};
use controller_process::Process;
use flux_archive::Limits;
use http_source::{CONTROLLER, HttpSource};
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use crate::flags::RunFlags;
use crate::running::Running;

/// Pauses between looks that fail.
const BACKOFF: Backoff = Backoff {
    min: std::time::Duration::from_secs(1),
    max: std::time::Duration::from_mins(15),
};

/// The producer of `Http`.
pub(crate) struct Http {
    source: http_source::Settings,
    settings: artifact_producer::Settings,
}

impl Http {
    /// Reads its flags.
    ///
    /// # Errors
    /// A flag that cannot be read.
    pub(crate) fn read(flags: &RunFlags) -> anyhow::Result<Self> {
        let (own, artifacts) = (&flags.http, &flags.process.artifacts);
        let hosts = own.http_source_hosts.iter().map(String::as_str);
        let hosts: Vec<_> = hosts.filter(|host| !host.is_empty()).collect();
        let listed = (!hosts.is_empty()).then(|| HostList::parse(hosts)).transpose();
        let selector = selector::parse(&own.http_source_label_selector);
        let api_server = std::env::var("KUBERNETES_SERVICE_HOST").ok();
        let api_server = api_server.and_then(|host| host.parse::<IpAddr>().ok());
        let unpack = Limits {
            bytes: artifacts.artifact_max_unpacked_bytes,
            entries: artifacts.artifact_max_entries,
        };
        Ok(Self {
            source: http_source::Settings {
                hosts: listed.context("--http-source-hosts")?,
                allow_private: own.http_source_allow_private,
                closed: api_server.map(IpNet::from).into_iter().collect(),
                allow_http: own.insecure_allow_http,
                max_bytes: artifacts.artifact_max_bytes as u64,
                unpack,
                own_address: flags.storage.storage_adv_addr.clone(),
            },
            settings: artifact_producer::Settings {
                name: CONTROLLER,
                selector: selector.map_err(|reason| anyhow!("--http-source-label-selector: {reason}"))?,
                concurrent: own.http_source_concurrent,
                interval_jitter: own.http_source_jitter_percentage,
                backoff: BACKOFF,
                // The source has clients of its own, with what objects say about certificates and proxies.
                fetching: FetchSettings {
                    guard: Guard::new(None, "--http-source-hosts"),
                    max_bytes: artifacts.artifact_max_bytes as u64,
                    unpack,
                },
            },
        })
    }

    /// Gives the producer, which runs as long as it is awaited.
    ///
    /// # Errors
    /// Its metrics are not valid, which is a bug.
    pub(crate) fn start(
        self,
        process: &Process,
        storage: Storage,
        synced: CancellationToken,
    ) -> anyhow::Result<Running> {
        let connections = process.producing(storage);
        let source = HttpSource::new(self.source, &process.metrics())?;
        let shutdown = process.shutdown();
        let producer = artifact_producer::run(source, connections, self.settings, synced, shutdown);
        Ok(Box::pin(producer))
    }
}
