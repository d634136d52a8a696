//! What may be asked: the rules about ports, schemes and this process itself; addresses are judged by the client's guard.

use controller_kit::http::Guard;
use ipnet::IpNet;
use url::Url;

use crate::Settings;

/// The flag that makes the list of hosts.
const FLAG: &str = "--http-source-hosts";
/// Ports of kubelets and of etcd.
const PORTS: [u16; 4] = [10250, 10255, 2379, 2380];
/// Networks of nobody in particular.
const PRIVATE: [&str; 5] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
];

impl Settings {
    /// The guard of a client.
    pub(crate) fn guard(&self) -> Guard {
        let private = PRIVATE.iter().filter_map(|network| network.parse::<IpNet>().ok());
        let private: Vec<_> = private.filter(|_| !self.allow_private).collect();
        Guard::new(self.hosts.clone(), FLAG).closing(self.closed.iter().copied().chain(private))
    }

    /// Says why a URL is not asked, wherever it comes from.
    pub(crate) fn refusal(&self, url: &Url) -> Option<String> {
        let port = url.port_or_known_default().unwrap_or_default();
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Some("it must be an absolute URL that begins with http:// or https://".to_owned());
        }
        if url.scheme() == "http" && !self.allow_http {
            return Some("connections without TLS are refused (--insecure-allow-http)".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Some("it has a user or a password, which belong into spec.secretRef".to_owned());
        }
        if PORTS.contains(&port) {
            return Some(format!("port {port} is that of a kubelet or of etcd"));
        }
        let own = self
            .own_address
            .trim_start_matches("http://")
            .trim_start_matches("https://");
        let own = own.split('/').next().unwrap_or_default();
        let own = own.trim_end_matches(":80").trim_end_matches('.');
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let asked = [host.to_owned(), format!("{host}:{port}")];
        if !own.is_empty() && asked.iter().any(|asked| asked.eq_ignore_ascii_case(own)) {
            return Some("it is the controller's own file server".to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use flux_archive::Limits;

    use super::*;

    #[test]
    fn what_nobody_is_meant_to_ask_is_refused() {
        let settings = Settings {
            hosts: None,
            allow_private: true,
            closed: Vec::new(),
            allow_http: true,
            max_bytes: 1,
            unpack: Limits { bytes: 1, entries: 1 },
            own_address: "files.flux-system.svc.cluster.local.".to_owned(),
        };
        for (url, refused) in [
            ("https://example.org/a", false),
            ("http://example.org:8080/a", false),
            ("ftp://example.org/a", true),
            ("https://user@example.org/a", true),
            ("https://:secret@example.org/a", true),
            ("https://node:10250/pods", true),
            ("http://files.flux-system.svc.cluster.local/http/a/b/c", true),
            ("http://FILES.flux-system.svc.cluster.local.:80/x", true),
        ] {
            let parsed = Url::parse(url).expect("a URL");
            assert_eq!(settings.refusal(&parsed).is_some(), refused, "{url}");
        }
        let strict = Settings {
            allow_http: false,
            allow_private: false,
            ..settings
        };
        assert!(
            strict
                .refusal(&Url::parse("http://example.org/a").expect("a URL"))
                .is_some()
        );
        let guard = strict.guard();
        assert!(guard.check_address("a.org", [10, 1, 2, 3].into()).is_err());
        assert!(guard.check_address("a.org", [8, 8, 8, 8].into()).is_ok());
    }
}
