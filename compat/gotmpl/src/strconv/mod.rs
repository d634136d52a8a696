//! Numbers and quoted strings as Go's strconv reads and writes them.

mod float;
mod parse;
mod quote;

pub use float::format_float;
pub use parse::{NumError, parse_float, parse_int, parse_uint};
pub(crate) use quote::append_quote_rune;
pub use quote::{append_quote, append_quote_ascii, can_backquote, quote, unquote};
