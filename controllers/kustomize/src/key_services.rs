//! Services that decrypt data keys, as one object may use them, and the thread of a build that waits for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloud_auth::{Identities, Identity};
use controller_kit::cloud::ProcessSurroundings;
use controller_kit::{ObjectKey, Rest};
use flux_api::Kustomization;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use parking_lot::Mutex;
use sops::{KeyService, LocalKeys, MasterKey};
use sops_kms::{Imported, Services, VaultLogins};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::DecryptionSettings;
use crate::decryption::Keys;
use crate::remote::Probe;

/// How many data keys services decrypt for one build.
const CALLS: usize = 256;

/// Prepares the services for one object, if there is a network.
pub(crate) async fn services_of(
    rest: &Rest,
    object: &Kustomization,
    imported: Imported,
    identities: Identities,
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
        identities,
        // One that is not there is told in the same words, whether the object names it or not.
        identity: Identity {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            account: account.clone(),
            default_account: String::new(),
            is_enabled: settings.object_level_identity,
        },
        network: Arc::new(network),
        around: Arc::new(ProcessSurroundings),
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
