//! The way to a cluster that a kubeconfig leads to.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use kubeconfig::Access;
use serde_json::{Value, json};

use crate::bearing::TokenSource;
use crate::client::connect_with;
use crate::metrics::Metrics;

/// Longest wait for an answer of another cluster, as in stock.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A way that cannot be taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// What the kubeconfig says makes no connection: a certificate or a key is none.
    #[error("{0}")]
    Client(String),
    /// The command that hands out credentials failed; what it said may be secret.
    #[error("getting credentials: exec: the command of the kubeconfig failed")]
    Exec,
}

/// Makes a client of the cluster that `access` leads to, with the token of a source in every request if there is one;
/// nothing is asked of the cluster.
///
/// # Errors
/// See [`ConnectError`].
pub async fn connect_to(
    access: &Access,
    tokens: Option<Arc<dyn TokenSource>>,
    metrics: &Metrics,
) -> Result<Client, ConnectError> {
    let config = config(access).await?;
    let has_command = access.credentials.exec.is_some();
    let metrics = metrics.clone();
    // A command that hands out credentials is waited for.
    let connecting = tokio::task::spawn_blocking(move || connect_with(config, &metrics, tokens));
    match connecting.await {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(_)) if has_command => Err(ConnectError::Exec),
        Ok(Err(error)) => Err(ConnectError::Client(error.to_string())),
        Err(error) => Err(ConnectError::Client(error.to_string())),
    }
}

/// What the client is made from. Proxies of the environment count, as in stock, where the kubeconfig names none.
async fn config(access: &Access) -> Result<Config, ConnectError> {
    let failed = |error: &dyn std::fmt::Display| ConnectError::Client(error.to_string());
    let document: Kubeconfig = serde_json::from_value(document(access)).map_err(|error| failed(&error))?;
    let config = Config::from_custom_kubeconfig(document, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|error| failed(&error))?;
    config.accept_invalid_certs = access.is_insecure;
    Ok(config)
}

/// A kubeconfig of what is kept of one.
fn document(access: &Access) -> Value {
    let credentials = &access.credentials;
    let (certificate, key) = credentials.certificate.clone().unzip();
    let encode = |bytes: Option<Vec<u8>>| bytes.map(|bytes| STANDARD.encode(bytes));
    let (username, password) = credentials.basic.clone().unzip();
    let user = json!({
        "token": credentials.token, "exec": credentials.exec,
        "username": username, "password": password,
        "client-certificate-data": encode(certificate), "client-key-data": encode(key),
    });
    let cluster = json!({
        "server": access.server, "certificate-authority-data": encode(access.authorities.clone()),
        "tls-server-name": access.server_name, "proxy-url": access.proxy,
        "disable-compression": access.uncompressed,
    });
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "remote",
        "contexts": [{"name": "remote", "context": {"cluster": "remote", "user": "remote"}}],
        "clusters": [{"name": "remote", "cluster": without_nulls(cluster)}],
        "users": [{"name": "remote", "user": without_nulls(user)}],
    })
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}

#[cfg(test)]
mod tests {
    use kubeconfig::Credentials;

    use super::*;

    fn access() -> Access {
        Access {
            server: "https://far:6443".to_owned(),
            authorities: None,
            server_name: Some("api.far".to_owned()),
            is_insecure: false,
            proxy: Some("http://proxy:3128".to_owned()),
            uncompressed: true,
            credentials: Credentials::default(),
        }
    }

    #[tokio::test]
    async fn everything_that_was_kept_is_used() {
        let basic = Some(("me".to_owned(), "secret".to_owned()));
        let given = Access {
            credentials: Credentials {
                basic,
                ..Credentials::default()
            },
            ..access()
        };
        let config = config(&given).await.unwrap();
        assert_eq!(config.cluster_url.to_string(), "https://far:6443/");
        assert_eq!(config.tls_server_name.as_deref(), Some("api.far"));
        assert_eq!(
            config.proxy_url.map(|url| url.to_string()).as_deref(),
            Some("http://proxy:3128/")
        );
        assert!(config.disable_compression && !config.accept_invalid_certs);
        assert_eq!(config.auth_info.username.as_deref(), Some("me"));
        assert!(config.auth_info.password.is_some() && config.auth_info.token.is_none());
    }

    #[tokio::test]
    async fn a_key_that_is_none_makes_no_client_and_is_not_repeated() {
        let certificate = Some((b"-secret-".to_vec(), b"-secret-".to_vec()));
        let given = Access {
            credentials: Credentials {
                certificate,
                ..Credentials::default()
            },
            ..access()
        };
        let error = connect_to(&given, None, &Metrics::new().unwrap())
            .await
            .map(|_| ())
            .unwrap_err();
        assert!(!error.to_string().contains("-secret-"), "{error}");
    }
}
