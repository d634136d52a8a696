//! What an author reads of Secrets, and what must not be told of that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use super::{Failure, Fate};

/// After how long a Secret that is missing is looked for again, if nobody is told that it is there.
const MISSING: Duration = Duration::from_secs(30);
/// Values that are shorter are not looked for in texts: they would be found everywhere.
const SHORTEST: usize = 4;

/// The Secrets of one look, and what is in them.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    names: BTreeSet<String>,
    values: Vec<String>,
}

impl Secrets {
    /// Reads a Secret. From then on its values are masked.
    ///
    /// # Errors
    /// It does not exist, or cannot be read.
    pub async fn read(
        &mut self,
        client: &Client,
        namespace: &str,
        name: &str,
    ) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        self.names.insert(name.to_owned());
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let found = api.get_opt(name).await;
        let found = found.map_err(|error| {
            Failure::retry("SecretNotRead", format!("cannot read Secret '{name}': {error}"))
        })?;
        let Some(secret) = found else {
            let message = format!("Secret '{namespace}/{name}' does not exist");
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
                    self.values.push(text.to_owned());
                }
            }
        }
        Ok(data)
    }

    /// Gives the names of all Secrets that were asked for, whether they exist or not.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Leaves out of a text what must not be told.
    pub fn mask(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), "***");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    #[test]
    fn nothing_secret_is_told() {
        let secrets = Secrets {
            values: vec!["hunter22".to_owned(), "token-1".to_owned()],
            ..Secrets::default()
        };
        let text = "GET ?key=hunter22 answered token-1";
        assert_eq!(secrets.mask(text), "GET ?key=*** answered ***");
    }
}
