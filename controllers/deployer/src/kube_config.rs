//! From `spec.kubeConfig` to a cluster.
//!
//! Credentials are read with the controller's own identity, from the namespace of the object that names them, at the
//! beginning of each run: what has been rotated counts from then on. Where they lead to is up to whoever wrote them, as in
//! stock: the guard of [`controller_kit::http`] is for addresses that the controller would not talk to otherwise, while a
//! kubeconfig names a party that is talked to with that party's own credentials, and with nothing of the controller's.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloud_auth::{ClusterSettings, Identities, Identity, WayError};
use controller_kit::{
    Cluster, ConnectError, Mapping, ObjectKey, RestError, Slot, cluster_id, connect_to, identity_cluster_id,
};
use flux_api::{KubeConfigReference, SecretKeyReference};
use kubeconfig::{Access, Credentials};
use serde_json::Value;

use crate::context::Context;
use crate::kind::Kind;
use crate::workload_identity::ClusterTokens;

/// How long is waited for whoever knows the way to a cluster.
const PATIENCE: Duration = Duration::from_mins(1);

/// Why it is not known how to get to the cluster of an object; in kustomize-controller's words.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The Secret could not be read.
    #[error("unable to read KubeConfig secret '{secret}' error: {why}")]
    Secret {
        /// The Secret.
        secret: ObjectKey,
        /// What the API server answered.
        why: String,
        /// Whether there is none.
        is_not_found: bool,
    },
    /// The Secret lacks the key.
    #[error("KubeConfig secret '{secret}' does not contain a '{}' key with a kubeconfig", .key.as_deref().unwrap_or("value"))]
    Key {
        /// The Secret.
        secret: ObjectKey,
        /// The key, if one was named.
        key: Option<String>,
    },
    /// What is under the key is no kubeconfig that can be used.
    #[error("invalid KubeConfig in secret '{secret}': {error}")]
    KubeConfig {
        /// The Secret.
        secret: ObjectKey,
        /// What is wrong.
        error: kubeconfig::Error,
    },
    /// The ConfigMap could not be read.
    #[error("failed to get configmap {map}: {why}")]
    ConfigMap {
        /// The ConfigMap.
        map: ObjectKey,
        /// What the API server answered.
        why: String,
        /// Whether there is none.
        is_not_found: bool,
    },
    /// There is no way to the cluster that the ConfigMap names.
    #[error(transparent)]
    Way(#[from] WayError),
    /// Whoever knows the way did not tell it in time.
    #[error("failed to get access token for cluster: no answer within {}s", PATIENCE.as_secs())]
    Silent,
    /// It leads to no client.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// Nothing is named.
    #[error(
        "invalid .spec.kubeConfig, neither .spec.kubeConfig.provider nor .spec.kubeConfig.secretRef is set"
    )]
    Nothing,
    /// The service account cannot be one.
    #[error(transparent)]
    Identity(#[from] RestError),
}

impl ClusterError {
    /// Tells whether something that is named does not exist.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Secret { is_not_found, .. } | Self::ConfigMap { is_not_found, .. } => *is_not_found,
            Self::Way(error) => error.is_not_found(),
            _ => false,
        }
    }
}

/// Finds the cluster that `reference` of the object `user` leads to, as whoever the credentials are for; `identities` gets tokens
/// for it.
///
/// Nothing is asked of the cluster.
pub(crate) async fn find<K: Kind>(
    context: &Context<K>,
    slot: &mut Slot,
    user: &ObjectKey,
    identities: &Identities,
    reference: &KubeConfigReference,
) -> Result<Cluster, ClusterError> {
    let Some(secret) = &reference.secret_ref else {
        let map = reference.config_map_ref.as_ref().ok_or(ClusterError::Nothing)?;
        return find_by_provider(context, slot, user, identities, &map.name).await;
    };
    let name = ObjectKey::new(user.namespace.as_str(), secret.name.as_str());
    let text = read(context, &name, secret).await?;
    let id = cluster_id(&text);
    if let Some(known) = context.clusters.known(&id, user) {
        return Ok(known);
    }
    let access = Access::of(&text, context.settings.kube_config.permits);
    let access = access.map_err(|error| ClusterError::KubeConfig { secret: name, error })?;
    let connecting = connect_to(&access, None, &context.metrics);
    let client = if access.credentials.exec.is_some() {
        slot.on("a command that hands out credentials")
            .park(connecting)
            .await?
    } else {
        connecting.await?
    };
    Ok(context.clusters.meet(&id, client, user))
}

