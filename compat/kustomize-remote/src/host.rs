//! The host that an address names, as git and curl read it.

/// The host in lower case; `None` for something on this machine.
pub(crate) fn of(address: &str) -> Option<String> {
    Some(split(address)?.0)
}

/// The host and the port of an address that ssh is to reach; the port is `None` where the address names none.
pub(crate) fn of_ssh(address: &str) -> Option<(String, Option<u16>)> {
    let is_url = address.contains("://");
    let ssh = ["ssh://", "git+ssh://", "ssh+git://"];
    let scheme = address.get(..address.find("://").map_or(0, |at| at + 3))?;
    if is_url && !ssh.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return None;
    }
    let (host, port) = split(address)?;
    Some((host, port.parse().ok()))
}

/// The host in lower case, and what stands behind it as a port.
fn split(address: &str) -> Option<(String, String)> {
    let authority = match address.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("file") => return None,
        Some((_, rest)) => rest.split(['/', '?', '#']).next().unwrap_or_default(),
        // `user@host:path`; a slash before the colon makes it a path.
        None => match address.split_once(':') {
            Some((host, _)) if !host.contains('/') => host,
            _ => return None,
        },
    };
    if authority.contains('\\') {
        // Clients disagree about where such an authority ends, so it is nobody's.
        return Some((String::new(), String::new()));
    }
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').unwrap_or((v6, "")),
        None => host.split_once(':').unwrap_or((host, "")),
    };
    Some((host.to_ascii_lowercase(), port.trim_start_matches(':').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_urls_and_addresses() {
        for (address, host) in [
            ("https://user:secret@Host.test:8443/a?b", Some("host.test")),
            ("ssh://git@[::1]:22/a", Some("::1")),
            ("git@host.test:a/b", Some("host.test")),
            ("file:///a", None),
            ("/srv/a:b", None),
            ("../a", None),
        ] {
            assert_eq!(of(address).as_deref(), host, "{address}");
        }
    }

    #[test]
    fn hosts_and_ports_that_ssh_reaches() {
        for (address, expected) in [
            ("ssh://git@Host.test:2222/a", Some(("host.test", Some(2222)))),
            ("ssh://git@[::1]:22/a", Some(("::1", Some(22)))),
            ("ssh://host.test/a", Some(("host.test", None))),
            ("git@host.test:a/b", Some(("host.test", None))),
            ("https://host.test:443/a", None),
            ("/srv/a", None),
        ] {
            let found = of_ssh(address);
            let found = found.as_ref().map(|(host, port)| (host.as_str(), *port));
            assert_eq!(found, expected, "{address}");
        }
    }
}
