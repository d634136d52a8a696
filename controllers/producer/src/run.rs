//! What the library gives an author for one look at a source.

use std::collections::BTreeMap;

use artifact_crd::{LocalReference, SourceStatus};
use artifact_store::Stored;
use controller_kit::author::Secrets;
use controller_kit::events::Severity;
use http::HeaderMap;
use kube::Client;
use serde_json::Value;

use crate::Failure;
use crate::http::{Fetching, Http, http_headers};

/// One look at a source.
pub struct Run {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) status: SourceStatus,
    pub(crate) stored: Option<Stored>,
    /// Whether what is stored may be compared with: it is that of this spec, and nobody forces another look.
    pub(crate) is_fresh: bool,
    pub(crate) secrets: Secrets,
    pub(crate) fetching: Fetching,
    pub(crate) step: &'static str,
    pub(crate) events: Vec<(Severity, &'static str, String)>,
}

impl Run {
    /// Gives what is stored for the source, if its file is there.
    pub fn current(&self) -> Option<&Stored> {
        self.stored.as_ref()
    }

    /// Tells whether what is stored may be compared with what there is now: its file is there, the spec has not changed since,
    /// the last look succeeded, and nobody forces another one.
    pub fn is_fresh(&self) -> bool {
        self.is_fresh && self.stored.is_some()
    }

    /// Tells whether what is stored has this token, and may be compared with.
    pub fn is_current(&self, token: &str) -> bool {
        self.is_fresh() && self.status.token.as_deref() == Some(token)
    }

    /// Gives a field of the status that was kept beside what is stored.
    pub fn remembered(&self, field: &str) -> Option<&Value> {
        self.status.more.get(field)
    }

    /// Reads a Secret of the source's namespace. Its values are masked in whatever is told about this look, and when it changes
    /// the source is looked at again.
    ///
    /// # Errors
    /// It does not exist, or cannot be read.
    pub async fn secret(&mut self, name: &str) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        self.step("reading Secrets");
        self.secrets.read(&self.client, &self.namespace, name).await
    }

    /// Gives a client, which says who asks if a Secret does: `username` and `password`, `bearerToken`, or `header.NAME`.
    ///
    /// It connects to no address of this machine, of metadata services and the like; redirects are followed, but whoever is told
    /// by one that it is another server is not told who asks.
    ///
    /// # Errors
    /// The Secret does not exist, or says nothing of that.
    pub async fn http(&mut self, secret: Option<&LocalReference>) -> Result<Http, Failure> {
        let headers = match secret {
            Some(reference) => {
                let data = self.secret(&reference.name).await?;
                let invalid =
                    |why| Failure::later("SecretInvalid", format!("Secret '{}': {why}", reference.name));
                http_headers(&data).map_err(invalid)?
            }
            None => HeaderMap::new(),
        };
        self.step("asking the server");
        Ok(Http::new(self.fetching.clone(), headers))
    }

    /// Says what is done now, for whoever wonders what took so long.
    pub fn step(&mut self, name: &'static str) {
        self.step = name;
    }

    /// Tells the people behind the source something.
    pub fn event(&mut self, severity: Severity, reason: &'static str, message: impl Into<String>) {
        self.events.push((severity, reason, message.into()));
    }

    /// Gives the client that acts as the controller.
    pub fn client(&self) -> &Client {
        &self.client
    }
}
