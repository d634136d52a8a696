//! The Sprig and Helm template function library.
//!
//! [`functions`] gives every function that Helm 4.2 offers to a chart, except those that need the chart or the cluster: `include`, `tpl`,
//! `required` and `lookup` belong to the crate `helm`, which also wraps `fail` with its markers.
//!
//! ```no_run
//! use std::sync::Arc;
//! use gotmpl::{Env, Options, TemplateSet, Value};
//! use sprig::FixedEnvironment;
//!
//! let environment = FixedEnvironment::new(jiff::Timestamp::UNIX_EPOCH, 1);
//! let functions = sprig::functions(Arc::new(environment));
//! let mut templates = TemplateSet::new(Arc::new(functions), Options::default());
//! templates.parse("t", r#"{{ list 3 4 | toJson }} {{ semverCompare ">=1.19-0" "v1.33.4" }}"#).unwrap();
//! let mut out = Vec::new();
//! templates.execute("t", Value::Nil, &Env::default(), &mut out).unwrap();
//! assert_eq!(out, b"[3,4] true");
//! ```
//!
//! Time, chance, time zone and name resolution come from an [`Environment`]. Work that arguments decide (`repeat`, `until`, `seq`, padding,
//! patterns) counts towards the limits of the execution ([`gotmpl::Limits`]); parsers have bounds of their own.
//!
//! The modules [`semver`], [`dates`] and [`toml`] can be used without templates.

#![expect(
    clippy::needless_pass_by_value,
    reason = "the engine hands arguments over by value"
)]

mod bounds;
mod cast;
mod crypto;
pub mod dates;
mod decimal;
mod decoded;
mod defaults;
mod dicts;
mod encoding;
mod environment;
mod equality;
mod json;
mod lists;
mod merge;
mod numbers;
mod paths;
mod regex;
mod runes;
pub mod semver;
mod strings;
pub mod toml;
mod types;
mod url;
mod words;
mod wrap;
mod yaml;

use std::sync::Arc;

use gotmpl::{FuncError, FuncMap};

pub use environment::{CHANCE, CLOCK, Environment, FixedEnvironment};
pub use json::from_json_prefix;
pub use yaml::from_yaml;

/// The functions of Helm 4.2 that need neither chart nor cluster, by name.
///
/// The map is immutable data that all charts can share.
pub fn functions(environment: Arc<dyn Environment>) -> FuncMap {
    let mut functions = FuncMap::new();
    defaults::register(&mut functions);
    types::register(&mut functions);
    strings::register(&mut functions, &environment);
    numbers::register(&mut functions, &environment);
    lists::register(&mut functions);
    dicts::register(&mut functions);
    encoding::register(&mut functions);
    regex::register(&mut functions);
    paths::register(&mut functions);
    url::register(&mut functions);
    semver::register(&mut functions);
    dates::register(&mut functions, &environment);
    crypto::register(&mut functions, &environment);
    let resolver = environment;
    functions.add("getHostByName", move |name: gotmpl::Str| {
        resolver.host_address(&name.to_string_lossy())
    });
    functions
}

/// What Go's runtime says when a function meets a nil that it did not expect.
fn nil_dereference() -> FuncError {
    FuncError::new("runtime error: invalid memory address or nil pointer dereference")
}
