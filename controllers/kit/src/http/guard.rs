//! The one policy of hosts and addresses: what a URL from a tenant may make this process connect to.
//!
//! A name is judged before it is resolved, and each address that it leads to before it is connected to, so that neither a
//! Service of type `ExternalName` nor a DNS record that changes between two looks gets past it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

use super::HostList;

/// Metadata services and their like beyond the link-local range: AWS and Google over IPv6, Alibaba Cloud, Oracle Cloud,
/// Azure.
const METADATA: [IpAddr; 5] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// Decides which hosts a client may connect to.
///
/// Without a list every host may be asked, with one those that it names. Addresses of this machine, of the link, of
/// metadata services, and such that are no host's are never connected to, unless the list has them as an address or a
/// network; closed networks neither, unless the list has the name or the address.
#[derive(Clone, Debug)]
pub struct Guard {
    listed: Option<HostList>,
    closed: Vec<IpNet>,
    flag: &'static str,
}

/// Why something is not connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The list does not have it.
    #[error("host {host:?} is not on the allow-list; add it with {flag} if it is meant to be asked")]
    NotListed {
        /// The host.
        host: String,
        /// The flag that makes the list.
        flag: &'static str,
    },
    /// It is an address that answers this process more than others.
    #[error(
        "host {host:?} leads to {address}, {what}, which is not connected to; add the address with {flag} if it is meant to be asked"
    )]
    Address {
        /// The host.
        host: String,
        /// The address.
        address: IpAddr,
        /// What kind of address it is.
        what: &'static str,
        /// The flag that makes the list.
        flag: &'static str,
    },
}

impl Guard {
    /// Allows all hosts, or those of a list; `flag` is what makes the list, for messages.
    pub fn new(listed: Option<HostList>, flag: &'static str) -> Self {
        Self {
            listed,
            closed: Vec::new(),
            flag,
        }
    }

    /// Closes networks that would be open, such as that of the cluster's services.
    #[must_use]
    pub fn closing(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.closed.extend(networks);
        self
    }

    /// Judges what a URL says; a name that passes may still lead to an address that does not.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn check_url(&self, url: &Url) -> Result<(), Refused> {
        let port = url.port_or_known_default();
        url.host().map_or(Ok(()), |host| self.check_host(&host, port))
    }

    /// Judges a host as [`Guard::check_url`] does.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn check_host(&self, host: &Host<&str>, port: Option<u16>) -> Result<(), Refused> {
        let listed = self.listed.as_ref();
        if listed.is_some_and(|list| list.has(host, port)) {
            return Ok(());
        }
        let address = match host {
            Host::Domain(_) if listed.is_none_or(HostList::has_networks) => return Ok(()),
            Host::Domain(name) => return Err(self.not_listed(name)),
            Host::Ipv4(address) => IpAddr::V4(*address),
            Host::Ipv6(address) => IpAddr::V6(*address),
        };
        self.check_address(&address.to_string(), address)
    }

    /// Judges an address that a host leads to.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let listed = self.listed.as_ref();
        if listed.is_some_and(|list| list.has_address(address)) {
            return Ok(());
        }
        let named = listed.is_some_and(|list| list.has_name(host));
        let refused = |what| {
            Err(Refused::Address {
                host: host.to_owned(),
                address,
                what,
                flag: self.flag,
            })
        };
        let address = plain(address);
        let localhost = host.trim_end_matches('.').eq_ignore_ascii_case("localhost");
        if !(named && localhost && address.is_loopback())
            && let Some(what) = never(address)
        {
            return refused(what);
        }
        if listed.is_some() && !named {
            return Err(self.not_listed(host));
        }
        if !named && self.closed.iter().any(|network| network.contains(&address)) {
            return refused("an address of the cluster's services");
        }
        Ok(())
    }

    fn not_listed(&self, host: &str) -> Refused {
        Refused::NotListed {
            host: host.to_owned(),
            flag: self.flag,
        }
    }
}

