//! Hosts as flags name them.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::Host;

/// A list of hosts, as a flag has it.
///
/// A pattern is a host (`source-controller.flux-system.svc.cluster.local`), a suffix (`*.svc.cluster.local`), an IP
/// address, a network (`10.0.0.0/8`), or any of these with a port (`127.0.0.1:9790`). Without a port every port is
/// meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostList {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    host: HostPattern,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    Exact(String),
    /// With its leading dot.
    Suffix(String),
    Network(IpNet),
}

/// A pattern that names no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} {reason}")]
pub struct PatternError {
    pattern: String,
    reason: &'static str,
}

impl HostList {
    /// Reads patterns as they are written in a flag.
    ///
    /// # Errors
    /// A pattern that names no host.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        let patterns = patterns.into_iter().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// Lists everything below some domains, which begin with a dot.
    pub fn below(domains: impl IntoIterator<Item = &'static str>) -> Self {
        let pattern = |domain: &str| Pattern {
            host: HostPattern::Suffix(domain.to_owned()),
            port: None,
        };
        Self {
            patterns: domains.into_iter().map(pattern).collect(),
        }
    }

    /// Joins two lists.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.patterns.extend(other.patterns);
        self
    }

    /// Tells whether the list has a host that a URL names, be it a name or an address.
    pub fn has(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| pattern.matches(host, port))
    }

    /// Tells whether the list has a name, whatever the port.
    pub(super) fn has_name(&self, name: &str) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| pattern.matches_name(name))
    }

    /// Tells whether the list has an address that a name leads to; what is listed for one port is not meant by that.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        let mut every_port = self.patterns.iter().filter(|pattern| pattern.port.is_none());
        every_port.any(|pattern| pattern.matches_address(address))
    }

    /// Tells whether the list has addresses, so that a name has to be resolved before it can be judged.
    pub(super) fn has_networks(&self) -> bool {
        let mut patterns = self.patterns.iter();
        patterns.any(|pattern| matches!(pattern.host, HostPattern::Network(_)))
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let invalid = |reason| PatternError {
            pattern: text.to_owned(),
            reason,
        };
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self {
                host: HostPattern::Network(network),
                port: None,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && (!host.contains(':') || host.ends_with(']')) => {
                let port = port
                    .parse()
                    .map_err(|_| invalid("has a port that is no number"))?;
                (host, Some(port))
            }
            _ => (text, None),
        };
        let address = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let suffix = host.strip_prefix('*');
        let host = if let Ok(address) = address {
            HostPattern::Network(address.into())
        } else if let Some(suffix) = suffix.filter(|suffix| suffix.starts_with('.') && suffix.len() > 1) {
            HostPattern::Suffix(suffix.to_owned())
        } else if host.is_empty() || host.contains(['*', '/']) {
            return Err(invalid(
                "is no host, address, network or *.suffix, with an optional port",
            ));
        } else {
            HostPattern::Exact(host)
        };
        Ok(Self { host, port })
    }
}

impl Pattern {
    fn matches(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        match host {
            Host::Domain(name) => self.matches_name(name),
            Host::Ipv4(address) => self.matches_address((*address).into()),
            Host::Ipv6(address) => self.matches_address((*address).into()),
        }
    }

    fn matches_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        match &self.host {
            HostPattern::Exact(allowed) => allowed.eq_ignore_ascii_case(name),
            HostPattern::Suffix(suffix) => {
                let at = name.len().checked_sub(suffix.len()).filter(|at| *at > 0);
                let tail = at.and_then(|at| name.get(at..));
                tail.is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
            }
            HostPattern::Network(_) => false,
        }
    }

    fn matches_address(&self, address: IpAddr) -> bool {
        matches!(&self.host, HostPattern::Network(network) if network.contains(&address.to_canonical()))
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[track_caller]
    fn check(patterns: &[&str], url: &str, listed: bool) {
        let list = HostList::parse(patterns.iter().copied()).unwrap();
        let url = Url::parse(url).unwrap();
        let host = url.host().unwrap();
        let found = list.has(&host, url.port_or_known_default());
        assert_eq!(found, listed, "{patterns:?} {url}");
    }

    #[test]
    fn patterns_match_hosts_addresses_networks_and_ports() {
        check(&["127.0.0.1:9790"], "http://127.0.0.1:9790/a", true);
        check(&["127.0.0.1:9790"], "http://127.0.0.1:9791/a", false);
        check(&["127.0.0.1"], "http://127.0.0.1:9791/a", true);
        check(&["[::1]:80"], "http://[::1]/a", true);
        check(&["10.0.0.0/8"], "http://10.1.2.3/a", true);
        check(&["10.0.0.0/8"], "http://[::ffff:10.1.2.3]/a", true);
        check(&["10.0.0.0/8"], "http://11.1.2.3/a", false);
        check(&["fd00::/8"], "http://[fd00::7]/a", true);
        check(&["*.example.org"], "https://a.EXAMPLE.org/", true);
        check(&["*.example.org"], "https://example.org/", false);
        check(&["*.example.org"], "https://badexample.org/", false);
        check(&["Example.org"], "https://example.org:444/", true);
        for bad in ["*", "a:b", "", "10.0.0.0/33", "*example.org"] {
            assert!(HostList::parse([bad]).is_err(), "{bad}");
        }
    }
}
