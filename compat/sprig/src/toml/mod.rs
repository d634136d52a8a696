//! TOML as the Go library BurntSushi/toml (1.6) lays it out and reads it.

mod encode;

pub use encode::{EncodeError, encode};
