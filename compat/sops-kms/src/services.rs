//! Who is asked for which key, and as whom.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cloud_auth::{Identities, Identity, Network, Surroundings, azure};
use parking_lot::Mutex;
use sops::{AwsKmsKey, AzureKey, GcpKmsKey, MasterKey, VaultKey};
use zeroize::Zeroizing;

use crate::imported::{Azure, Imported};
use crate::vault;

/// Where each server of Vault that is trusted takes tokens of service accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaultLogins {
    /// Paths by addresses.
    pub paths: BTreeMap<String, String>,
    /// The ConfigMap that says so.
    pub source: String,
}

impl VaultLogins {
    /// Reads `config.yaml` of a ConfigMap.
    ///
    /// # Errors
    /// It is none.
    pub fn read(source: String, text: Option<&str>) -> Result<Self, String> {
        let text =
            text.ok_or_else(|| format!("Vault ConfigMap '{source}' is missing the 'config.yaml' key"))?;
        let value = go_yaml::sigs::to_value(text.as_bytes(), &go_yaml::Limits::default());
        let value = value.map_err(|error| {
            format!("failed to parse 'config.yaml' in Vault ConfigMap '{source}': {error}")
        })?;
        let instances = value.get("instances").and_then(serde_json::Value::as_array);
        let text = |instance: &serde_json::Value, name: &str| {
            let text = instance.get(name).and_then(serde_json::Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let paths = instances.into_iter().flatten();
        let paths = paths.map(|instance| (text(instance, "address"), text(instance, "loginPath")));
        Ok(Self {
            paths: paths.collect(),
            source,
        })
    }
}

/// The services that decrypt data keys, as one object may use them.
pub struct Services {
    /// Who sends requests.
    pub network: Arc<dyn Network>,
    /// The environment and the files of the process.
    pub around: Arc<dyn Surroundings>,
    /// Who gets tokens where the Secret has no credentials.
    pub identities: Identities,
    /// As whom.
    pub identity: Identity,
    /// Credentials of the object's Secret.
    pub imported: Imported,
    /// Servers of Vault that take tokens of service accounts, if there are any; or why that is not known.
    pub vault_logins: Option<Result<VaultLogins, String>>,
    /// Tokens of Vault that this object has got; they are for nobody else.
    pub vault_tokens: Mutex<HashMap<String, Zeroizing<String>>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Services({:?})", self.imported)
    }
}

impl Services {
    /// Decrypts a data key, or a part of one. An error is the text that is told to people.
    ///
    /// # Errors
    /// It cannot be decrypted.
    pub async fn decrypt(&self, key: &MasterKey) -> Result<Zeroizing<Vec<u8>>, String> {
        match key {
            MasterKey::AwsKms(key) => self.aws(key).await,
            MasterKey::GcpKms(key) => self.gcp(key).await,
            MasterKey::Azure(key) => self.azure(key).await,
            MasterKey::Vault(key) => self.vault(key).await,
            MasterKey::Huawei(_) => {
                Err("keys of Huawei Cloud KMS are not supported; add an age recipient to the file".to_owned())
            }
            MasterKey::Age(_) | MasterKey::Pgp(_) => Err("it is no key of a service".to_owned()),
        }
    }

    async fn aws(&self, key: &AwsKmsKey) -> Result<Zeroizing<Vec<u8>>, String> {
        let failed = |why: String| format!("failed to decrypt sops data key with AWS KMS: {why}");
        let region =
            crate::aws::region(&key.arn).ok_or_else(|| format!("no valid ARN found in '{}'", key.arn))?;
        let credentials = if let Some(given) = &self.imported.aws {
            given.credentials().map_err(|error| failed(error.to_string()))?
        } else {
            let identities = self.identities.in_order_to("decrypt_with_aws");
            let found = identities.aws(&self.identity, region).await;
            found.map_err(|error| failed(error.to_string()))?
        };
        crate::aws::decrypt(key, credentials, &*self.network, &*self.around).await
    }

