//! What the engines need of Go's standard library, with its results and its words.
//!
//! Templates, YAML, kustomize and Helm print numbers, quote texts and explain mistakes as Go does, and their users compare
//! what they get. Each of these rules is here once:
//!
//! | module | Go |
//! |---|---|
//! | [`quote()`], [`unquote`], [`can_backquote`] | `strconv.Quote`, `%q` |
//! | [`atoi`], [`parse_int`], [`parse_float`], [`parse_bool`] | `strconv` |
//! | [`float`], [`format_float`] | `strconv.FormatFloat`, floats in JSON and YAML |
//! | [`duration`] | `time.Duration` |
//! | [`path`], [`pattern`] | `path`, `path/filepath`, `path.Match` |
//! | [`unicode`] | `unicode`, `utf8`: the tables of the Unicode version that Go has |
//! | [`json`] | `encoding/json`, reading |
//! | [`record`](mod@record) | `encoding/json`, values to structs |
//! | [`base64`] | `encoding/base64` |

pub mod base64;
mod build;
pub mod duration;
pub mod float;
mod format_float;
pub mod json;
mod number;
pub mod path;
pub mod pattern;
mod quote;
pub mod record;
pub mod unicode;

pub use build::{Build, Room};
pub use format_float::format_float;
pub use number::{NumError, atoi, parse_bool, parse_float, parse_int, parse_uint};
pub use quote::{
    append_quote, append_quote_ascii, append_quote_rune, append_quote_within, can_backquote, quote,
    quote_rune, unquote,
};
