//! Go's text/template for Rust.
//!
//! Templates render to the bytes that Go 1.26 renders, and fail with the text that Go fails with.
//!
//! ```
//! use std::sync::Arc;
//! use gotmpl::{Context, Env, FuncMap, MissingKey, Options, Str, TemplateSet, Value};
//!
//! let mut funcs = FuncMap::new();
//! funcs.add("upper", |s: Str| s.to_string().to_uppercase());
//! funcs.add("include", |cx: &mut Context<'_>, name: Str, dot: Value| cx.execute(&name, dot));
//!
//! let options = Options { missing_key: MissingKey::Zero, ..Options::default() };
//! let mut set = TemplateSet::new(Arc::new(funcs), options);
//! set.parse("_helpers", r#"{{ define "who" }}{{ .name | upper }}{{ end }}"#)?;
//! set.parse("greeting", "Hello {{ include \"who\" . }},\n{{ .a.b }}")?;
//!
//! let data: Value = serde_json::from_str(r#"{"name": "web"}"#)?;
//! let mut out = Vec::new();
//! let error = set.execute("greeting", data, &Env::default(), &mut out).unwrap_err();
//! assert_eq!(out, b"Hello WEB,\n");
//! assert_eq!(
//!     error.to_string(),
//!     "template: greeting:2:5: executing \"greeting\" at <.a.b>: nil pointer evaluating interface {}.b",
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`TemplateSet`] parses and executes. A parsed set is immutable and goes to any thread; a clone is
//!   cheap and can get templates of its own.
//! - [`Value`] is what templates work on. [`Map`] and [`List`] are references with Go's semantics;
//!   [`Object`] is for types with fields and methods. Values are read and written through serde.
//! - [`FuncMap`] holds the functions, made of plain closures; [`Context`] is what they may ask for.
//! - [`Limits`] bounds what a template may cost. No input makes the engine panic, overflow the stack or
//!   run forever; [`CycleGuard`] frees values that contain themselves.
//! - [`sprintf`], [`format_float`], [`quote`] and others are Go's fmt and strconv.

mod error;
mod exec;
mod fmt;
mod limits;
mod parse;
mod serde;
mod set;
mod value;

pub use error::{ExecError, FuncError, Location, ParseError};
pub use fmt::{sprint, sprintf, sprintln};
pub use go_std::quote;
pub use limits::Limits;
pub use set::{MissingKey, Options, TemplateSet};
pub use value::Value;
pub use value::args::{FromArg, IntoFunc, IntoReturn, Rest, WithContext};
pub use value::context::{Context, Env, Spent};
pub use value::cycles::CycleGuard;
pub use value::func::{Func, FuncMap, Signature};
pub use value::list::{Items, List};
pub use value::map::{Entries, Map};
pub use value::object::Object;
pub use value::str::Str;
pub use value::types::{IntType, Kind, NamedType, Type, UintType};

/// Runs `f` with enough stack for one more level of a deep structure.
fn deep<R>(f: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(128 << 10, 2 << 20, f)
}
