//! What a fetcher may do.

use std::time::Duration;

use kustomize::RemoteError;

use crate::host;

/// Which hosts may be asked, for how long and for how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The only hosts that may be asked, redirects and submodules included: names, or `*.example.com` for everything
    /// below one. All hosts without a list (the default, as upstream).
    pub hosts: Option<Vec<String>>,
    /// Whether `file://` repositories may be cloned (default true, as upstream).
    pub local_repositories: bool,
    /// Bytes that a clone may take on disk, history and work tree together (default 512 MiB).
    pub clone_bytes: u64,
    /// How long one GET may take, redirects included (default 1 minute).
    pub get_time: Duration,
    /// How long one git command may take, whatever the `timeout` of the reference asks for (default 5 minutes).
    pub git_time: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            hosts: None,
            local_repositories: true,
            clone_bytes: 512 * 1024 * 1024,
            get_time: Duration::from_mins(1),
            git_time: Duration::from_mins(5),
        }
    }
}

impl Policy {
    /// Refuses what may not be asked: a URL of any scheme, or an address such as `git@host:path`.
    pub(crate) fn check(&self, address: &str) -> Result<(), RemoteError> {
        match host::of(address) {
            None if self.local_repositories => Ok(()),
            None => Err(RemoteError::Failed(
                "repositories on this machine are not cloned".to_owned(),
            )),
            Some(host) if self.allows(&host) => Ok(()),
            Some(host) => Err(RemoteError::Failed(format!(
                "host {host:?} is not on the allow-list of remote hosts"
            ))),
        }
    }

    fn allows(&self, host: &str) -> bool {
        let Some(hosts) = &self.hosts else {
            return true;
        };
        hosts.iter().any(|allowed| match allowed.strip_prefix('*') {
            Some(suffix) => suffix.starts_with('.') && host.len() > suffix.len() && ends_with(host, suffix),
            None => allowed.eq_ignore_ascii_case(host),
        })
    }
}

fn ends_with(host: &str, suffix: &str) -> bool {
    let tail = host.len().checked_sub(suffix.len()).and_then(|at| host.get(at..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_hosts_are_asked() {
        let policy = Policy {
            hosts: Some(vec!["github.com".to_owned(), "*.example.com".to_owned()]),
            local_repositories: false,
            ..Policy::default()
        };
        for (address, allowed) in [
            ("https://github.com/a/b", true),
            ("https://GitHub.com:443/a/b", true),
            ("git@github.com:a/b", true),
            ("ssh://git@git.example.com:22/a", true),
            ("https://example.com/a", false),
            ("https://evilexample.com/a", false),
            ("https://github.com@evil.test/a", false),
            ("https://evil.test\\@github.com/a", false),
            ("https://evil.test#@github.com/a", false),
            ("github.com.evil.test:a/b", false),
            ("file:///srv/repo", false),
            ("../repo", false),
        ] {
            assert_eq!(policy.check(address).is_ok(), allowed, "{address}");
        }
        assert!(Policy::default().check("https://anywhere.test/a").is_ok());
        assert!(Policy::default().check("file:///srv/repo").is_ok());
    }
}
