//! Go's text/template for Rust.
