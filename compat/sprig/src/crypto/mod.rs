//! Digests, passwords, AES, keys and certificates.
//!
//! Formats are Sprig's; what is random comes from the [`Environment`].

mod aes;
mod certificate;
mod der;
mod digest;
mod dsa_parameters;
mod key;
mod password;
mod pem;
mod x509;

use std::sync::Arc;

use gotmpl::FuncMap;

use crate::environment::Environment;

/// What a millisecond of computing keys and hashes counts towards the steps of an execution: slow as they are on purpose,
/// they take no longer until the limit than other steps do.
const STEPS_PER_MS: u64 = 30_000;

pub(crate) fn register(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    digest::register(functions, environment);
    password::register(functions, environment);
    aes::register(functions, environment);
    key::register(functions, environment);
    certificate::register(functions, environment);
}
