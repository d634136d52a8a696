//! Files encrypted by SOPS, decrypted as sops 3.13 and kustomize-controller do it.
//!
//! A file is loaded, its data key is asked for at a [`KeyService`], and what comes out is printed in any of the formats:
//!
//! ```
//! use sops::{EncryptedFile, Format, Limits, LocalKeys};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (file, keys) = (include_bytes!("../cases/enc/secret.yaml"), include_bytes!("../cases/keys/a.agekey"));
//! let mut local = LocalKeys::default();
//! local.add_age_identities(std::str::from_utf8(keys)?)?;
//!
//! let file = EncryptedFile::load(file, Format::Yaml, &Limits::default())?;
//! let key = file.metadata().data_key(&local)?;
//! let decrypted = file.decrypt(&key)?;
//! assert!(decrypted.is_authentic());
//! assert!(decrypted.emit(Format::Yaml)?.starts_with(b"apiVersion: v1\nkind: Secret\n"));
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here opens a file or a connection: services that live elsewhere are asked by the caller, whose [`KeyService`]
//! then knows their answers. No error holds a value of a file or a key, but what the file says in clear.
//!
//! From the bytes: `stores` (one for each format) make a [`tree`](Decrypted), `metadata` cuts the block of SOPS out of it,
//! `groups` finds the data key, `walk` decrypts the leaves by `cipher`. And back: `stores`.

mod age;
mod cipher;
mod environment;
mod error;
mod file;
mod flatten;
mod groups;
mod integers;
mod limits;
mod local;
mod metadata;
mod numbers;
mod object;
mod pgp;
mod shamir;
mod stores;
mod time;
mod tree;
mod walk;
mod wrap;

pub use age::{AgeError, IdentityError};
pub use environment::Surroundings;
pub use error::{DecryptError, EmitError, LoadError};
pub use file::{Decrypted, EncryptedFile, Format};
pub use groups::{DataKey, DataKeyError, KeyService};
pub use limits::Limits;
pub use local::LocalKeys;
pub use metadata::{
    AgeKey, AwsKmsKey, AzureKey, GcpKmsKey, HuaweiKey, MasterKey, Metadata, PgpKey, VaultKey,
};
pub use object::{Change, FileError, ObjectError, Plain, decrypt_file, decrypt_object};
pub use pgp::PgpKeyError;
