//! Services that decrypt data keys, as one object may use them, and the thread of a build that waits for them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use controller_kit::{ObjectKey, Rest};
use flux_api::Kustomization;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::Api;
use kube::api::PostParams;
use parking_lot::Mutex;
use serde_json::Value;
use sops::{KeyService, LocalKeys, MasterKey};
use sops_kms::{Access, Granted, Identities, Imported, Services, Surroundings, VaultLogins, Wants};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::DecryptionSettings;
use crate::decryption::Keys;
use crate::remote::Probe;

/// How many data keys services decrypt for one build.
const CALLS: usize = 256;

/// Where a pod finds its own token.
const OWN_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// The service account of an object, or that of the controller.
struct Accounts {
    client: kube::Client,
    namespace: String,
    /// Empty for the controller itself.
    name: String,
}

impl Accounts {
    /// A token of the account for somebody.
    async fn token(&self, audience: &str) -> Result<Zeroizing<String>, String> {
        let (namespace, name) = if self.name.is_empty() {
            own_account()?
        } else {
            (self.namespace.clone(), self.name.clone())
        };
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(vec![audience.to_owned()]),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let made = api
            .create_token_request(&name, &PostParams::default(), &request)
            .await;
        let made = made.map_err(|error| {
            format!("failed to create kubernetes token for service account '{namespace}/{name}': {error}")
        })?;
        let token = made.status.and_then(|status| status.token);
        let token = token.ok_or_else(|| "the API server gave no token".to_owned())?;
        Ok(Zeroizing::new(token))
    }
}

/// Namespace and name of the controller's account, as its own token says.
fn own_account() -> Result<(String, String), String> {
    let failed = |why: &str| format!("failed to read service account token file {OWN_TOKEN}: {why}");
    let token = std::fs::read_to_string(OWN_TOKEN).map_err(|error| failed(&error.to_string()))?;
    let payload = token.split('.').nth(1).unwrap_or_default();
    let claims = URL_SAFE_NO_PAD.decode(payload).ok();
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let subject = claims.as_ref().and_then(|claims| claims.get("sub")?.as_str());
    let account = subject.and_then(|subject| subject.strip_prefix("system:serviceaccount:")?.split_once(':'));
    let (namespace, name) = account.ok_or_else(|| failed("it is of no service account"))?;
    Ok((namespace.to_owned(), name.to_owned()))
}

impl Identities for Accounts {
    fn access<'i>(&'i self, wants: Wants<'i>) -> Granted<'i> {
        Box::pin(async move {
            let entry = match wants {
                Wants::Cluster { audience } => return self.token(audience).await.map(Access::Bearer),
                Wants::Aws { .. } => "sops.aws-kms",
                Wants::Azure { .. } => "sops.azure-kv",
                Wants::Gcp => "sops.gcp-kms",
            };
            Err(format!(
                "identities of clouds are not supported yet; give credentials in the entry {entry} of the Secret of \
                 spec.decryption.secretRef"
            ))
        })
    }
}

/// The environment and the files of this process.
struct Process;

impl Surroundings for Process {
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

/// Prepares the services for one object, if there is a network.
pub(crate) async fn services_of(
    rest: &Rest,
    object: &Kustomization,
    imported: Imported,
    settings: &DecryptionSettings,
) -> Option<Services> {
    let network = settings.network.clone()?;
    let own = &object.spec.decryption.as_ref()?.service_account_name;
    let account = if own.is_empty() {
        &settings.default_account
    } else {
        own
    };
    Some(Services {
        network: Arc::new(network),
        around: Arc::new(Process),
        identities: Arc::new(Accounts {
            client: rest.client().clone(),
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: account.clone(),
        }),
        vault_logins: match &settings.vault_config {
            // A token of the object itself comes first.
            Some(key) if !imported.has_vault_token() => Some(vault_logins(rest, key).await),
            _ => None,
        },
        imported,
        vault_tokens: Mutex::new(HashMap::new()),
    })
}

async fn vault_logins(rest: &Rest, key: &ObjectKey) -> Result<VaultLogins, String> {
    let api: Api<ConfigMap> = Api::namespaced(rest.client().clone(), &key.namespace);
    let found = api.get(&key.name).await;
    let found = found.map_err(|error| format!("failed to get Vault ConfigMap '{key}': {error}"))?;
    let text = found.data.as_ref().and_then(|data| data.get("config.yaml"));
    VaultLogins::read(key.to_string(), text.map(String::as_str))
}

/// Whether a service has to be asked for a key.
fn is_of_a_service(key: &MasterKey) -> bool {
    !matches!(key, MasterKey::Age(_) | MasterKey::Pgp(_))
}

/// The keys that are at hand; that a service would be asked is noted.
pub(crate) struct AtHand {
    pub(crate) keys: Option<Arc<Keys>>,
    pub(crate) probe: Option<Arc<Probe>>,
}

impl KeyService for AtHand {
    fn decrypt(&self, key: &MasterKey) -> Result<Zeroizing<Vec<u8>>, String> {
        let Some(keys) = &self.keys else {
            return Err("there are no keys".to_owned());
        };
        match &self.probe {
            Some(probe) if is_of_a_service(key) => {
                probe.note();
                Err("asked by a second build".to_owned())
            }
            _ => keys.local.decrypt(key),
        }
    }
}

/// The keys that are at hand, and services that are waited for on the thread of the build.
pub(crate) struct Asking {
    pub(crate) local: LocalKeys,
    pub(crate) services: Option<Services>,
    pub(crate) runtime: Handle,
    pub(crate) until: Instant,
    pub(crate) given_up: CancellationToken,
    pub(crate) calls: AtomicUsize,
}

impl KeyService for Asking {
    fn decrypt(&self, key: &MasterKey) -> Result<Zeroizing<Vec<u8>>, String> {
        let Some(services) = self.services.as_ref().filter(|_| is_of_a_service(key)) else {
            return self.local.decrypt(key);
        };
        if self.calls.fetch_add(1, Ordering::Relaxed) >= CALLS {
            return Err(format!(
                "services are asked for no more than {CALLS} keys of one build"
            ));
        }
        let asked = tokio::time::timeout_at(self.until, services.decrypt(key));
        match self.runtime.block_on(self.given_up.run_until_cancelled(asked)) {
            Some(Ok(answer)) => answer,
            Some(Err(_)) => Err("no answer within spec.timeout".to_owned()),
            None => Err("the build was given up".to_owned()),
        }
    }
}
