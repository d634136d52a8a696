//! How services of clouds, and services that decrypt keys, are reached.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use cloud_auth::{Network, NetworkError, Reply, Request, Sent, Trust};
use http::HeaderMap;
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;

use crate::http::{Client, Guard, HostList, HttpError};

/// How long one request may take.
const TIME: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const LONGEST: usize = 1 << 20;

/// The clients that ask clouds for tokens, and services for keys; they are made when they are needed.
#[derive(Clone, Debug)]
pub struct CloudNetwork(Arc<Clients>);

#[derive(Debug)]
struct Clients {
    listed: Option<HostList>,
    flag: &'static str,
    /// For names of the clouds, and what the environment of the process says.
    trusted: OnceLock<Result<Client, String>>,
    /// For the metadata service of the machine, which no proxy is asked for.
    direct: OnceLock<Result<Client, String>>,
    /// For what files and Secrets say.
    guarded: OnceLock<Result<Client, String>>,
}

impl CloudNetwork {
    /// Prepares them; files and Secrets may only name hosts of the list that the flag makes, if there is one.
    pub fn new(listed: Option<HostList>, flag: &'static str) -> Self {
        Self(Arc::new(Clients {
            listed,
            flag,
            trusted: OnceLock::new(),
            direct: OnceLock::new(),
            guarded: OnceLock::new(),
        }))
    }

    fn client(&self, trust: Trust) -> Result<&Client, NetworkError> {
        let clients = &*self.0;
        let unreadable = |error| format!("cannot read the certificates of the system: {error}");
        let make = |listed| Client::with_proxies(Guard::new(listed, clients.flag)).map_err(unreadable);
        let all = || HostList::parse(["0.0.0.0/0", "::/0"]).map_err(|error| error.to_string());
        let made = match trust {
            Trust::Process => clients.trusted.get_or_init(|| make(Some(all()?))),
            Trust::Machine => clients
                .direct
                .get_or_init(|| Client::new(Guard::new(Some(all()?), clients.flag)).map_err(unreadable)),
            // Neither this machine nor what belongs to it, such as metadata services, but the cluster's services: Vault is
            // one.
            Trust::Tenant => clients.guarded.get_or_init(|| make(clients.listed.clone())),
        };
        made.as_ref().map_err(|error| failed(error, true))
    }

    async fn exchange(&self, request: Request) -> Result<Reply, NetworkError> {
        let client = self.client(request.trust)?;
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

fn failed(error: &dyn Display, is_final: bool) -> NetworkError {
    NetworkError {
        text: error.to_string(),
        is_final,
    }
}

impl Network for CloudNetwork {
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
