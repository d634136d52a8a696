//! Pins the hosts of git to addresses that were judged before, where a network judges them.
//!
//! git resolves names by itself. Over HTTP it is given the addresses, after the redirects of the first request were
//! followed here, and follows none itself; ssh is given one address, and the name for its host keys.

use std::net::IpAddr;

use kustomize::RemoteError;
use url::{Host, Url};

use crate::http::{Stop, follow};
use crate::{Network, NetworkError, Policy, host};

/// What git asks for first.
const FIRST: &str = "/info/refs";

/// How git reaches a repository.
#[derive(Debug, Default)]
pub(crate) struct Route {
    /// The address for git, in which redirects are followed.
    pub(crate) address: String,
    /// Settings for git.
    pub(crate) settings: Vec<String>,
    /// Options for ssh, as a shell reads them.
    pub(crate) ssh: String,
    /// Whether git reaches nothing but what was judged, so that its submodules have to be judged, too.
    pub(crate) is_judged: bool,
}

impl Route {
    /// git finds its way by itself.
    fn free(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            ..Self::default()
        }
    }
}

/// Finds out how git may reach an address.
pub(crate) fn route(network: &dyn Network, policy: &Policy, address: &str) -> Result<Route, RemoteError> {
    if let Some((host, port)) = host::of_ssh(address) {
        return over_ssh(network, address, &host, port);
    }
    match Url::parse(address) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => over_http(network, policy, address, url),
        // git refuses what it may not speak; the policy has refused what is on this machine.
        _ => Ok(Route::free(address)),
    }
}

fn over_http(
    network: &dyn Network,
    policy: &Policy,
    address: &str,
    mut url: Url,
) -> Result<Route, RemoteError> {
    if !network.judges() {
        return Ok(Route::free(address));
    }
    let shown = host::of(address).unwrap_or_default();
    let mut first = url.clone();
    first.set_path(&format!("{}{FIRST}", url.path().trim_end_matches('/')));
    first.set_query(Some("service=git-upload-pack"));
    let (mut found, _) = follow(network, policy, first.clone(), None).map_err(|stop| match stop {
        Stop::Refused(error) => error,
        Stop::Network(error) => unreachable_host(&shown, error),
    })?;
    if found != first {
        let path = found.path().strip_suffix(FIRST).map(str::to_owned);
        let Some(path) = path else {
            let text = format!("cannot clone: {shown} redirects to what is no repository");
            return Err(RemoteError::Failed(text));
        };
        found.set_path(&path);
        found.set_query(None);
        url = found;
    }
    let mut settings = vec!["http.followRedirects=false".to_owned()];
    if let (Some(Host::Domain(name)), Some(addresses)) = (url.host(), judged(network, &url)?) {
        let addresses: Vec<_> = addresses.iter().map(bracketed).collect();
        let port = url.port_or_known_default().unwrap_or_default();
        settings.push(format!(
            "http.curloptResolve={name}:{port}:{}",
            addresses.join(",")
        ));
    }
    Ok(Route {
        address: url.into(),
        settings,
        ssh: String::new(),
        is_judged: true,
    })
}

/// The addresses that the host of a URL may be reached at.
fn judged(network: &dyn Network, url: &Url) -> Result<Option<Vec<IpAddr>>, RemoteError> {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or_default();
    network
        .addresses(url.scheme(), bare, port)
        .map_err(|error| unreachable_host(host, error))
}

fn over_ssh(
    network: &dyn Network,
    address: &str,
    host: &str,
    port: Option<u16>,
) -> Result<Route, RemoteError> {
    let addresses = network
        .addresses("ssh", host, port.unwrap_or(22))
        .map_err(|error| unreachable_host(host, error))?;
    let Some(addresses) = addresses else {
        return Ok(Route::free(address));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    let Some(judged) = addresses.first().filter(|_| host.chars().all(plain)) else {
        let text = format!("cannot clone: {host:?} is not the name of a host");
        return Err(RemoteError::Failed(text));
    };
    let keys = match port {
        Some(port) if port != 22 => format!("[{host}]:{port}"),
        _ => host.to_owned(),
    };
    Ok(Route {
        address: address.to_owned(),
        settings: Vec::new(),
        ssh: format!(" -o HostName={judged} -o 'HostKeyAlias={keys}' -o CheckHostIP=no"),
        is_judged: true,
    })
}

fn bracketed(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

fn unreachable_host(host: &str, error: NetworkError) -> RemoteError {
    match error {
        NetworkError::TimedOut => RemoteError::TimedOut(format!("no answer from host {host:?}")),
        NetworkError::TooLarge => RemoteError::TooLarge(format!("the answer of host {host:?} is too large")),
        NetworkError::Failed(reason) => RemoteError::Failed(format!("cannot reach host {host:?}: {reason}")),
    }
}
