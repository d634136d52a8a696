//! What `spec.decryption` decrypts with: keys of a Secret, read once per run with the controller's own identity, and
//! those of the process.

use std::sync::Arc;

use base64::Engine;
use controller_kit::cloud::CloudNetwork;
use controller_kit::{Mapping, ObjectKey, Rest, RestError};
use flux_api::{Decryption, Kustomization, reason};
use flux_deployer::Refusal;
use serde_json::Value;
use sops::{IdentityError, LocalKeys, PgpKeyError, Surroundings};
use sops_kms::Imported;
use zeroize::Zeroizing;

/// What an operator chooses about decryption.
#[derive(Clone, Debug)]
pub struct DecryptionSettings {
    /// Secret with keys of age for objects that name none (`--sops-age-secret`).
    pub age_secret: Option<ObjectKey>,
    /// Whether the keys of age that the process itself has are for everybody who has none (`--sops-age-environment`).
    pub age_environment: bool,
    /// Whether objects may name a service account (gate `ObjectLevelWorkloadIdentity`).
    pub object_level_identity: bool,
    /// The service account of objects that name none (`--default-decryption-service-account`); empty for the controller.
    pub default_account: String,
    /// ConfigMap with the servers of Vault that take tokens of service accounts (`--sops-vault-configmap`).
    pub vault_config: Option<ObjectKey>,
    /// How services that decrypt keys are asked; they are not without it.
    pub network: Option<CloudNetwork>,
}

impl Default for DecryptionSettings {
    fn default() -> Self {
        Self {
            age_secret: None,
            age_environment: true,
            object_level_identity: false,
            default_account: String::new(),
            vault_config: None,
            network: None,
        }
    }
}

/// Why keys are not at hand, in the words of stock. What is in an entry is never told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecryptionError {
    /// The Secret does not exist.
    #[error("secrets \"{0}\" not found")]
    Missing(String),
    /// The Secret could not be read.
    #[error("cannot get sops {what} Secret '{secret}': {source}")]
    Read {
        /// What the Secret is for.
        what: &'static str,
        /// Namespace and name.
        secret: ObjectKey,
        /// What the API server answered.
        source: RestError,
    },
    /// An entry of the Secret is not what its name says.
    #[error("failed to import '{entry}' data from sops {what} Secret '{secret}': {source}")]
    Import {
        /// The name of the entry.
        entry: String,
        /// What the Secret is for.
        what: &'static str,
        /// Namespace and name.
        secret: ObjectKey,
        /// What is wrong.
        source: ImportError,
    },
}

/// Why an entry of a Secret is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// It holds no identities of age.
    #[error("failed to parse and add to age identities: {0}")]
    Age(#[from] IdentityError),
    /// It holds no keys of OpenPGP.
    #[error("failed to import armored key data into GnuPG keyring: {0}")]
    Pgp(#[from] PgpKeyError),
    /// It holds no credentials of a service.
    #[error(transparent)]
    Credentials(#[from] sops_kms::ImportError),
}

/// What an object decrypts with, but for the services.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    pub(crate) local: LocalKeys,
    pub(crate) imported: Imported,
}

/// Why an object must be edited before anything of it is decrypted, if it must.
pub(crate) fn refusal(object: &Kustomization, settings: &DecryptionSettings) -> Option<Refusal> {
    let account = &object.spec.decryption.as_ref()?.service_account_name;
    (!account.is_empty() && !settings.object_level_identity).then(|| Refusal {
        reason: reason::FEATURE_GATE_DISABLED,
        message: "to use spec.decryption.serviceAccountName for decryption authentication please enable the \
                  ObjectLevelWorkloadIdentity feature gate in the controller"
            .to_owned(),
    })
}

/// Reads the keys of `object`; there are none if it does not ask for decryption.
///
/// # Errors
/// See [`DecryptionError`].
pub(crate) async fn load(
    rest: &Rest,
    object: &Kustomization,
    settings: &DecryptionSettings,
) -> Result<Option<Arc<Keys>>, DecryptionError> {
    let Some(decryption) = &object.spec.decryption else {
        return Ok(None);
    };
    let mut keys = Keys::default();
    if let Some(source) = Source::of(object, decryption, settings) {
        source.import(rest, &mut keys).await?;
    }
    if settings.age_environment {
        keys.local.fall_back_to(&Process);
    }
    Ok(Some(Arc::new(keys)))
}

/// Where keys are.
struct Source {
    secret: ObjectKey,
    what: &'static str,
    /// Whether other keys than those of age count.
    all: bool,
}

impl Source {
    fn of(object: &Kustomization, decryption: &Decryption, settings: &DecryptionSettings) -> Option<Self> {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        match (&decryption.secret_ref, &settings.age_secret) {
            (Some(reference), _) => Some(Self {
                secret: ObjectKey::new(namespace, &reference.name),
                what: "decryption",
                all: true,
            }),
            (None, Some(secret)) => Some(Self {
                secret: secret.clone(),
                what: "SOPS age decryption",
                all: false,
            }),
            (None, None) => None,
        }
    }

    async fn import(self, rest: &Rest, keys: &mut Keys) -> Result<(), DecryptionError> {
        let Self { secret, what, .. } = &self;
        let read = rest.get(&secrets(), &secret.namespace, &secret.name).await;
        let read = read.map_err(|source| DecryptionError::Read {
            what,
            secret: secret.clone(),
            source,
        })?;
        let object = read.ok_or_else(|| DecryptionError::Missing(secret.name.clone()))?;
        for (entry, value) in object
            .get("data")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            // The API server only stores valid base64.
            let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap_or_default());
            let bytes = Zeroizing::new(bytes.unwrap_or_default());
            self.add(entry, &bytes, keys)
                .map_err(|source| DecryptionError::Import {
                    entry: entry.clone(),
                    what,
                    secret: secret.clone(),
                    source,
                })?;
        }
        Ok(())
    }

    /// Adds an entry, of which the end of its name says what it is.
    fn add(&self, entry: &str, bytes: &[u8], keys: &mut Keys) -> Result<(), ImportError> {
        match entry.rsplit_once('.') {
            Some((_, "agekey")) => {
                let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
                keys.local.add_age_identities(&text)?;
            }
            Some((_, "asc")) if self.all => keys.local.add_pgp_keys(bytes)?,
            _ if self.all => keys.imported.add(entry, bytes)?,
            _ => {}
        }
        Ok(())
    }
}