/// The IPv4 address that an IPv6 address stands for, if it does: mapped, compatible, translated (NAT64),
/// 6to4 or Teredo.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else {
        return address.to_canonical();
    };
    let v4 = |high: u16, low: u16| {
        let bits = u32::from(high) << 16 | u32::from(low);
        IpAddr::V4(Ipv4Addr::from_bits(bits))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if (high, low) > (0, 1) => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => v4(high, low),
        [0x2001, 0, .., high, low] => v4(!high, !low),
        _ => IpAddr::V6(v6),
    }
}

/// What kind of address it is that nobody is meant to ask.
fn never(address: IpAddr) -> Option<&'static str> {
    let (link_local, no_host) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.is_broadcast() || v4.octets()[0] == 0),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.is_unspecified()),
    };
    if address.is_loopback() {
        Some("an address of this machine")
    } else if METADATA.contains(&address) {
        Some("a metadata service")
    } else if link_local {
        Some("a link-local address")
    } else if no_host || address.is_multicast() {
        Some("an address of no host")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOWHERE: [&str; 18] = [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "fe80::1",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "fd00:ec2::254",
        "100.100.100.200",
    ];

    fn guard(hosts: &[&str]) -> Guard {
        let listed = (!hosts.is_empty()).then(|| HostList::parse(hosts.iter().copied()).unwrap());
        Guard::new(listed, "--hosts").closing(["10.96.0.0/12".parse().unwrap()])
    }

    #[track_caller]
    fn check(hosts: &[&str], host: &str, address: &str, expected: bool) {
        let guard = guard(hosts);
        let resolved = guard.check_address(host, address.parse().unwrap());
        assert_eq!(
            resolved.is_ok(),
            expected,
            "{hosts:?} {host} {address}: {resolved:?}"
        );
    }

    #[test]
    fn no_name_and_no_url_leads_to_this_machine_or_to_metadata_services() {
        for address in NOWHERE {
            for hosts in [&[] as &[&str], &["*.example.org", "git.example.org"]] {
                check(hosts, "git.example.org", address, false);
                let literal = match address.parse().unwrap() {
                    IpAddr::V4(v4) => format!("http://{v4}/"),
                    IpAddr::V6(v6) => format!("http://[{v6}]/"),
                };
                let url = Url::parse(&literal).unwrap();
                assert!(guard(hosts).check_url(&url).is_err(), "{url}");
            }
        }
        for (address, host) in [("8.8.8.8", "git.example.org"), ("192.168.1.1", "git.corp")] {
            check(&[], host, address, true);
            check(&["*.example.org"], host, address, host == "git.example.org");
        }
    }

    #[test]
    fn what_is_listed_by_its_address_is_meant() {
        check(&["127.0.0.0/8"], "git.example.org", "127.0.0.1", true);
        check(&["127.0.0.0/8"], "git.example.org", "8.8.8.8", false);
        check(&["169.254.169.254"], "a.test", "169.254.169.254", true);
        check(&["127.0.0.1:80"], "a.test", "127.0.0.1", false);
        check(&["localhost"], "localhost", "127.0.0.1", true);
        check(&["localhost"], "localhost", "169.254.169.254", false);
        check(&["localhost"], "a.localhost", "127.0.0.1", false);
        check(&[], "localhost", "127.0.0.1", false);
    }

    #[test]
    fn services_of_the_cluster_are_asked_when_their_name_is_listed() {
        check(&[], "git.apps.svc", "10.96.0.7", false);
        check(&[], "10.96.0.7", "10.96.0.7", false);
        check(&["*.svc"], "git.apps.svc", "10.96.0.7", true);
        check(&["10.96.0.7"], "git.apps.svc", "10.96.0.7", true);
        check(&["10.0.0.0/8"], "git.apps.svc", "10.96.0.8", true);
    }
}
