//! Values together with what is known of where they came from.

use crate::value::Value;
use crate::value::types::Type;

/// A value as the engine passes it around: Go's `reflect.Value`.
///
/// Three states differ in what may be done with them: no value at all (nil, not in an interface), a
/// nil that still sits in an `interface {}` slot, and a real value in a slot or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    pub value: Value,
    /// The value sits in an element, a key or a result of type `interface {}`.
    pub iface: bool,
}

impl Slot {
    /// No value at all.
    pub(crate) const INVALID: Slot = Slot {
        value: Value::Nil,
        iface: false,
    };

    pub(crate) fn concrete(value: Value) -> Self {
        Self { value, iface: false }
    }

    /// A value read from a place of the given static type.
    pub(crate) fn of_type(value: Value, static_type: Type) -> Self {
        Self {
            value,
            iface: static_type == Type::Any,
        }
    }

    pub(crate) fn is_invalid(&self) -> bool {
        !self.iface && self.value.is_nil()
    }

    pub(crate) fn is_nil_iface(&self) -> bool {
        self.iface && self.value.is_nil()
    }

    /// Takes the value out of its interface, if it is in one.
    pub(crate) fn unwrapped(self) -> Self {
        Self::concrete(self.value)
    }

    /// Returns the name of the static type, for error messages.
    pub(crate) fn static_type(&self) -> String {
        if self.iface {
            Type::Any.to_string()
        } else {
            self.value.type_name()
        }
    }
}

/// What a parameter accepts.
#[derive(Clone, Copy)]
pub(super) enum Want {
    /// Anything, as it is: the parameters of most of Go's own functions.
    Raw,
    Typed(Type),
}
