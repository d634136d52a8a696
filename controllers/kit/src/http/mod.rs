//! The one HTTP client: bounded in time and bytes, without redirects, and guarded in what it connects to.
//!
//! `client` and `dial` form a circle only in how long a connection may take, which is said beside the other times.

mod client;
mod dial;
mod guard;
mod hosts;
mod resolve;
mod tenant;

pub(crate) use client::error_text;
pub use client::{Answer, Client, HttpError};
pub use guard::{Guard, Refused};
pub use hosts::{HostList, PatternError};
pub(crate) use tenant::system_tls;
pub use tenant::{TenantError, TenantOptions};
