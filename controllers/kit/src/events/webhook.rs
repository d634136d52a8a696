//! The JSON that notification-controller receives.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::report::{Report, Severity, cut};
use crate::artifact::shown_url;
use crate::backoff::Backoff;
use crate::http::system_tls;

const MAX_MESSAGE: usize = 39_000;
/// Attempts to reach the receiver, as in fluxcd/pkg/runtime/events.
const ATTEMPTS: u32 = 5;
const TIMEOUT: Duration = Duration::from_secs(5);
const PAUSES: Backoff = Backoff {
    min: Duration::from_millis(500),
    max: Duration::from_secs(8),
};

/// Posts to the notification receiver.
pub(super) struct Webhook {
    client: HttpClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    instance: String,
}

impl Webhook {
    pub(super) fn new(url: &str, instance: &str) -> std::io::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(system_tls()?)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: HttpClient::builder(TokioExecutor::new()).build(connector),
            url: url.to_owned(),
            instance: instance.to_owned(),
        })
    }

    /// Gives the address as logs may show it.
    pub(super) fn shown_url(&self) -> String {
        shown_url(&self.url)
    }

    fn payload(&self, report: &Report) -> Value {
        let Report {
            controller,
            event,
            at,
        } = report;
        let mut payload = json!({
            "involvedObject": event.regarding,
            "severity": match event.severity { Severity::Info => "info", Severity::Error => "error", Severity::Trace => "trace" },
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "message": cut(&event.message, MAX_MESSAGE),
            "reason": event.reason,
            "reportingController": **controller,
            "reportingInstance": self.instance,
        });
        if !event.metadata.is_empty() {
            payload["metadata"] = json!(event.metadata);
        }
        payload
    }

    /// Posts an event; a receiver that answers 429 has seen it already.
    pub(super) async fn post(&self, report: &Report) -> Result<(), String> {
        let body = Bytes::from(self.payload(report).to_string());
        let mut attempts = PAUSES.attempts();
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let request = Request::post(&self.url)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(body.clone()))
                .map_err(|error| error.to_string())?;
            match tokio::time::timeout(TIMEOUT, self.client.request(request)).await {
                Ok(Ok(response)) => match response.status() {
                    StatusCode::TOO_MANY_REQUESTS => return Ok(()),
                    status if status.is_success() => return Ok(()),
                    status if !status.is_server_error() => return Err(format!("answered {status}")),
                    status => last = format!("answered {status}"),
                },
                Ok(Err(error)) => last = error.to_string(),
                Err(_) => last = format!("no answer within {TIMEOUT:?}"),
            }
            tokio::time::sleep(attempts.failed()).await;
        }
        Err(last)
    }
}
