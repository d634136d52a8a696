//! The dynamic value that templates work on, and what it can be.
//!
//! The files of this folder call each other in circles, because values do: a list and a map hold values, a function is a
//! value, takes values and is given a context, and the type of a value may have functions as methods.

pub(crate) mod args;
pub(crate) mod context;
pub(crate) mod cycles;
pub(crate) mod func;
pub(crate) mod list;
pub(crate) mod map;
pub(crate) mod object;
pub(crate) mod str;
pub(crate) mod types;

use std::any::Any;
use std::sync::Arc;

use crate::value::func::Func;
use crate::value::list::List;
use crate::value::map::Map;
use crate::value::object::Object;
use crate::value::str::Str;
use crate::value::types::{IntType, Kind, Type, UintType};

/// A Go value as templates see it: what an `interface{}` can hold.
///
/// Clones are cheap: strings, lists, maps and objects are shared. Maps and lists are references
/// with Go's semantics, see [`Map`] and [`List`].
///
/// ```
/// use gotmpl::{Map, Value};
///
/// let map: Map = [("name", Value::from("web")), ("replicas", Value::from(3.0))].into_iter().collect();
/// let alias = Value::from(map.clone());
/// map.insert("name", "api").unwrap();
/// assert_eq!(alias.to_string(), "map[name:api replicas:3]");
/// ```
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// nil without a type.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// Any signed integer type.
    Int(i64, IntType),
    /// Any unsigned integer type.
    Uint(u64, UintType),
    /// `float64`.
    Float(f64),
    /// `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// `string`.
    Str(Str),
    /// Any slice.
    List(List),
    /// Any map with string keys.
    Map(Map),
    /// Anything else: structs, pointers, types with methods.
    Object(Arc<dyn Object>),
    /// A function.
    Func(Func),
}

impl Value {
    /// Makes an `int`.
    pub fn int(n: i64) -> Self {
        Value::Int(n, IntType::Int)
    }

    /// Makes an `int64`.
    pub fn int64(n: i64) -> Self {
        Value::Int(n, IntType::Int64)
    }

    /// Makes a `uint64`.
    pub fn uint64(n: u64) -> Self {
        Value::Uint(n, UintType::Uint64)
    }

    /// Makes a `[]byte`.
    pub fn bytes(bytes: impl Into<Str>) -> Self {
        Value::List(List::bytes(bytes.into()))
    }

    /// Makes a value of an object.
    pub fn object(object: impl Object) -> Self {
        Value::Object(Arc::new(object))
    }

    /// Returns the zero value of a type: `0`, `""`, a nil map, nil.
    pub fn zero(ty: Type) -> Self {
        match ty.underlying() {
            Type::Bool => Value::Bool(false),
            Type::Int(t) => Value::Int(0, t),
            Type::Uint(t) => Value::Uint(0, t),
            Type::Float32 | Type::Float64 => Value::Float(0.0),
            Type::Complex128 => Value::Complex(0.0, 0.0),
            Type::String => Value::Str(Str::default()),
            Type::Slice(_) => Value::List(List::nil_of(ty)),
            Type::Map(_) => Value::Map(Map::nil().with_type(ty)),
            Type::Any | Type::Func | Type::Struct | Type::Pointer | Type::Named(_) => Value::Nil,
        }
    }

    /// Returns the dynamic type, and nothing for nil.
    pub fn go_type(&self) -> Option<Type> {
        Some(match self {
            Value::Nil => return None,
            Value::Bool(_) => Type::Bool,
            Value::Int(_, t) => Type::Int(*t),
            Value::Uint(_, t) => Type::Uint(*t),
            Value::Float(_) => Type::Float64,
            Value::Complex(..) => Type::Complex128,
            Value::Str(_) => Type::String,
            Value::List(list) => list.ty(),
            Value::Map(map) => map.ty(),
            Value::Object(object) => Type::Named(object.type_info()),
            Value::Func(_) => Type::Func,
        })
    }

    /// Returns the kind, [`Kind::Invalid`] for nil.
    pub fn kind(&self) -> Kind {
        self.go_type().map_or(Kind::Invalid, Type::kind)
    }

    /// Returns what `%T` prints: the name of the type, `<nil>` for nil.
    pub fn type_name(&self) -> String {
        self.go_type()
            .map_or_else(|| "<nil>".to_owned(), |ty| ty.to_string())
    }

    /// Returns whether this is nil without a type.
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// Returns the truth of the value, as `if` sees it.
    ///
    /// False are nil, false, every zero, and empty strings, lists and maps; all objects are true
    /// unless they say otherwise.
    pub fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(n, _) => *n != 0,
            Value::Uint(n, _) => *n != 0,
            Value::Float(f) => *f != 0.0,
            Value::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Value::Str(s) => !s.is_empty(),
            Value::List(list) => !list.is_empty(),
            Value::Map(map) => !map.is_empty(),
            Value::Object(object) => object.truth(),
            Value::Func(_) => true,
        }
    }

    /// Returns the string, if it is one.
    pub fn as_str(&self) -> Option<&Str> {
        if let Value::Str(s) = self { Some(s) } else { None }
    }

    /// Returns the map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        if let Value::Map(map) = self {
            Some(map)
        } else {
            None
        }
    }

    /// Returns the list, if it is one.
    pub fn as_list(&self) -> Option<&List> {
        if let Value::List(list) = self {
            Some(list)
        } else {
            None
        }
    }

    /// Returns the object, if it is one of type T.
    pub fn downcast<T: Object>(&self) -> Option<&T> {
        let Value::Object(object) = self else { return None };
        (object.as_ref() as &dyn Any).downcast_ref()
    }

    /// Returns whether other values may live in this one.
    pub(crate) fn is_container(&self) -> bool {
        matches!(self, Value::List(_) | Value::Map(_))
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}

impl From<isize> for Value {
    fn from(n: isize) -> Self {
        Value::int(n as i64)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::int64(n)
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Value::uint64(n)
    }
}

impl From<f64> for Value {
    fn from(f: f64) -> Self {
        Value::Float(f)
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Value::Str(s.into())
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Value::Str(s.into())
    }
}

impl From<Str> for Value {
    fn from(s: Str) -> Self {
        Value::Str(s)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Value::List(list)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Value::Map(map)
    }
}

impl From<Func> for Value {
    fn from(func: Func) -> Self {
        Value::Func(func)
    }
}
