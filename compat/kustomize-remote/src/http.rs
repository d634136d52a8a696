//! One file over HTTP(S).

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kustomize::RemoteError;
use percent_encoding::percent_decode_str;
use ureq::Agent;
use ureq::http::{Response, Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use url::Url;

use crate::Policy;

/// As many as Go's client follows.
const MAX_REDIRECTS: usize = 10;

pub(crate) fn agent(policy: &Policy) -> Agent {
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
        // Followed here, because each host on the way has to be allowed.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(policy.get_time))
        .user_agent(concat!("openflux/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

pub(crate) fn get(agent: &Agent, policy: &Policy, url: &str, limit: u64) -> Result<Vec<u8>, RemoteError> {
    let failed = |reason: String| RemoteError::Failed(format!("Get {url:?}: {reason}"));
    let mut next = Url::parse(url).map_err(|e| failed(e.to_string()))?;
    for _ in 0..=MAX_REDIRECTS {
        policy.check(next.as_str())?;
        let mut response = request(agent, &next).map_err(|error| match error {
            ureq::Error::Timeout(_) => {
                RemoteError::TimedOut(format!("Get {url:?}: no answer within {:?}", policy.get_time))
            }
            other => failed(other.to_string()),
        })?;
        if let Some(location) = redirect(&response) {
            next = next.join(&location).map_err(|e| failed(e.to_string()))?;
            if !matches!(next.scheme(), "http" | "https") {
                return Err(failed(format!("unsupported protocol scheme {:?}", next.scheme())));
            }
            continue;
        }
        let status = response.status();
        if !status.is_success() {
            let text = status.canonical_reason().unwrap_or_default().to_owned();
            return Err(RemoteError::Status(status.as_u16(), text));
        }
        let mut content = Vec::new();
        response
            .body_mut()
            .as_reader()
            .take(limit.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(|e| failed(e.to_string()))?;
        if content.len() as u64 > limit {
            return Err(RemoteError::TooLarge(format!(
                "Get {url:?}: the file is larger than the {limit} bytes that this build may still read"
            )));
        }
        return Ok(content);
    }
    Err(failed(format!("stopped after {MAX_REDIRECTS} redirects")))
}

fn request(agent: &Agent, url: &Url) -> Result<Response<ureq::Body>, ureq::Error> {
    // Credentials that the URL holds are basic authentication, to the host that it names only.
    let mut bare = url.clone();
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy();
    let (user, password) = (
        decoded(url.username()),
        decoded(url.password().unwrap_or_default()),
    );
    // Both succeed for every URL that has a host.
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.set_fragment(None);
    let mut request = agent.get(bare.as_str().parse::<Uri>().map_err(ureq::http::Error::from)?);
    if !user.is_empty() || !password.is_empty() {
        let basic = STANDARD.encode(format!("{user}:{password}"));
        request = request.header(header::AUTHORIZATION, format!("Basic {basic}"));
    }
    request.call()
}

fn redirect(response: &Response<ureq::Body>) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?;
    Some(location.to_str().ok()?.to_owned())
}
