//! Which URLs artifacts may be fetched from.

use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// The hosts that artifacts may be fetched from.
///
/// A pattern is a host (`source-controller.flux-system.svc.cluster.local`), a suffix (`*.svc.cluster.local`), an IP
/// address, or any of these with a port (`127.0.0.1:9790`). Without a port every port is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAllowList {
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
    Address(IpAddr),
}

/// Why a URL is refused; the text names the URL without its credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL.
    #[error("artifact URL {url:?} is not valid: {reason}")]
    Invalid {
        /// The URL as written.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Another scheme than http or https.
    #[error("artifact URL {url} has scheme {scheme:?}, only http and https are allowed")]
    Scheme {
        /// The URL.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// The URL carries a user name or a password.
    #[error("artifact URL on host {host} carries credentials, which is not allowed")]
    Credentials {
        /// Its host.
        host: String,
    },
    /// The host is not on the list.
    #[error(
        "artifact host {host:?} is not on the allow-list; add it with --artifact-hosts if it serves artifacts"
    )]
    Host {
        /// Host and port.
        host: String,
    },
}

impl HostAllowList {
    /// Allows services of the cluster: `*.svc` and `*.svc.cluster.local`.
    pub fn in_cluster() -> Self {
        let suffix = |suffix: &str| Pattern {
            host: HostPattern::Suffix(suffix.to_owned()),
            port: None,
        };
        Self {
            patterns: vec![suffix(".svc"), suffix(".svc.cluster.local")],
        }
    }

    /// Reads patterns as they are written in the flag.
    ///
    /// # Errors
    /// A pattern that names no host.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, UrlError> {
        let patterns = patterns.into_iter().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// Checks a URL and gives it parsed.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn check(&self, text: &str) -> Result<Url, UrlError> {
        let invalid = |reason: &str| UrlError::Invalid {
            url: shown_url(text),
            reason: reason.to_owned(),
        };
        let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        let host = url.host().ok_or_else(|| invalid("it names no host"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlError::Scheme {
                url: shown_url(text),
                scheme: url.scheme().to_owned(),
            });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials {
                host: host.to_string(),
            });
        }
        let port = url.port_or_known_default();
        if self.patterns.iter().any(|pattern| pattern.matches(&host, port)) {
            return Ok(url);
        }
        let shown = url
            .port()
            .map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
        Err(UrlError::Host { host: shown })
    }
}

/// The most characters of a URL that a message repeats, which keeps hostile ones from filling conditions.
const SHOWN: usize = 200;

/// Gives a URL as messages may show it: without what may be secret, and not at any length.
///
/// User names, passwords and queries, which hold signatures of object stores, are shown as `xxxxx`.
pub fn shown_url(url: &str) -> String {
    let (base, rest) = url.split_at(url.find(['?', '#']).unwrap_or(url.len()));
    let (scheme, rest_of_base) = base.find("://").map_or(("", base), |at| base.split_at(at + 3));
    // What is no URL may hide a password anywhere; in one, only the authority can hold it.
    let authority = if Url::parse(url).is_ok() {
        rest_of_base.find(['/', '\\']).unwrap_or(rest_of_base.len())
    } else {
        rest_of_base.len()
    };
    let text = match rest_of_base[..authority].rfind('@') {
        Some(at) => format!("{scheme}xxxxx{}", &rest_of_base[at..]),
        None => base.to_owned(),
    };
    let query = if rest.is_empty() { "" } else { "?xxxxx" };
    text.chars().take(SHOWN).collect::<String>() + query
}

impl FromStr for Pattern {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let invalid = |reason: &str| UrlError::Invalid {
            url: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && (!host.contains(':') || host.ends_with(']')) => (
                host,
                Some(port.parse().map_err(|_| invalid("its port is not a number"))?),
            ),
            _ => (text, None),
        };
        let address = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let host = if let Ok(address) = address {
            HostPattern::Address(address)
        } else if let Some(suffix) = host
            .strip_prefix('*')
            .filter(|suffix| suffix.starts_with('.') && suffix.len() > 1)
        {
            HostPattern::Suffix(suffix.to_owned())
        } else if host.is_empty() || host.contains('*') {
            return Err(invalid(
                "a pattern is a host, an address or *.suffix, with an optional port",
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
        match (&self.host, host) {
            (HostPattern::Address(IpAddr::V4(allowed)), Host::Ipv4(address)) => allowed == address,
            (HostPattern::Address(IpAddr::V6(allowed)), Host::Ipv6(address)) => allowed == address,
            (HostPattern::Exact(allowed), Host::Domain(domain)) => allowed == domain.trim_end_matches('.'),
            (HostPattern::Suffix(suffix), Host::Domain(domain)) => {
                let domain = domain.trim_end_matches('.');
                domain.len() > suffix.len() && domain.ends_with(suffix.as_str())
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(patterns: &[&str], url: &str, allowed: bool) {
        let list = HostAllowList::parse(patterns.iter().copied()).unwrap();
        assert_eq!(list.check(url).is_ok(), allowed, "{patterns:?} {url}");
    }

    #[test]
    fn cluster_services_are_allowed_by_default() {
        let list = HostAllowList::in_cluster();
        assert!(
            list.check("http://source-controller.flux-system.svc.cluster.local./gitrepository/a/b/c.tar.gz")
                .is_ok()
        );
        assert!(list.check("http://source-controller.flux-system.svc/a").is_ok());
        for hostile in [
            "http://169.254.169.254/latest/meta-data",
            "http://127.0.0.1:2379/v2/keys",
            "http://[::1]/",
            "file:///etc/passwd",
            "gopher://a.svc/",
            "http://evil.example/.svc",
            "http://svc.cluster.local/",
            "http://user:secret@a.b.svc.cluster.local/",
            "http://2852039166/",
            "not a url",
        ] {
            assert!(list.check(hostile).is_err(), "{hostile}");
        }
    }

    #[test]
    fn patterns_match_hosts_addresses_and_ports() {
        check(&["127.0.0.1:9790"], "http://127.0.0.1:9790/a", true);
        check(&["127.0.0.1:9790"], "http://127.0.0.1:9791/a", false);
        check(&["127.0.0.1"], "http://127.0.0.1:9791/a", true);
        check(&["[::1]:80"], "http://[::1]/a", true);
        check(&["*.example.org"], "https://a.EXAMPLE.org/", true);
        check(&["*.example.org"], "https://example.org/", false);
        check(&["Example.org"], "https://example.org:444/", true);
        assert!(HostAllowList::parse(["*"]).is_err());
        assert!(HostAllowList::parse(["a:b"]).is_err());
    }

    #[test]
    fn errors_do_not_repeat_credentials() {
        let error = HostAllowList::in_cluster()
            .check("http://user:secret@a.svc/")
            .unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        for url in [
            "ftp://user:secret@a.svc/b",
            "http://user:secret@[bad/b",
            "http://user:se/cret@a b/",
            "http:user:secret@a",
            "file://u:secret@/x",
            "ftp://a.svc/b?sig=secret",
        ] {
            let error = HostAllowList::in_cluster().check(url).unwrap_err().to_string();
            assert!(!error.contains("cret"), "{error}");
        }
        for (url, shown) in [
            ("http://a.svc/b@c.tar.gz", "http://a.svc/b@c.tar.gz"),
            ("https://u@a.svc/b?sig=x#y", "https://xxxxx@a.svc/b?xxxxx"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
        assert_eq!(shown_url(&format!("http://a/{}", "b".repeat(1000))).len(), SHOWN);
    }
}
