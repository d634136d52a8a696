//! TOML as the Go library BurntSushi/toml (1.6) lays it out and reads it.

mod decode;
mod encode;
mod scalars;
mod tree;

pub use decode::{DecodeError, decode};
pub use encode::{EncodeError, encode};
