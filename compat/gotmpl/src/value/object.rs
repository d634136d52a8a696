//! Values with a type of their own: structs, pointers, types with methods.

use std::any::Any;
use std::fmt;

use crate::value::Value;
use crate::value::func::Func;
use crate::value::str::Str;
use crate::value::types::NamedType;

/// A Go value that is neither a plain scalar nor a plain container.
///
/// Implement it for what a host hands to its templates: `time.Time`, `*semver.Version`, Helm's
/// capabilities. Every method but the type has a default that suits a plain struct.
pub trait Object: Any + Send + Sync + fmt::Debug {
    /// Returns the type; its underlying type says whether this is a struct or a pointer.
    fn type_info(&self) -> &'static NamedType;

    /// Returns an exported field of the struct (or of the struct pointed to).
    fn field(&self, name: &str) -> Option<Value> {
        let exported = name.starts_with(char::is_uppercase);
        self.fields()
            .into_iter()
            .find(|(field, _)| exported && *field == name)
            .map(|(_, value)| value)
    }

    /// Returns all fields in the order of declaration, as `%v` prints them.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }

    /// Returns the method of that name, bound to this value.
    fn method(&self, name: &str) -> Option<Func> {
        let _ = name;
        None
    }

    /// Returns the result of `Error()` or `String()`, for types that have one of them.
    fn text(&self) -> Option<Str> {
        None
    }

    /// Returns the value as its basic type, for types such as `time.Duration`.
    fn basic(&self) -> Option<Value> {
        None
    }

    /// Returns whether `if` takes it for true: all structs are, and all pointers but nil.
    fn truth(&self) -> bool {
        self.basic().is_none_or(|basic| basic.truth())
    }

    /// Returns what `range` yields, for iterators and channels: pairs of key and element.
    fn iterate(&self) -> Option<Box<dyn Iterator<Item = (Value, Value)> + '_>> {
        None
    }

    /// Compares with Go's `==`; nothing means that the type cannot be compared.
    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let _ = other;
        None
    }

    /// Returns the fields under the names that encoding/json gives them, in the order of declaration.
    fn json_fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = self.fields();
        fields.retain(|(name, _)| name.starts_with(char::is_uppercase));
        fields
    }

    /// Returns what encoding/json makes of it, as plain data; a map for its [`Object::json_fields`].
    fn to_plain(&self) -> Value {
        self.basic()
            .unwrap_or_else(|| Value::Map(self.json_fields().into_iter().collect()))
    }

    /// Returns the copy that a parameter of type `interface {}` receives, if it differs.
    ///
    /// Go finds methods with pointer receivers on a struct field, and no longer on its copy.
    fn copied(&self) -> Option<Value> {
        None
    }
}
