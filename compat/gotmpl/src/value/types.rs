//! Go types, as far as templates can observe them.

use std::fmt;

use crate::value::Value;
use crate::value::func::Func;

/// A signed integer type of Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntType {
    /// `int`, 64 bits wide.
    Int,
    /// `int8`.
    Int8,
    /// `int16`.
    Int16,
    /// `int32`, also called `rune`.
    Int32,
    /// `int64`.
    Int64,
}

/// An unsigned integer type of Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UintType {
    /// `uint`, 64 bits wide.
    Uint,
    /// `uint8`, also called `byte`.
    Uint8,
    /// `uint16`.
    Uint16,
    /// `uint32`.
    Uint32,
    /// `uint64`.
    Uint64,
    /// `uintptr`.
    Uintptr,
}

/// A Go type: of a value, a parameter, a result, an element.
///
/// Types are small constants; the display form is Go's own (`map[string]interface {}`, `[]uint8`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `interface {}`.
    Any,
    /// `bool`.
    Bool,
    /// A signed integer.
    Int(IntType),
    /// An unsigned integer.
    Uint(UintType),
    /// `float32`.
    Float32,
    /// `float64`.
    Float64,
    /// `complex128`.
    Complex128,
    /// `string`.
    String,
    /// `[]T`.
    Slice(&'static Type),
    /// `map[string]T`.
    Map(&'static Type),
    /// A function.
    Func,
    /// An unnamed struct; the underlying type of a [`NamedType`] of an object.
    Struct,
    /// A pointer; the underlying type of a [`NamedType`] such as `*semver.Version`.
    Pointer,
    /// A type with a name and methods.
    Named(&'static NamedType),
}

impl Type {
    /// `int`.
    pub const INT: Type = Type::Int(IntType::Int);
    /// `int64`.
    pub const INT64: Type = Type::Int(IntType::Int64);
    /// `uint8`.
    pub const UINT8: Type = Type::Uint(UintType::Uint8);
    /// `uint64`.
    pub const UINT64: Type = Type::Uint(UintType::Uint64);
    /// `[]interface {}`.
    pub const LIST: Type = Type::Slice(&Type::Any);
    /// `[]string`.
    pub const STRINGS: Type = Type::Slice(&Type::String);
    /// `[]int`.
    pub const INTS: Type = Type::Slice(&Type::INT);
    /// `[]uint8`.
    pub const BYTES: Type = Type::Slice(&Type::UINT8);
    /// `[][]interface {}`.
    pub const LISTS: Type = Type::Slice(&Type::LIST);
    /// `map[string]interface {}`.
    pub const MAP: Type = Type::Map(&Type::Any);
    /// `map[string]string`.
    pub const STRING_MAP: Type = Type::Map(&Type::String);

    /// Returns the kind of the type, which for a named type is that of what it is made of.
    pub fn kind(self) -> Kind {
        match self {
            Type::Any => Kind::Interface,
            Type::Bool => Kind::Bool,
            Type::Int(t) => Kind::Int(t),
            Type::Uint(t) => Kind::Uint(t),
            Type::Float32 => Kind::Float32,
            Type::Float64 => Kind::Float64,
            Type::Complex128 => Kind::Complex128,
            Type::String => Kind::String,
            Type::Slice(_) => Kind::Slice,
            Type::Map(_) => Kind::Map,
            Type::Func => Kind::Func,
            Type::Struct => Kind::Struct,
            Type::Pointer => Kind::Pointer,
            Type::Named(named) => named.underlying.kind(),
        }
    }

    /// Returns the type without its name.
    #[must_use]
    pub fn underlying(self) -> Type {
        match self {
            Type::Named(named) => named.underlying,
            other => other,
        }
    }

    /// Returns whether a value of this type may be assigned to `target` without conversion.
    ///
    /// As in Go: identical types, anything to `interface {}`, and equal underlying types of which
    /// at least one has no name.
    pub fn assignable_to(self, target: Type) -> bool {
        if target == Type::Any || self == target {
            return true;
        }
        let one_unnamed = !(matches!(self, Type::Named(_)) && matches!(target, Type::Named(_)));
        let composite = matches!(self.underlying(), Type::Slice(_) | Type::Map(_));
        one_unnamed && composite && self.underlying() == target.underlying()
    }

    /// Returns whether nil is a value of the type.
    pub fn can_be_nil(self) -> bool {
        matches!(
            self.kind(),
            Kind::Interface | Kind::Slice | Kind::Map | Kind::Func | Kind::Pointer
        )
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Any => f.write_str("interface {}"),
            Type::Slice(elem) => write!(f, "[]{elem}"),
            Type::Map(elem) => write!(f, "map[string]{elem}"),
            Type::Func => f.write_str("func(...interface {}) interface {}"),
            Type::Struct => f.write_str("struct {}"),
            Type::Pointer => f.write_str("*struct {}"),
            Type::Named(named) => f.write_str(named.name),
            simple => f.write_str(simple.kind().name()),
        }
    }
}

/// A type with a name, and methods if it has any.
#[derive(Debug)]
pub struct NamedType {
    /// The name with its package, `common.Values`; for pointers with the star, `*semver.Version`.
    pub name: &'static str,
    /// What the type is made of.
    pub underlying: Type,
    /// Finds a method of a list or map value of this type; objects answer for themselves.
    pub method: fn(receiver: &Value, name: &str) -> Option<Func>,
}

impl NamedType {
    /// Describes a type without methods of its own.
    pub const fn new(name: &'static str, underlying: Type) -> Self {
        Self {
            name,
            underlying,
            method: no_method,
        }
    }

    /// Describes a type whose methods `method` finds.
    pub const fn with_methods(
        name: &'static str,
        underlying: Type,
        method: fn(receiver: &Value, name: &str) -> Option<Func>,
    ) -> Self {
        Self {
            name,
            underlying,
            method,
        }
    }
}

fn no_method(_: &Value, _: &str) -> Option<Func> {
    None
}

impl PartialEq for NamedType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for NamedType {}

impl std::hash::Hash for NamedType {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// What Go's reflection calls the kind of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No value at all.
    Invalid,
    /// `interface`.
    Interface,
    /// `bool`.
    Bool,
    /// A signed integer.
    Int(IntType),
    /// An unsigned integer.
    Uint(UintType),
    /// `float32`.
    Float32,
    /// `float64`.
    Float64,
    /// `complex128`.
    Complex128,
    /// `string`.
    String,
    /// `slice`.
    Slice,
    /// `map`.
    Map,
    /// `func`.
    Func,
    /// `struct`.
    Struct,
    /// `ptr`.
    Pointer,
}

impl Kind {
    /// Returns Go's name of the kind: `invalid`, `slice`, `ptr`, `float64`, and so on.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Interface => "interface",
            Kind::Bool => "bool",
            Kind::Int(IntType::Int) => "int",
            Kind::Int(IntType::Int8) => "int8",
            Kind::Int(IntType::Int16) => "int16",
            Kind::Int(IntType::Int32) => "int32",
            Kind::Int(IntType::Int64) => "int64",
            Kind::Uint(UintType::Uint) => "uint",
            Kind::Uint(UintType::Uint8) => "uint8",
            Kind::Uint(UintType::Uint16) => "uint16",
            Kind::Uint(UintType::Uint32) => "uint32",
            Kind::Uint(UintType::Uint64) => "uint64",
            Kind::Uint(UintType::Uintptr) => "uintptr",
            Kind::Float32 => "float32",
            Kind::Float64 => "float64",
            Kind::Complex128 => "complex128",
            Kind::String => "string",
            Kind::Slice => "slice",
            Kind::Map => "map",
            Kind::Func => "func",
            Kind::Struct => "struct",
            Kind::Pointer => "ptr",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
