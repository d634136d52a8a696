//! Digests, passwords, AES, keys and certificates.
//!
//! Formats are Sprig's; what is random comes from the [`Environment`].

mod aes;
mod certificate;
mod der;
mod digest;
mod fermat;
mod key;
mod password;
mod pem;
mod prime;
mod x509;

use std::sync::Arc;

use gotmpl::FuncMap;

use crate::environment::Environment;

pub(crate) fn register(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    digest::register(functions, environment);
    password::register(functions, environment);
    aes::register(functions, environment);
    key::register(functions, environment);
    certificate::register(functions, environment);
}
