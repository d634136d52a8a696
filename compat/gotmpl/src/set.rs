//! Sets of templates that can call each other by name.

use std::sync::Arc;

use crate::context::Env;
use crate::error::{ExecError, ParseError};
use crate::func::FuncMap;
use crate::str::Str;
use crate::value::Value;

/// What a missing map key means; Go's `missingkey` option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// An invalid value, printed as `<no value>` ("default", "invalid").
    #[default]
    Default,
    /// The zero value of the map's element type ("zero"). Helm's choice.
    Zero,
    /// An error ("error").
    Error,
}

/// How a set parses and executes its templates.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What a missing map key means.
    pub missing_key: MissingKey,
    /// Left and right delimiter; empty ones stand for `{{` and `}}`.
    pub delims: (String, String),
}

/// Parsed templates by name, which can call each other.
///
/// A set is immutable data once parsed: share it between threads, execute it many times. Clones
/// are cheap and independent: what is parsed into a clone is not seen by the original.
#[derive(Clone, Debug)]
pub struct TemplateSet {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    funcs: Arc<FuncMap>,
    options: Options,
}

impl TemplateSet {
    /// Makes an empty set whose templates may call `funcs`.
    pub fn new(funcs: Arc<FuncMap>, options: Options) -> Self {
        Self {
            inner: Arc::new(Inner { funcs, options }),
        }
    }

    /// Parses a text as the template `name`, together with the templates that it defines.
    ///
    /// A template of the same name is replaced, unless the new body is empty; as in Go.
    pub fn parse(&mut self, name: impl Into<Str>, text: impl Into<Str>) -> Result<(), ParseError> {
        let _ = (&self.inner.funcs, &self.inner.options);
        Err(ParseError {
            name: name.into().to_string(),
            line: 0,
            message: text.into().to_string(),
        })
    }

    /// Returns whether there is a template of that name.
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        let _ = name.as_ref();
        false
    }

    /// Returns the names of all templates in byte order.
    pub fn names(&self) -> Vec<Str> {
        Vec::new()
    }

    /// Executes the template `name` on `dot`, appending to `out`.
    ///
    /// On an error `out` keeps what was written before it, as in Go.
    pub fn execute(
        &self,
        name: impl AsRef<[u8]>,
        dot: Value,
        env: &Env<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ExecError> {
        let _ = (name.as_ref(), dot, env, out);
        Err(ExecError::new("execution is not there yet"))
    }
}
