//! Functions that templates call.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::error::FuncError;
use crate::value::Value;
use crate::value::args::IntoFunc;
use crate::value::context::Context;
use crate::value::types::Type;

/// The parameters and the result of a function, as Go's reflection would tell them.
///
/// The engine checks arguments against it before the function runs, with Go's conversion rules
/// and error texts.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The types of the parameters; the last one repeats if the function is variadic.
    pub params: Vec<Type>,
    /// Whether the last parameter takes any number of arguments.
    pub variadic: bool,
    /// The declared type of the result.
    pub returns: Type,
}

type Body = dyn Fn(&mut Context<'_>, &[Value]) -> Result<Value, FuncError> + Send + Sync;

/// A function that templates call; cheap to clone.
#[derive(Clone)]
pub struct Func {
    inner: Arc<Inner>,
}

struct Inner {
    signature: Signature,
    body: Box<Body>,
}

impl Func {
    /// Makes a function of a Rust closure, its signature taken from the closure's types.
    ///
    /// See [`FuncMap::add`] for what the types may be.
    pub fn new<M>(function: impl IntoFunc<M>) -> Self {
        function.into_func()
    }

    /// Makes a function with an explicit signature.
    ///
    /// The body gets arguments that are already converted to the parameter types: a parameter of
    /// a map type receives a [`Value::Map`], nil or not, and so on.
    pub fn with_signature(
        signature: Signature,
        body: impl Fn(&mut Context<'_>, &[Value]) -> Result<Value, FuncError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                signature,
                body: Box::new(body),
            }),
        }
    }

    /// Returns the parameters and the result.
    pub fn signature(&self) -> &Signature {
        &self.inner.signature
    }

    /// Runs the function on arguments that match its signature.
    pub fn call(&self, context: &mut Context<'_>, args: &[Value]) -> Result<Value, FuncError> {
        (self.inner.body)(context, args)
    }

    /// Returns what `%p` shows.
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.inner).cast::<u8>() as usize
    }
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Func").field(&self.inner.signature).finish()
    }
}

/// Functions by name; templates are parsed against one.
///
/// Go's own functions (`and`, `eq`, `index`, `printf`, ...) are always there; an entry of the same
/// name takes precedence.
#[derive(Clone, Debug, Default)]
pub struct FuncMap {
    funcs: HashMap<Box<str>, Func>,
}

impl FuncMap {
    /// Makes a map without any function of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function made of a Rust closure, replacing one of the same name.
    ///
    /// Parameter types say what the template may pass, with Go's rules: `bool`, `isize` (Go's
    /// `int`), `i64` (`int64`), `u64` (`uint64`), `f64` (`float64`), [`Str`](crate::Str)
    /// (`string`), [`Map`](crate::Map) (`map[string]interface {}`), [`List`](crate::List)
    /// (`[]interface {}`), [`Value`] (`interface {}`), and [`Rest`](crate::Rest) last for a
    /// variadic function. A first parameter `&mut Context<'_>` is not an argument. The result is
    /// one of the same types, or a `Result` of one.
    ///
    /// ```
    /// use gotmpl::{Context, FuncError, FuncMap, Rest, Str, Value};
    ///
    /// let mut funcs = FuncMap::new();
    /// funcs.add("trunc", |n: isize, s: Str| s.slice(0, n.max(0) as usize));
    /// funcs.add("count", |values: Rest<Value>| values.0.len() as isize);
    /// funcs.add("fail", |message: Str| Err::<Str, _>(FuncError::new(message.to_string())));
    /// funcs.add("include", |cx: &mut Context<'_>, name: Str, dot: Value| cx.execute(&name, dot));
    /// ```
    pub fn add<M>(&mut self, name: &str, function: impl IntoFunc<M>) -> &mut Self {
        self.insert(name, function.into_func())
    }

    /// Adds a function, replacing one of the same name.
    pub fn insert(&mut self, name: &str, func: Func) -> &mut Self {
        self.funcs.insert(name.into(), func);
        self
    }

    /// Removes a function.
    pub fn remove(&mut self, name: &str) -> Option<Func> {
        self.funcs.remove(name)
    }

    /// Returns the function of that name.
    pub fn get(&self, name: &str) -> Option<&Func> {
        self.funcs.get(name)
    }

    /// Returns the names in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.funcs.keys().map(AsRef::as_ref)
    }
}
