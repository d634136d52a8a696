//! Go's text/template for Rust.

mod args;
mod context;
mod cycles;
mod error;
mod exec;
mod fmt;
mod func;
mod limits;
mod list;
mod map;
mod object;
mod parse;
mod serde;
mod set;
mod str;
mod strconv;
mod types;
mod unicode;
mod value;

pub use args::{FromArg, IntoFunc, IntoReturn, Rest, WithContext};
pub use context::{Context, Env};
pub use cycles::CycleGuard;
pub use error::{ExecError, FuncError, Location, ParseError};
pub use fmt::{sprint, sprintf, sprintln};
pub use func::{Func, FuncMap, Signature};
pub use limits::Limits;
pub use list::{Items, List};
pub use map::{Entries, Map};
pub use object::Object;
pub use set::{MissingKey, Options, TemplateSet};
pub use str::Str;
pub use strconv::{
    NumError, append_quote, append_quote_ascii, can_backquote, format_float, parse_float, parse_int,
    parse_uint, quote, unquote,
};
pub use types::{IntType, Kind, NamedType, Type, UintType};
pub use unicode::{decode_rune, is_digit, is_letter, is_print};
pub use value::Value;

/// Runs `f` with enough stack for one more level of a deep structure.
fn deep<R>(f: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(128 << 10, 2 << 20, f)
}
