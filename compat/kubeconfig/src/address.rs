//! Addresses of API servers, as client-go and Flux read them.

use url::Url;

use crate::error::Error;

/// An address that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is none.
    #[error("empty address")]
    Empty,
    /// It is no URL.
    #[error("failed to parse Kubernetes API server address '{address}': {why}")]
    Url {
        /// The address.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// It is not `https`.
    #[error("the Kubernetes API server address '{0}' must use https scheme")]
    Scheme(String),
}

/// Gives the URL of the server of a kubeconfig: the scheme may be missing, and is `http` then.
pub(crate) fn server(server: &str) -> Result<String, Error> {
    let parsed = Url::parse(server);
    if parsed.is_ok_and(|url| url.has_host()) {
        return Ok(server.to_owned());
    }
    let guessed = format!("http://{server}");
    let url = Url::parse(&guessed).map_err(|error| Error::Address(format!("parse {guessed:?}: {error}")))?;
    if !matches!(url.path(), "" | "/") {
        let error = format!("host must be a URL or a host:port pair: {server:?}");
        return Err(Error::Address(error));
    }
    Ok(guessed)
}

/// Gives the URL of the API server that a ConfigMap or a cloud names: `https` and a port are added where they are missing,
/// and a path is dropped.
///
/// # Errors
/// It is no address.
pub fn cluster_address(address: &str) -> Result<String, AddressError> {
    if address.is_empty() {
        return Err(AddressError::Empty);
    }
    let address = if address.starts_with("http") {
        address.to_owned()
    } else {
        format!("https://{address}")
    };
    let url = Url::parse(&address).map_err(|error| AddressError::Url {
        address: address.clone(),
        why: error.to_string(),
    })?;
    if url.scheme() != "https" {
        return Err(AddressError::Scheme(address));
    }
    let host = url.host_str().unwrap_or_default();
    let port = url.port().unwrap_or(443);
    Ok(format!("https://{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_may_lack_a_scheme() {
        for (given, expected) in [
            ("https://far:6443", Ok("https://far:6443")),
            ("https://far/base", Ok("https://far/base")),
            ("far:6443", Ok("http://far:6443")),
            ("10.0.0.1:6443", Ok("http://10.0.0.1:6443")),
            ("far", Ok("http://far")),
            (
                "far/base",
                Err("host must be a URL or a host:port pair: \"far/base\""),
            ),
        ] {
            let found = server(given).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{given}");
        }
    }

    #[test]
    fn addresses_are_https_with_a_port() {
        for (given, expected) in [
            ("far", Ok("https://far:443")),
            ("Far:6443", Ok("https://far:6443")),
            ("https://far/base?x=1", Ok("https://far:443")),
            ("https://far:443", Ok("https://far:443")),
            ("[::1]:6443", Ok("https://[::1]:6443")),
            ("", Err("empty address")),
            (
                "http://far",
                Err("the Kubernetes API server address 'http://far' must use https scheme"),
            ),
        ] {
            let found = cluster_address(given).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{given}");
        }
    }
}
