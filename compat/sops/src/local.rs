//! The keys that need no service: those of age.

use zeroize::Zeroizing;

use crate::age::{self, Failure, Identity, IdentityError};
use crate::groups::KeyService;
use crate::metadata::MasterKey;

/// Secret keys that are at hand.
#[derive(Clone, Default)]
pub struct LocalKeys {
    identities: Vec<Identity>,
}

impl std::fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalKeys({} of age)", self.identities.len())
    }
}

impl LocalKeys {
    /// Adds the identities of a file of age: one a line, beside empty lines and comments.
    pub fn add_age_identities(&mut self, text: &str) -> Result<(), IdentityError> {
        self.identities.extend(age::identities(text)?);
        Ok(())
    }

    /// Says whether there is no identity of age.
    pub fn has_no_age_identities(&self) -> bool {
        self.identities.is_empty()
    }
}

impl KeyService for LocalKeys {
    fn decrypt(&self, key: &MasterKey) -> Result<Zeroizing<Vec<u8>>, String> {
        let MasterKey::Age(key) = key else {
            return Err(unsupported(key).to_owned());
        };
        if self.identities.is_empty() {
            return Err("failed to load age identities: there are none".to_owned());
        }
        age::decrypt(&key.encrypted, &self.identities).map_err(|failure| match failure {
            Failure::Header(error) => {
                format!("failed to create reader for decrypting sops data key with age: {error}")
            }
            Failure::Payload(error) => {
                format!("failed to copy age decrypted data into bytes.Buffer: {error}")
            }
        })
    }
}

/// What is said of keys that nobody is there for.
fn unsupported(key: &MasterKey) -> &'static str {
    match key {
        MasterKey::Age(_) => "age is supported",
        MasterKey::Pgp(_) => {
            "could not decrypt data key with PGP key: OpenPGP keys are not supported yet; add an age recipient"
        }
        MasterKey::AwsKms(_) => {
            "failed to decrypt sops data key with AWS KMS: keys of AWS KMS are not supported yet"
        }
        MasterKey::GcpKms(_) => {
            "failed to decrypt sops data key with GCP KMS key: keys of GCP KMS are not supported yet"
        }
        MasterKey::Azure(_) => {
            "failed to decrypt sops data key with Azure Key Vault key: keys of Azure Key Vault are not supported yet"
        }
        MasterKey::Vault(_) => {
            "failed to decrypt sops data key from Vault transit backend: keys of Vault and OpenBao are not supported yet"
        }
        MasterKey::Huawei(_) => "keys of Huawei Cloud KMS are not supported",
    }
}