/// Finds the cluster that a ConfigMap names; clouds are asked outside the worker slot.
async fn find_by_provider<K: Kind>(
    context: &Context<K>,
    slot: &mut Slot,
    user: &ObjectKey,
    identities: &Identities,
    name: &str,
) -> Result<Cluster, ClusterError> {
    let map = ObjectKey::new(user.namespace.as_str(), name);
    let failed = |why: String, is_not_found| ClusterError::ConfigMap {
        map: map.clone(),
        why,
        is_not_found,
    };
    let mapping = core("ConfigMap", "configmaps");
    let read = context.rest.get_existing(&mapping, &map.namespace, name).await;
    let found = read.map_err(|error| failed(error.to_string(), says_absent(&error)))?;
    let data = found.get("data").cloned().unwrap_or_default();
    // The API server only stores texts.
    let settings = ClusterSettings::read(&serde_json::from_value(data).unwrap_or_default())?;
    let who = Identity {
        namespace: map.namespace.clone(),
        account: String::new(),
        default_account: context.settings.kube_config.workload.default_account.clone(),
        is_enabled: context.settings.kube_config.workload.is_enabled,
    };
    let asking = tokio::time::timeout(PATIENCE, identities.way(&settings, &who));
    let asked = slot.on("a token for another cluster").park(asking).await;
    let way = asked.map_err(|_| ClusterError::Silent)??;
    // Everything that leads there but the token, which changes.
    let words = format!("{who:?}\n{settings:?}\n{}\n{}", way.server, way.authorities);
    let id = identity_cluster_id(words.as_bytes());
    if let Some(known) = context.clusters.known(&id, user) {
        return Ok(known);
    }
    let access = Access {
        server: way.server.clone(),
        authorities: (!way.authorities.is_empty()).then(|| way.authorities.clone().into_bytes()),
        server_name: None,
        is_insecure: false,
        proxy: None,
        uncompressed: false,
        credentials: Credentials::default(),
    };
    let tokens = ClusterTokens::new(context.identities.clone(), settings, who, way);
    let client = connect_to(&access, Some(Arc::new(tokens)), &context.metrics).await?;
    Ok(context.clusters.meet(&id, client, user))
}

/// Reads the kubeconfig in a Secret.
async fn read<K: Kind>(
    context: &Context<K>,
    name: &ObjectKey,
    reference: &SecretKeyReference,
) -> Result<Vec<u8>, ClusterError> {
    let failed = |why: String, is_not_found| ClusterError::Secret {
        secret: name.clone(),
        why,
        is_not_found,
    };
    let read = context
        .rest
        .get_existing(&core("Secret", "secrets"), &name.namespace, &name.name)
        .await;
    let secret = read.map_err(|error| failed(error.to_string(), says_absent(&error)))?;
    let value = |key: &str| {
        let text = secret.get("data")?.get(key).and_then(Value::as_str)?;
        // The API server only stores valid base64.
        STANDARD.decode(text).ok()
    };
    let (found, key) = match reference.key.as_str() {
        "" => (value("value").or_else(|| value("value.yaml")), None),
        key => (value(key), Some(key.to_owned())),
    };
    found.ok_or_else(|| ClusterError::Key {
        secret: name.clone(),
        key,
    })
}

/// Tells whether the API server has said that there is no such object.
fn says_absent(error: &RestError) -> bool {
    error.is_not_found() && !error.is_not_served()
}

fn core(kind: &str, plural: &str) -> Mapping {
    Mapping {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_as_stock_says_it() {
        let secret = || ObjectKey::new("apps", "far");
        let missing = ClusterError::Secret {
            secret: secret(),
            why: "secrets \"far\" not found".to_owned(),
            is_not_found: true,
        };
        let key = |key: Option<&str>| ClusterError::Key {
            secret: secret(),
            key: key.map(str::to_owned),
        };
        for (error, expected) in [
            (
                &missing,
                "unable to read KubeConfig secret 'apps/far' error: secrets \"far\" not found",
            ),
            (
                &key(None),
                "KubeConfig secret 'apps/far' does not contain a 'value' key with a kubeconfig",
            ),
            (
                &key(Some("k")),
                "KubeConfig secret 'apps/far' does not contain a 'k' key with a kubeconfig",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
        assert!(missing.is_not_found() && !key(None).is_not_found());
    }
}
