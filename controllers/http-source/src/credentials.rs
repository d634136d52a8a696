//! What the Secrets of a source say.

use std::collections::BTreeMap;

use artifact_crd::HttpSpec;
use artifact_producer::{Failure, Run};
use controller_kit::events::Severity;
use controller_kit::http::TenantOptions;
use http::HeaderMap;
use url::Url;

/// Who asks, and how.
#[derive(Clone, Default)]
pub(crate) struct Credentials {
    /// For the server of the source alone.
    pub(crate) headers: HeaderMap,
    pub(crate) options: TenantOptions,
}

type Data = BTreeMap<String, Vec<u8>>;

impl Credentials {
    /// Reads the Secrets that a spec names.
    pub(crate) async fn read(spec: &HttpSpec, run: &mut Run) -> Result<Self, Failure> {
        let mut credentials = Self::default();
        let failed = |failure: Failure| failure.as_condition("FetchFailed");
        if let Some(reference) = &spec.secret_ref {
            let data = run.secret(&reference.name).await.map_err(failed)?;
            credentials.headers =
                artifact_producer::http_headers(&data).map_err(|why| invalid(&reference.name, &why))?;
        }
        if let Some(reference) = &spec.cert_secret_ref {
            let data = run.secret(&reference.name).await.map_err(failed)?;
            if data
                .keys()
                .any(|key| matches!(key.as_str(), "caFile" | "certFile" | "keyFile"))
            {
                let message = format!(
                    "Secret '{}' has keys of old: rename caFile, certFile and keyFile to ca.crt, tls.crt and tls.key",
                    reference.name
                );
                run.event(Severity::Error, "DeprecatedSecretKeys", message);
            }
            certificates(&data, &mut credentials.options).map_err(|why| invalid(&reference.name, &why))?;
        }
        if let Some(reference) = &spec.proxy_secret_ref {
            let data = run.secret(&reference.name).await.map_err(failed)?;
            credentials.options.proxy = Some(proxy(&data).map_err(|why| invalid(&reference.name, &why))?);
        }
        Ok(credentials)
    }
}

fn invalid(name: &str, why: &str) -> Failure {
    Failure::later("SecretInvalid", format!("Secret '{name}': {why}")).as_condition("FetchFailed")
}

fn certificates(data: &Data, options: &mut TenantOptions) -> Result<(), String> {
    let get = |key: &str, old: &str| data.get(key).or_else(|| data.get(old)).cloned();
    options.identity = match (get("tls.crt", "certFile"), get("tls.key", "keyFile")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err("tls.crt and tls.key belong together".to_owned()),
    };
    options.authorities = get("ca.crt", "caFile").unwrap_or_default();
    if options.identity.is_none() && options.authorities.is_empty() {
        return Err("it has neither ca.crt, nor tls.crt and tls.key".to_owned());
    }
    Ok(())
}

fn proxy(data: &Data) -> Result<Url, String> {
    let text = |key: &str| {
        let value = data.get(key).map(|value| std::str::from_utf8(value));
        value.transpose().map_err(|_| format!("{key} is no text"))
    };
    let address = text("address")?.filter(|address| !address.is_empty());
    let address = address.ok_or("it has no address")?.trim();
    if address.len() > 2048 {
        return Err("address is too long".to_owned());
    }
    // Its text is a secret.
    let mut url = Url::parse(address).map_err(|_| "address is no URL")?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("address must begin with http:// or https://".to_owned());
    }
    if let Some(username) = text("username")? {
        let set = url.set_username(username);
        set.and_then(|()| url.set_password(text("password").ok().flatten()))
            .map_err(|()| "address takes no username")?;
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(pairs: &[(&str, &str)]) -> Data {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn a_proxy_has_an_address() {
        let url = proxy(&data(&[
            ("address", "http://proxy:3128"),
            ("username", "a@b"),
            ("password", "c:d"),
        ]));
        assert_eq!(url.expect("a URL").as_str(), "http://a%40b:c%3Ad@proxy:3128/");
        for malformed in [
            &[("username", "a")][..],
            &[("address", "proxy:3128")],
            &[("address", "socks5://proxy")],
        ] {
            assert!(proxy(&data(malformed)).is_err(), "{malformed:?}");
        }
    }

    #[test]
    fn certificates_come_in_pairs() {
        let mut options = TenantOptions::default();
        assert!(certificates(&data(&[("tls.crt", "c"), ("keyFile", "k")]), &mut options).is_ok());
        assert_eq!(options.identity, Some((b"c".to_vec(), b"k".to_vec())));
        for malformed in [&[("tls.crt", "c")][..], &[("other", "c")]] {
            assert!(
                certificates(&data(malformed), &mut options).is_err(),
                "{malformed:?}"
            );
        }
    }
}
