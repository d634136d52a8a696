//! What a tenant says about the way to a server: whom to trust, who asks, and through which proxy.

use std::io;
use std::sync::{Arc, OnceLock};

use hyper_util::client::proxy::matcher::Matcher;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::{Guard, Refused};

/// What a tenant says about the way to a server; nothing of it is needed.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TenantOptions {
    /// Certificate authorities in PEM that are trusted besides those of the system.
    pub authorities: Vec<u8>,
    /// A certificate and its key in PEM, to answer who asks.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The URL of a proxy, with its credentials.
    pub proxy: Option<Url>,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// The system's certificates cannot be read.
    #[error("cannot read the certificates of the system")]
    System,
    /// There is no certificate where one should be, or it cannot be used.
    #[error("{0} has no certificate that can be read")]
    Certificate(&'static str),
    /// There is no key where one should be, or it is that of another certificate.
    #[error("tls.key has no key that can be read, or not the one of tls.crt")]
    Key,
    /// The proxy must not be asked.
    #[error(transparent)]
    Proxy(#[from] Refused),
    /// The URL of the proxy is none that can be used.
    #[error("the address of the proxy must begin with http:// or https://")]
    Scheme,
}

impl TenantOptions {
    pub(super) fn tls(&self) -> Result<ClientConfig, TenantError> {
        let (system, plain) = system().ok_or(TenantError::System)?;
        let roots = if self.authorities.is_empty() {
            if self.identity.is_none() {
                return Ok(plain.clone());
            }
            Arc::clone(system)
        } else {
            let mut roots = RootCertStore::clone(system);
            for certificate in certificates(&self.authorities, "ca.crt")? {
                roots
                    .add(certificate)
                    .map_err(|_| TenantError::Certificate("ca.crt"))?;
            }
            Arc::new(roots)
        };
        let config = ClientConfig::builder().with_root_certificates(roots);
        let Some((certificate, key)) = &self.identity else {
            return Ok(config.with_no_client_auth());
        };
        let chain = certificates(certificate, "tls.crt")?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TenantError::Key)?;
        config
            .with_client_auth_cert(chain, key)
            .map_err(|_| TenantError::Key)
    }

    pub(super) fn proxy(&self, guard: &Guard) -> Result<Option<Matcher>, TenantError> {
        let Some(url) = &self.proxy else { return Ok(None) };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TenantError::Scheme);
        }
        // A name is judged when it is connected to.
        guard.check_url(url)?;
        Ok(Some(Matcher::builder().all(url.as_str().to_owned()).build()))
    }
}

fn certificates(pem: &[u8], field: &'static str) -> Result<Vec<CertificateDer<'static>>, TenantError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.unwrap_or_default();
    if all.is_empty() {
        Err(TenantError::Certificate(field))
    } else {
        Ok(all)
    }
}

/// TLS that trusts the certificate authorities of the system, for clients without wishes of their own.
///
/// # Errors
/// There are none.
pub(crate) fn system_tls() -> io::Result<ClientConfig> {
    let (_, plain) = system().ok_or_else(|| io::Error::other("none were found"))?;
    Ok(plain.clone())
}

/// The certificate authorities of the system, and TLS that trusts them; read once, and kept once for all clients.
fn system() -> Option<&'static (Arc<RootCertStore>, ClientConfig)> {
    static SYSTEM: OnceLock<Option<(Arc<RootCertStore>, ClientConfig)>> = OnceLock::new();
    let read = || {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        let roots = Arc::new(roots);
        let config = || ClientConfig::builder().with_root_certificates(Arc::clone(&roots));
        (!roots.is_empty()).then(|| (Arc::clone(&roots), config().with_no_client_auth()))
    };
    SYSTEM.get_or_init(read).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_told() {
        let told = |options: TenantOptions| options.tls().err().map(|error| error.to_string());
        let junk = TenantOptions {
            authorities: b"junk".to_vec(),
            ..TenantOptions::default()
        };
        assert_eq!(
            told(junk).as_deref(),
            Some("ca.crt has no certificate that can be read")
        );
        let junk = TenantOptions {
            identity: Some((b"junk".to_vec(), b"junk".to_vec())),
            ..TenantOptions::default()
        };
        assert_eq!(
            told(junk).as_deref(),
            Some("tls.crt has no certificate that can be read")
        );
        assert_eq!(told(TenantOptions::default()), None);
    }

    #[test]
    fn a_proxy_is_judged_as_every_host_is() {
        let proxy = |url: &str| {
            let options = TenantOptions {
                proxy: Some(Url::parse(url).expect("a URL")),
                ..TenantOptions::default()
            };
            options.proxy(&Guard::new(None, "--hosts")).is_ok()
        };
        assert!(proxy("http://proxy.example.org:3128"));
        assert!(!proxy("http://127.0.0.1:3128") && !proxy("socks5://proxy.example.org"));
    }
}
