//! Hosts that stand in for those of artifact URLs, for a controller that runs outside of the cluster.

use url::Url;

use crate::http::{HostList, PatternError};

/// The hosts that stock's controllers read from `SOURCE_CONTROLLER_LOCALHOST` and `SOURCE_WATCHER_LOCALHOST`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandIns {
    /// Stands in for the host of every URL but those of source-watcher.
    pub source_controller: Option<String>,
    /// Stands in for source-watcher.
    pub source_watcher: Option<String>,
}

/// How the URLs of source-watcher begin after their scheme, as stock recognises them.
const SOURCE_WATCHER: &str = "//source-watcher";

impl StandIns {
    /// Reads the two variables from the environment of the process.
    pub fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|host| !host.is_empty());
        Self {
            source_controller: variable("SOURCE_CONTROLLER_LOCALHOST"),
            source_watcher: variable("SOURCE_WATCHER_LOCALHOST"),
        }
    }

    /// Gives the hosts that may be connected to, which are the operator's own word, beside those that are listed.
    pub(super) fn list(&self) -> Result<HostList, PatternError> {
        let hosts = [&self.source_controller, &self.source_watcher];
        HostList::parse(hosts.into_iter().flatten().map(String::as_str))
    }

    /// Gives the URL with the host that stands in for its own; an error names one that is no host.
    pub(super) fn apply(&self, mut url: Url) -> Result<Url, String> {
        let stand_in = if url.as_str().contains(SOURCE_WATCHER) {
            &self.source_watcher
        } else {
            &self.source_controller
        };
        let Some(host) = stand_in else { return Ok(url) };
        let (name, port) = host.rsplit_once(':').unwrap_or((host, ""));
        let replaced = url.set_host(Some(name)).is_ok() && url.set_port(port.parse().ok()).is_ok();
        if replaced {
            Ok(url)
        } else {
            Err(format!("{host:?} is not a host"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_stand_in_of_its_own() {
        let both = StandIns {
            source_controller: Some("localhost:8080".into()),
            source_watcher: Some("127.0.0.1:8181".into()),
        };
        let first = StandIns {
            source_watcher: None,
            ..both.clone()
        };
        let (controller, watcher) = (
            "http://source-controller.flux-system.svc.cluster.local./gitrepository/a/b/c.tar.gz",
            "http://source-watcher.flux-system.svc.cluster.local./externalartifact/a/b/c.tar.gz",
        );
        for (stand_ins, url, expected) in [
            (
                &both,
                controller,
                "http://localhost:8080/gitrepository/a/b/c.tar.gz",
            ),
            (
                &both,
                watcher,
                "http://127.0.0.1:8181/externalartifact/a/b/c.tar.gz",
            ),
            (
                &first,
                controller,
                "http://localhost:8080/gitrepository/a/b/c.tar.gz",
            ),
            (&first, watcher, watcher),
            (&StandIns::default(), controller, controller),
        ] {
            let url = Url::parse(url).expect("a URL");
            let applied = stand_ins.apply(url).map(String::from);
            assert_eq!(applied.as_deref(), Ok(expected));
        }
        let odd = StandIns {
            source_controller: Some("a b".into()),
            source_watcher: None,
        };
        let url = Url::parse(controller).expect("a URL");
        assert_eq!(odd.apply(url), Err(r#""a b" is not a host"#.to_owned()));
    }
}
