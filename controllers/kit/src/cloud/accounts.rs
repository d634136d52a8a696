//! Service accounts and their tokens, and what is around the process.

use std::collections::BTreeMap;
use std::io;

use cloud_auth::{Asked, Cluster, Surroundings};
use http::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::mapping::Mapping;
use crate::rest::{Ask, Rest};

/// The service accounts of a cluster, as whoever asks for them there.
pub struct Accounts(pub Rest);

impl Accounts {
    async fn read(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, String> {
        let found = self.0.get(&mapping(), namespace, name).await;
        let found = found.map_err(|error| error.to_string())?;
        Ok(found.map(|account| {
            let annotations = account.pointer("/metadata/annotations").cloned();
            // The API server only stores texts.
            serde_json::from_value(annotations.unwrap_or_default()).unwrap_or_default()
        }))
    }

    async fn ask(
        &self,
        namespace: &str,
        name: &str,
        audiences: &[String],
    ) -> Result<Zeroizing<String>, String> {
        let path = mapping().path(namespace, name) + "/token";
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "metadata": {}, "spec": {"audiences": audiences}});
        let ask = Ask::new(Method::POST, &path).with("application/json", &body);
        let answer = self.0.ask(&ask).await.map_err(|error| error.to_string())?;
        let token = answer.pointer("/status/token").and_then(Value::as_str);
        let token = token.ok_or_else(|| "the API server gave no token".to_owned())?;
        Ok(Zeroizing::new(token.to_owned()))
    }
}

impl Cluster for Accounts {
    fn annotations<'c>(
        &'c self,
        namespace: &'c str,
        name: &'c str,
    ) -> Asked<'c, Option<BTreeMap<String, String>>> {
        Box::pin(self.read(namespace, name))
    }

    fn token<'c>(
        &'c self,
        namespace: &'c str,
        name: &'c str,
        audiences: &'c [String],
    ) -> Asked<'c, Zeroizing<String>> {
        Box::pin(self.ask(namespace, name, audiences))
    }
}

fn mapping() -> Mapping {
    Mapping {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "ServiceAccount".to_owned(),
        plural: "serviceaccounts".to_owned(),
        namespaced: true,
    }
}

/// The environment and the files of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessSurroundings;

impl Surroundings for ProcessSurroundings {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn file(&self, path: &str) -> Result<Option<String>, String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("open {path}: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[tokio::test]
    async fn accounts_are_read_and_tokens_are_for_those_who_are_named() {
        let client = fake::client(
            |method, path, body| match (method.as_str(), path) {
                ("GET", "/api/v1/namespaces/apps/serviceaccounts/me") => {
                    (200, json!({"metadata": {"annotations": {"a": "b"}}}))
                }
                ("POST", "/api/v1/namespaces/apps/serviceaccounts/me/token") => {
                    let audience = body.pointer("/spec/audiences/0").cloned();
                    (201, json!({"status": {"token": audience}}))
                }
                _ => fake::failure(404, "NotFound", "serviceaccounts \"you\" not found"),
            },
            || true,
        );
        let accounts = Accounts(Rest::new(client));
        let annotations = accounts.annotations("apps", "me").await;
        assert_eq!(annotations, Ok(Some([("a".to_owned(), "b".to_owned())].into())));
        assert_eq!(accounts.annotations("apps", "you").await, Ok(None));
        let audiences = ["far".to_owned()];
        let token = accounts.token("apps", "me", &audiences).await;
        assert_eq!(token.as_deref().map(String::as_str), Ok("far"));
        let error = accounts.token("apps", "you", &audiences).await.unwrap_err();
        assert_eq!(error, "serviceaccounts \"you\" not found");
    }
}
