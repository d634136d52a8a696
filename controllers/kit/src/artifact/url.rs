//! Which URLs artifacts may be fetched from.

use url::Url;

use crate::http::{Guard, HostList, PatternError};

/// The hosts that artifacts may be fetched from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAllowList(HostList);

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
        Self(HostList::below([".svc", ".svc.cluster.local"]))
    }

    /// Reads patterns as they are written in the flag.
    ///
    /// # Errors
    /// A pattern that names no host.
    pub fn parse<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        HostList::parse(patterns).map(Self)
    }

    /// Gives the guard of connections to these hosts and some others.
    pub(super) fn guard(&self, others: HostList) -> Guard {
        Guard::new(Some(self.0.clone().and(others)), "--artifact-hosts")
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
        if self.0.has(&host, url.port_or_known_default()) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
