//! Flux post-build variable substitution.
//!
//! [`Substitution::apply`] replaces `${name}` and its bash-like forms in a text, as `fluxcd/pkg/envsubst` does:
//!
//! | form | result |
//! |---|---|
//! | `${v}` | the value |
//! | `${v:-d}` `${v:=d}` `${v=d}` | the value, or `d` when it is empty; `d` may hold other variables |
//! | `${#v}` | its length in bytes |
//! | `${v^}` `${v^^}` `${v,}` `${v,,}` | the first letter or all letters in the other case |
//! | `${v:p}` `${v:p:n}` | from byte `p`, `n` bytes; negative numbers count from the end |
//! | `${v#g}` `${v##g}` `${v%g}` `${v%%g}` | without the shortest or longest prefix or suffix that matches a glob |
//! | `${v/a/b}` `${v//a/b}` `${v/#a/b}` `${v/%a/b}` | the first, every, the leading or the trailing `a` replaced |
//! | `$$` | a dollar sign; all other uses of `$` stay as they are |
//!
//! The text is usually one object as YAML. What comes out is to be read as YAML again, so an unquoted `${v}` takes
//! the type that its value looks like; that is how Flux users inject numbers and booleans.

mod error;
mod eval;
mod parse;
mod scan;
mod variables;

pub use error::Error;
pub use eval::{Limits, Mode, Substitution};
pub use variables::{DISABLED, SUBSTITUTE, Variables, is_disabled};
