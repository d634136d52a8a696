//! What the library gives an author for one look at a source.

use std::collections::BTreeMap;
use std::time::Duration;

use artifact_crd::SourceStatus;
use artifact_store::Stored;
use controller_kit::events::Severity;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::Value;

use crate::{Failure, Fate};

/// After how long a Secret that is missing is looked for again.
const MISSING: Duration = Duration::from_secs(30);
/// Values that are shorter are not looked for in texts: they would be found everywhere.
const SHORTEST: usize = 4;

/// One look at a source.
pub struct Run {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) status: SourceStatus,
    pub(crate) stored: Option<Stored>,
    /// Whether what is stored may be compared with: it is that of this spec, and nobody forces another look.
    pub(crate) is_fresh: bool,
    /// What must not be told to anybody.
    pub(crate) secrets: Vec<String>,
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

    /// Reads a Secret of the source's namespace. Its values are masked in whatever is told about this look.
    ///
    /// # Errors
    /// It does not exist, or cannot be read.
    pub async fn secret(&mut self, name: &str) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        self.step("reading Secrets");
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let found = api.get_opt(name).await;
        let found = found.map_err(|error| {
            Failure::retry("SecretNotRead", format!("cannot read Secret '{name}': {error}"))
        })?;
        let Some(secret) = found else {
            let message = format!("Secret '{}/{name}' does not exist", self.namespace);
            return Err(Failure::new(Fate::After(MISSING), "SecretNotFound", message));
        };
        let data: BTreeMap<_, _> = secret
            .data
            .into_iter()
            .flatten()
            .map(|(key, value)| (key, value.0))
            .collect();
        for value in data.values() {
            let text = String::from_utf8_lossy(value);
            for text in [text.as_ref(), text.trim()] {
                if text.len() >= SHORTEST {
                    self.secrets.push(text.to_owned());
                }
            }
        }
        Ok(data)
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

    /// Leaves out of a text what must not be told.
    pub(crate) fn masked(&self, text: &str) -> String {
        masked(&self.secrets, text)
    }
}

fn masked(secrets: &[String], text: &str) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), "***");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn nothing_secret_is_told() {
        let secrets = ["hunter22".to_owned(), "token-1".to_owned()];
        let text = "GET ?key=hunter22 answered token-1";
        assert_eq!(masked(&secrets, text), "GET ?key=*** answered ***");
    }
}
