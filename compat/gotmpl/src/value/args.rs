//! Rust closures as template functions.

use crate::error::FuncError;
use crate::value::Value;
use crate::value::context::Context;
use crate::value::func::{Func, Signature};
use crate::value::list::List;
use crate::value::map::Map;
use crate::value::str::Str;
use crate::value::types::Type;

/// A Rust type that can be the parameter of a template function.
///
/// Implement it for a newtype to take another Go type, such as `[]string` or `time.Time`.
pub trait FromArg: Sized {
    /// The Go type that the template must pass.
    const TYPE: Type;
    /// Whether the parameter takes all remaining arguments.
    const VARIADIC: bool = false;

    /// Reads the value of an argument, already converted to [`Self::TYPE`].
    fn from_arg(value: &Value) -> Result<Self, FuncError>;

    /// Reads the parameter off the front of the arguments.
    fn from_args(args: &mut &[Value]) -> Result<Self, FuncError> {
        let Some((first, rest)) = args.split_first() else {
            return Err(FuncError::new(format!("missing argument of type {}", Self::TYPE)));
        };
        *args = rest;
        Self::from_arg(first)
    }
}

/// The last parameter of a variadic function: all arguments that are left.
#[derive(Clone, Debug, Default)]
pub struct Rest<T>(pub Vec<T>);

impl<T: FromArg> FromArg for Rest<T> {
    const TYPE: Type = T::TYPE;
    const VARIADIC: bool = true;

    fn from_arg(value: &Value) -> Result<Self, FuncError> {
        Ok(Rest(vec![T::from_arg(value)?]))
    }

    fn from_args(args: &mut &[Value]) -> Result<Self, FuncError> {
        std::mem::take(args)
            .iter()
            .map(T::from_arg)
            .collect::<Result<_, _>>()
            .map(Rest)
    }
}

impl<T> IntoIterator for Rest<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

fn mismatch(expected: Type, value: &Value) -> FuncError {
    FuncError::new(format!(
        "wrong type for value; expected {expected}; got {}",
        value.type_name()
    ))
}

macro_rules! from_arg {
    ($($rust:ty, $go:expr, $pattern:pat => $result:expr;)*) => {$(
        impl FromArg for $rust {
            const TYPE: Type = $go;
            fn from_arg(value: &Value) -> Result<Self, FuncError> {
                match value {
                    $pattern => Ok($result),
                    other => Err(mismatch(<Self as FromArg>::TYPE, other)),
                }
            }
        }
    )*};
}

from_arg! {
    bool, Type::Bool, Value::Bool(b) => *b;
    isize, Type::INT, Value::Int(n, _) => *n as isize;
    i64, Type::INT64, Value::Int(n, _) => *n;
    u64, Type::UINT64, Value::Uint(n, _) => *n;
    f64, Type::Float64, Value::Float(f) => *f;
    Str, Type::String, Value::Str(s) => s.clone();
    List, Type::LIST, Value::List(list) => list.clone();
    Map, Type::MAP, Value::Map(map) => map.clone();
    Func, Type::Func, Value::Func(func) => func.clone();
}

impl FromArg for Value {
    const TYPE: Type = Type::Any;
    fn from_arg(value: &Value) -> Result<Self, FuncError> {
        Ok(value.clone())
    }
}

/// A Rust type that can be the result of a template function.
pub trait IntoReturn {
    /// The declared Go type of the result.
    const TYPE: Type;
    /// Makes the result or the error of the function.
    fn into_return(self) -> Result<Value, FuncError>;
}

macro_rules! into_return {
    ($($rust:ty, $go:expr;)*) => {$(
        impl IntoReturn for $rust {
            const TYPE: Type = $go;
            fn into_return(self) -> Result<Value, FuncError> {
                Ok(self.into())
            }
        }
    )*};
}

into_return! {
    bool, Type::Bool;
    isize, Type::INT;
    i64, Type::INT64;
    u64, Type::UINT64;
    f64, Type::Float64;
    Str, Type::String;
    String, Type::String;
    &'static str, Type::String;
    List, Type::LIST;
    Map, Type::MAP;
    Value, Type::Any;
}

impl<T: IntoReturn, E: Into<FuncError>> IntoReturn for Result<T, E> {
    const TYPE: Type = T::TYPE;
    fn into_return(self) -> Result<Value, FuncError> {
        self.map_err(Into::into)?.into_return()
    }
}

/// A closure that can become a [`Func`]; `M` keeps its many shapes apart.
pub trait IntoFunc<M> {
    /// Makes the function.
    fn into_func(self) -> Func;
}

/// Marks closures that take the context first.
#[derive(Debug)]
pub struct WithContext<M>(std::marker::PhantomData<M>);

macro_rules! into_func {
    ($($ty:ident $arg:ident)*) => {
        impl<F, R, $($ty),*> IntoFunc<(R, $($ty,)*)> for F
        where
            F: Fn($($ty),*) -> R + Send + Sync + 'static,
            R: IntoReturn,
            $($ty: FromArg,)*
        {
            fn into_func(self) -> Func {
                Func::with_signature(signature::<R>(&[$(($ty::TYPE, $ty::VARIADIC)),*]), move |_, args| {
                    let rest = &mut &*args;
                    $(let $arg = $ty::from_args(rest)?;)*
                    let _ = rest;
                    self($($arg),*).into_return()
                })
            }
        }

        impl<F, R, $($ty),*> IntoFunc<WithContext<(R, $($ty,)*)>> for F
        where
            F: Fn(&mut Context<'_>, $($ty),*) -> R + Send + Sync + 'static,
            R: IntoReturn,
            $($ty: FromArg,)*
        {
            fn into_func(self) -> Func {
                Func::with_signature(signature::<R>(&[$(($ty::TYPE, $ty::VARIADIC)),*]), move |context, args| {
                    let rest = &mut &*args;
                    $(let $arg = $ty::from_args(rest)?;)*
                    let _ = rest;
                    self(context, $($arg),*).into_return()
                })
            }
        }
    };
}

into_func!();
into_func!(A a);
into_func!(A a B b);
into_func!(A a B b C c);
into_func!(A a B b C c D d);
into_func!(A a B b C c D d E e);
into_func!(A a B b C c D d E e G g);

fn signature<R: IntoReturn>(params: &[(Type, bool)]) -> Signature {
    Signature {
        params: params.iter().map(|(ty, _)| *ty).collect(),
        variadic: params.last().is_some_and(|(_, variadic)| *variadic),
        returns: R::TYPE,
    }
}
