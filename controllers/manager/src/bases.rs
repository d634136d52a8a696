//! What kustomizations may fetch from other machines.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use controller_kit::http::{Client, Guard, HostList};
use ipnet::IpNet;
use k8s_openapi::api::networking::v1::ServiceCIDR;
use kube::Api;
use kube::api::ListParams;
use kustomize_controller::RemoteBases;
use kustomize_remote::Policy;

use crate::flags::KustomizeFlags;

/// Pause before the API server is asked again.
const PAUSE: Duration = Duration::from_secs(2);

/// Reads the list of hosts that bases may come from; without one all are listed.
pub(crate) fn hosts(flags: &KustomizeFlags) -> anyhow::Result<Option<HostList>> {
    let hosts: Vec<_> = flags.remote_base_hosts.iter().map(String::as_str).collect();
    let hosts: Vec<_> = hosts.into_iter().filter(|host| !host.is_empty()).collect();
    if hosts.is_empty() {
        return Ok(None);
    }
    HostList::parse(hosts).map(Some).context("--remote-base-hosts")
}

/// Makes the client of remote bases.
pub(crate) fn remote_bases(listed: Option<HostList>, closed: Vec<IpNet>) -> anyhow::Result<RemoteBases> {
    let guard = Guard::new(listed, "--remote-base-hosts").closing(closed);
    let client = Client::with_proxies(guard).context("cannot read the certificates of the system")?;
    Ok(RemoteBases {
        policy: Policy {
            // A file:// repository would be one of the controller's own machine.
            local_repositories: false,
            ..Policy::default()
        },
        client: Arc::new(client),
    })
}

/// Gives the networks of the cluster's services as the cluster has them at the start; waits for the API server.
pub(crate) async fn service_networks(client: kube::Client) -> Vec<IpNet> {
    let api_server = std::env::var("KUBERNETES_SERVICE_HOST").ok();
    let api_server = api_server.and_then(|host| host.parse::<IpAddr>().ok());
    let mut networks: Vec<_> = api_server.map(IpNet::from).into_iter().collect();
    let known: Api<ServiceCIDR> = Api::all(client);
    loop {
        match known.list(&ListParams::default()).await {
            Ok(found) => {
                let specs = found.items.into_iter().filter_map(|item| item.spec);
                let texts = specs.flat_map(|spec| spec.cidrs.unwrap_or_default());
                networks.extend(texts.filter_map(|text| text.parse::<IpNet>().ok()));
                return networks;
            }
            Err(kube::Error::Api(status)) if (400..500).contains(&status.code) && status.code != 429 => {
                tracing::warn!(
                    error = %status.message,
                    "the cluster does not tell the networks of its services, so that remote bases may come from there; --remote-base-hosts names the hosts that are meant"
                );
                return networks;
            }
            Err(error) => {
                tracing::info!(%error, "cannot read the networks of the cluster's services, retrying");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
