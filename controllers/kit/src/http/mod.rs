//! The one HTTP client: bounded in time and bytes, without redirects, and guarded in what it connects to.

mod client;
mod dial;
mod guard;
mod hosts;
mod resolve;

pub(crate) use client::error_text;
pub use client::{Answer, Client, HttpError};
pub use guard::{Guard, Refused};
pub use hosts::{HostList, PatternError};
