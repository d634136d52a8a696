//! The host that an address names, as git and curl read it.

/// The host in lower case; `None` for something on this machine.
pub(crate) fn of(address: &str) -> Option<String> {
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
        return Some(String::new());
    }
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    Some(host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::of;

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
}
