//! Which addresses a host name may stand for.
//!
//! The allow-list judges names, and whoever may make a Service in the cluster (`ExternalName`) decides what its name
//! leads to. Addresses that never serve artifacts, but answer this machine more than others, are therefore left out.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower_service::Service;

/// Metadata services beyond the link-local range: AWS over IPv6, and Alibaba Cloud.
const METADATA: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
];

/// Resolves as the system does, and leaves out addresses of this machine and of metadata services.
///
/// An address that stands in a URL itself never comes here: only the allow-list decides about it.
#[derive(Clone)]
pub(super) struct GuardedResolver {
    system: GaiResolver,
}

impl GuardedResolver {
    pub(super) fn new() -> Self {
        Self {
            system: GaiResolver::new(),
        }
    }
}

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let host = name.to_string();
        let found = self.system.call(name);
        async move {
            let mut addresses: Vec<SocketAddr> = found.await?.collect();
            let all = addresses.len();
            addresses.retain(|address| may_serve(&host, address.ip()));
            if addresses.is_empty() && all > 0 {
                let text = format!("{host} leads to an address that artifacts are not fetched from");
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
            }
            Ok(addresses.into_iter())
        }
        .boxed()
    }
}

/// Whether artifacts may be fetched from `address`, which `host` stands for.
fn may_serve(host: &str, address: IpAddr) -> bool {
    let address = address.to_canonical();
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let is_this_machine =
        address.is_loopback() && !host.trim_end_matches('.').eq_ignore_ascii_case("localhost");
    !(link_local
        || is_this_machine
        || address.is_unspecified()
        || address.is_multicast()
        || METADATA.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_lead_to_metadata_services_or_to_this_machine() {
        let serves = |host: &str, address: &str| may_serve(host, address.parse().expect("an address"));
        for good in ["10.96.0.7", "192.168.1.1", "8.8.8.8", "fd00::7", "2001:db8::1"] {
            assert!(serves("files.apps.svc", good), "{good}");
        }
        for bad in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "fd00:ec2::254",
            "100.100.100.200",
        ] {
            assert!(!serves("files.apps.svc", bad), "{bad}");
        }
        assert!(serves("localhost", "127.0.0.1") && serves("localhost.", "::1"));
        assert!(!serves("localhost", "169.254.169.254"));
    }
}