/// The environment and the files of this process.
struct Process;

impl Surroundings for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &str) -> Result<Option<String>, String> {
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("open {path}: {error}")),
        }
    }
}

fn secrets() -> Mapping {
    Mapping {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        plural: "secrets".to_owned(),
        namespaced: true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kustomization(decryption: &Value) -> Kustomization {
        serde_json::from_value(json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
            "metadata": {"name": "app", "namespace": "apps"}, "spec": {"decryption": decryption},
        }))
        .unwrap()
    }

    fn source(decryption: &Value, settings: &DecryptionSettings) -> Option<(String, bool)> {
        let object = kustomization(decryption);
        let source = Source::of(&object, object.spec.decryption.as_ref().unwrap(), settings)?;
        Some((source.secret.to_string(), source.all))
    }

    #[test]
    fn the_secret_of_the_object_comes_before_that_of_the_controller() {
        let fallback = DecryptionSettings {
            age_secret: Some(ObjectKey::new("flux-system", "global")),
            ..DecryptionSettings::default()
        };
        let (own, none) = (
            json!({"provider": "sops", "secretRef": {"name": "keys"}}),
            json!({"provider": "sops"}),
        );
        assert_eq!(source(&own, &fallback), Some(("apps/keys".to_owned(), true)));
        assert_eq!(
            source(&none, &fallback),
            Some(("flux-system/global".to_owned(), false))
        );
        assert_eq!(source(&none, &DecryptionSettings::default()), None);
    }

    #[test]
    fn entries_are_known_by_their_ends() {
        let key = include_bytes!("../../../compat/sops/cases/keys/a.agekey");
        let add = |all, entry: &str, bytes: &[u8]| {
            let source = Source {
                secret: ObjectKey::new("apps", "keys"),
                what: "decryption",
                all,
            };
            let mut keys = Keys::default();
            source
                .add(entry, bytes, &mut keys)
                .map(|()| keys.local.has_no_age_identities())
                .map_err(|error| error.to_string())
        };
        assert_eq!(add(true, ".agekey", key), Ok(false));
        assert_eq!(add(false, "a.b.agekey", key), Ok(false));
        assert_eq!(add(true, "identity.txt", key), Ok(true));
        assert_eq!(
            add(true, "a.agekey", b"secret"),
            Err("failed to parse and add to age identities: unknown identity type".to_owned())
        );
        assert_eq!(add(false, "a.asc", b"no key"), Ok(true));
        let error = add(true, "a.asc", b"no key").unwrap_err();
        assert!(
            error.starts_with("failed to import armored key data into GnuPG keyring: "),
            "{error}"
        );
    }

    #[test]
    fn a_service_account_needs_its_gate() {
        let object = kustomization(&json!({"provider": "sops", "serviceAccountName": "a"}));
        let mut settings = DecryptionSettings::default();
        let refused = refusal(&object, &settings).expect("it is refused");
        assert_eq!(refused.reason, "FeatureGateDisabled");
        settings.object_level_identity = true;
        assert_eq!(refusal(&object, &settings), None);
        assert_eq!(
            refusal(
                &kustomization(&json!({"provider": "sops"})),
                &DecryptionSettings::default()
            ),
            None
        );
    }
}
