//! How services that decrypt data keys are reached.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use controller_kit::http::{Client, Guard, HostList, HttpError};
use http::HeaderMap;
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use sops_kms::{Network, NetworkError, Reply, Request, Sent, Trust};

/// How long one request may take.
const TIME: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const LONGEST: usize = 1 << 20;
/// The clients that ask services for keys.
#[derive(Clone, Debug)]
pub struct KeyNetwork {
    /// For names of the clouds, and what the environment of the process says.
    trusted: Arc<Client>,
    /// For what files and Secrets say.
    guarded: Arc<Client>,
}

impl KeyNetwork {
    /// Makes them; files and Secrets may only name hosts of the list, if there is one.
    ///
    /// # Errors
    /// The certificates of the system cannot be read.
    pub fn new(listed: Option<HostList>) -> io::Result<Self> {
        // Neither this machine nor what belongs to it, such as metadata services, but the cluster's services: Vault is one.
        let guard = Guard::new(listed, "--sops-key-hosts");
        let all = HostList::parse(["0.0.0.0/0", "::/0"]).map_err(io::Error::other)?;
        Ok(Self {
            trusted: Arc::new(Client::with_proxies(Guard::new(Some(all), "--sops-key-hosts"))?),
            guarded: Arc::new(Client::with_proxies(guard)?),
        })
    }

    async fn exchange(&self, request: Request) -> Result<Reply, NetworkError> {
        let client = match request.trust {
            Trust::Process => &self.trusted,
            Trust::Tenant => &self.guarded,
        };
        let failed = |error: &dyn std::fmt::Display, is_final| NetworkError {
            text: error.to_string(),
            is_final,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let mut value: http::HeaderValue = value.parse().map_err(|error| failed(&error, true))?;
            value.set_sensitive(true);
            headers.insert(*name, value);
        }
        let method = request.method.parse().map_err(|error| failed(&error, true))?;
        let sent = client.request(method, &request.url, headers, Bytes::from(request.body));
        let sent = sent.map_err(|error| failed(&error, matches!(error, HttpError::Refused(_))))?;
        let response = sent.await;
        let response = response.map_err(|error| failed(&error, matches!(error, HttpError::Refused(_))))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LONGEST).collect().await;
        let body = body.map_err(|error| failed(&error, true))?;
        let headers = head
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        Ok(Reply {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: body.to_bytes().to_vec(),
        })
    }
}

impl Network for KeyNetwork {
    fn send(&self, request: Request) -> Sent<'_> {
        Box::pin(async move {
            let sent = tokio::time::timeout(TIME, self.exchange(request)).await;
            sent.unwrap_or_else(|_| {
                Err(NetworkError {
                    text: format!("no answer within {} s", TIME.as_secs()),
                    is_final: false,
                })
            })
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn pause(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(time))
    }
}