    async fn gcp(&self, key: &GcpKmsKey) -> Result<Zeroizing<Vec<u8>>, String> {
        let failed = |why: String| format!("failed to decrypt sops data key with GCP KMS key: {why}");
        let token = if let Some(given) = &self.imported.gcp {
            let found = given.token(&crate::gcp::SCOPES, &*self.network).await;
            found.map_err(|error| failed(error.to_string()))?.token
        } else {
            let identities = self.identities.in_order_to("decrypt_with_gcp");
            let found = identities.gcp(&self.identity).await;
            found.map_err(|error| failed(error.to_string()))?.token
        };
        crate::gcp::decrypt(key, &token, &*self.network, &*self.around).await
    }

    async fn azure(&self, key: &AzureKey) -> Result<Zeroizing<Vec<u8>>, String> {
        let challenged = crate::azure::challenge(key, &*self.network).await?;
        let scope = challenged.scope.clone();
        let failed = |why: String| {
            let name = MasterKey::Azure(key.clone()).name();
            format!("failed to decrypt sops data key with Azure Key Vault key '{name}': {why}")
        };
        let token = match &self.imported.azure {
            Some(Azure::Application(application)) => application
                .token(&scope, &*self.network)
                .await
                .map_err(|error| failed(error.to_string()))?,
            Some(Azure::Managed(client)) => {
                azure::managed_identity(Some(client), &scope, &*self.network, &*self.around)
                    .await
                    .map_err(|error| failed(error.to_string()))?
            }
            None => {
                let identities = self.identities.in_order_to("decrypt_with_azure");
                let found = identities.azure(&self.identity, &scope).await;
                found.map_err(|error| failed(error.to_string()))?
            }
        };
        challenged.decrypt(&token.token, &*self.network).await
    }

    async fn vault(&self, key: &VaultKey) -> Result<Zeroizing<Vec<u8>>, String> {
        let (network, around) = (&*self.network, &*self.around);
        // Before anything is sent to an address, or a token is made for it.
        vault::allowed(&key.address, around)?;
        let token = match (&self.imported.vault_token, &self.vault_logins) {
            (Some(token), _) => token.clone(),
            (None, Some(logins)) => self.vault_login(&key.address, logins.as_ref()?).await?,
            (None, None) => self.vault_token_of_process()?,
        };
        vault::decrypt(key, &token, network, around).await
    }

    /// Logs in as the account; a token is used for all files of an object, and for nothing else.
    async fn vault_login(&self, address: &str, logins: &VaultLogins) -> Result<Zeroizing<String>, String> {
        if let Some(token) = self.vault_tokens.lock().get(address) {
            return Ok(token.clone());
        }
        let login = logins.paths.get(address).filter(|login| !login.is_empty());
        let login = login.ok_or_else(|| {
            let name = &logins.source;
            format!("no Vault login path configured for address '{address}' in ConfigMap '{name}'")
        })?;
        let identities = self.identities.in_order_to("decrypt_with_vault");
        let own = identities.kubernetes(&self.identity, address).await;
        let own = own
            .map_err(|error| format!("failed to issue Kubernetes token for Vault authentication: {error}"))?;
        let token = vault::log_in(address, login, &own.token, &*self.network, &*self.around).await?;
        self.vault_tokens.lock().insert(address.to_owned(), token.clone());
        Ok(token)
    }

    fn vault_token_of_process(&self) -> Result<Zeroizing<String>, String> {
        if let Some(token) = self.around.variable("VAULT_TOKEN") {
            return Ok(Zeroizing::new(token));
        }
        let Some(home) = self.around.variable("HOME") else {
            return Ok(Zeroizing::default());
        };
        let token = self.around.file(&format!("{home}/.vault-token"));
        let token = token.map_err(|error| format!("cannot get Vault token: {error}"))?;
        Ok(Zeroizing::new(token.unwrap_or_default().trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_read() {
        let read = |text| VaultLogins::read("flux-system/vault".to_owned(), text);
        let text =
            "instances:\n- {address: 'https://a', loginPath: auth/jwt/login}\n- {address: 'https://b'}\n";
        let logins = read(Some(text)).unwrap();
        assert_eq!(logins.paths["https://a"], "auth/jwt/login");
        assert_eq!(logins.paths["https://b"], "");
        assert_eq!(
            read(None),
            Err("Vault ConfigMap 'flux-system/vault' is missing the 'config.yaml' key".to_owned())
        );
        assert!(
            read(Some("a: b: c"))
                .unwrap_err()
                .starts_with("failed to parse 'config.yaml' in")
        );
    }
}
