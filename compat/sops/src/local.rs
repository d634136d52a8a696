//! The keys that need no service: those of age and of OpenPGP.

use zeroize::Zeroizing;

use crate::age::{self, Failure, Identity, IdentityError};
use crate::environment::{ProcessKeys, Surroundings};
use crate::groups::KeyService;
use crate::metadata::MasterKey;
use crate::pgp::{self, PgpKeyError};

/// Secret keys that are at hand.
#[derive(Clone, Default)]
pub struct LocalKeys {
    identities: Vec<Identity>,
    process: Option<ProcessKeys>,
    pgp: pgp::Keys,
}

impl std::fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "LocalKeys({} of age, {} of OpenPGP)",
            self.identities.len(),
            self.pgp.len()
        )
    }
}

impl LocalKeys {
    /// Adds the identities of a file of age: one a line, beside empty lines and comments.
    pub fn add_age_identities(&mut self, text: &str) -> Result<(), IdentityError> {
        self.identities.extend(age::identities(text)?);
        Ok(())
    }

    /// Adds the secret keys of OpenPGP of a file, which is text or binary. Those with a passphrase are of no use.
    pub fn add_pgp_keys(&mut self, file: &[u8]) -> Result<(), PgpKeyError> {
        self.pgp.add(file)
    }

    /// Says whether there is no identity of age.
    pub fn has_no_age_identities(&self) -> bool {
        self.identities.is_empty()
    }

    /// Says whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.pgp.is_empty()
    }

    /// Falls back to the identities of age that a process has, where there are no others, as sops does.
    pub fn fall_back_to(&mut self, around: &dyn Surroundings) {
        if self.identities.is_empty() {
            self.process = Some(ProcessKeys::find(around));
        }
    }

    fn age(&self, encrypted: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        let (identities, told) = match &self.process {
            None => (&self.identities, String::new()),
            Some(process) => (&process.identities, process.told()),
        };
        if identities.is_empty() {
            let none = ": there are none";
            let told = if told.is_empty() { none } else { &told };
            return Err(format!("failed to load age identities{told}"));
        }
        age::decrypt(encrypted, identities).map_err(|failure| match failure {
            Failure::Header(error) => {
                format!("failed to create reader for decrypting sops data key with age: {error}{told}")
            }
            Failure::Payload(error) => {
                format!("failed to copy age decrypted data into bytes.Buffer: {error}")
            }
        })
    }
}

impl KeyService for LocalKeys {
    fn decrypt(&self, key: &MasterKey) -> Result<Zeroizing<Vec<u8>>, String> {
        match key {
            MasterKey::Age(key) => self.age(&key.encrypted),
            MasterKey::Pgp(key) => pgp::decrypt(&key.encrypted, &self.pgp).map_err(|error| {
                format!(
                    "could not decrypt data key with PGP key: GnuPG binary error: failed to decrypt sops data key with pgp: {error}"
                )
            }),
            _ => Err(unsupported(key).to_owned()),
        }
    }
}

/// What is said of keys that nobody is there for.
fn unsupported(key: &MasterKey) -> &'static str {
    match key {
        MasterKey::Age(_) | MasterKey::Pgp(_) => "it is supported",
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
