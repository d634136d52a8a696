//! HTTP for a program that may ask any host: a command line.

use std::io::Read as _;
use std::sync::OnceLock;

use ureq::Agent;
use ureq::http::{Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::{Answer, Get, Network, NetworkError};

/// The network as it is; git finds its hosts by itself.
#[derive(Debug, Default)]
pub struct Direct {
    agent: OnceLock<Agent>,
}

impl Direct {
    /// Gives the client, once certificates are needed.
    fn agent(&self) -> &Agent {
        self.agent.get_or_init(|| {
            // What the system trusts; without any, every certificate is refused with a clear error.
            let roots: Vec<_> = rustls_native_certs::load_native_certs()
                .certs
                .iter()
                .map(|certificate| Certificate::from_der(certificate).to_owned())
                .collect();
            let tls = TlsConfig::builder().root_certs(RootCerts::from(roots)).build();
            Agent::config_builder()
                .tls_config(tls)
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(concat!("openflux/", env!("CARGO_PKG_VERSION")))
                .build()
                .into()
        })
    }
}

impl Network for Direct {
    fn get(&self, get: &Get<'_>) -> Result<Answer, NetworkError> {
        let uri: Uri = get.url.as_str().parse().map_err(|e| failed(&e))?;
        let mut request = self.agent().get(uri);
        if let Some(authorization) = &get.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.config().timeout_global(Some(get.time)).build();
        let mut response = request.call().map_err(|error| match error {
            ureq::Error::Timeout(_) => NetworkError::TimedOut,
            other => failed(&other),
        })?;
        let status = response.status();
        let location = response.headers().get(header::LOCATION);
        let location = location.and_then(|location| Some(location.to_str().ok()?.to_owned()));
        let mut body = Vec::new();
        if let Some(limit) = get.limit.filter(|_| status.is_success()) {
            let reader = response.body_mut().as_reader();
            let read = reader.take(limit.saturating_add(1)).read_to_end(&mut body);
            read.map_err(|e| failed(&e))?;
            if body.len() as u64 > limit {
                return Err(NetworkError::TooLarge);
            }
        }
        Ok(Answer {
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default().to_owned(),
            location,
            body,
        })
    }
}

fn failed(error: &dyn std::error::Error) -> NetworkError {
    NetworkError::Failed(error.to_string())
}
