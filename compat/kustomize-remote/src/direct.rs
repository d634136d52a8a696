//! HTTP for a program that may ask any host: a command line.

use std::io::{self, Read};
use std::sync::OnceLock;

use ureq::Agent;
use ureq::http::{Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::{Answer, Network, NetworkError, Request};

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
    fn send(&self, request: &Request<'_>) -> Result<Answer, NetworkError> {
        let uri: Uri = request.url.as_str().parse().map_err(|e| failed(&e))?;
        let authorization = request.authorization.as_deref();
        let headers = request.headers.iter().copied();
        let headers = headers.chain(authorization.map(|value| (header::AUTHORIZATION.as_str(), value)));
        let answer = if let Some(body) = &request.body {
            let mut post = self.agent().post(uri);
            for (name, value) in headers {
                post = post.header(name, value);
            }
            let post = post.config().timeout_global(Some(request.time)).build();
            post.send(body.as_slice())
        } else {
            let mut get = self.agent().get(uri);
            for (name, value) in headers {
                get = get.header(name, value);
            }
            let get = get.config().timeout_global(Some(request.time)).build();
            get.call()
        };
        let answer = answer.map_err(|error| network_error(&error))?;
        let status = answer.status();
        let text = |name| {
            let value = answer.headers().get(name)?;
            Some(value.to_str().ok()?.to_owned())
        };
        Ok(Answer {
            status: status.as_u16(),
            reason: status.canonical_reason().unwrap_or_default().to_owned(),
            location: text(header::LOCATION),
            content_type: text(header::CONTENT_TYPE),
            body: Box::new(Body(answer.into_body().into_reader())),
        })
    }
}

/// A body whose errors are this crate's.
struct Body<R>(R);

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0
            .read(buffer)
            .map_err(|error| match error.downcast::<ureq::Error>() {
                Ok(error) => network_error(&error).into(),
                Err(error) => error,
            })
    }
}

fn network_error(error: &ureq::Error) -> NetworkError {
    match error {
        ureq::Error::Timeout(_) => NetworkError::TimedOut,
        other => failed(other),
    }
}

fn failed(error: &dyn std::error::Error) -> NetworkError {
    NetworkError::Failed(error.to_string())
}
