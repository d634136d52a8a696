//! Go's `regexp` package for Rust: RE2 syntax, Go's error texts and Go's matching rules.
//!
//! A pattern is parsed by Go's grammar (`syntax`) into the representation of `regex-syntax`; matching is the linear-time
//! engine of `regex-automata`, whose leftmost-first rules are those of Go. What Go builds around matching, namely the treatment of
//! empty matches, `$1` expansion, splitting and quoting, is reproduced here.
//!
//! ```
//! use go_regexp::Regexp;
//!
//! let re = Regexp::new("a(x*)b").unwrap();
//! assert_eq!(re.replace_all(b"-ab-axxb-", b"${1}W"), b"-W-xxW-");
//! assert_eq!(
//!     Regexp::new("a(b").unwrap_err().to_string(),
//!     "error parsing regexp: missing closing ): `a(b`",
//! );
//! ```
//!
//! Text and patterns are byte strings, as in Go. A byte that is not valid UTF-8 matches as one U+FFFD.
//!
//! Differences from Go, all at the far ends: Unicode tables are those of `regex-syntax` (newer than Go's), `\p{...}` also accepts the
//! four-letter script codes, groups nest at most [`Limits::depth`] levels (Go: 1000), and a pattern whose automaton needs more than
//! [`Limits::compiled_bytes`] is refused as `expression too large`.

mod class;
mod error;
mod haystack;
mod limits;
mod matching;
mod parse;
mod replace;
mod scan;

pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use matching::Regexp;
pub use replace::quote_meta;
pub use scan::Scan;
