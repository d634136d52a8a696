//! Records that are read as Go reads them ([`go_std::record`]) and written as Go writes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A Go type that JSON is written from.
pub(crate) trait ToGo {
    /// The value as Go writes it, `None` where `omitempty` leaves it out.
    fn write(&self) -> Option<Value>;
    /// The value behind a Go pointer, which `omitempty` keeps as soon as there is one.
    fn write_present(&self) -> Option<Value> {
        self.write()
    }
}

impl ToGo for String {
    fn write(&self) -> Option<Value> {
        (!self.is_empty()).then(|| self.clone().into())
    }

    fn write_present(&self) -> Option<Value> {
        Some(self.clone().into())
    }
}

impl ToGo for bool {
    fn write(&self) -> Option<Value> {
        self.then_some(Value::Bool(true))
    }
}

impl ToGo for i64 {
    fn write(&self) -> Option<Value> {
        (*self != 0).then(|| Value::from(*self))
    }
}

/// Any JSON value, kept as it is.
impl ToGo for Value {
    fn write(&self) -> Option<Value> {
        let empty = matches!(self, Value::Null) || self.as_object().is_some_and(Map::is_empty);
        (!empty).then(|| self.clone())
    }
}

impl<T: ToGo> ToGo for Option<T> {
    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(ToGo::write_present)
    }
}

impl<T: ToGo> ToGo for Vec<T> {
    fn write(&self) -> Option<Value> {
        let item = |t: &T| t.write().unwrap_or_else(|| Value::String(String::new()));
        (!self.is_empty()).then(|| Value::Array(self.iter().map(item).collect()))
    }
}

impl ToGo for BTreeMap<String, String> {
    fn write(&self) -> Option<Value> {
        let entries = self.iter().map(|(k, v)| (k.clone(), Value::String(v.clone())));
        (!self.is_empty()).then(|| Value::Object(entries.collect()))
    }
}

/// Fields that are written into an object: what [`record!`] implements.
pub(crate) trait WriteFields {
    fn write_fields(&self, into: &mut Map<String, Value>);
}

/// Defines a struct with the JSON names of its fields; `inline` adds the fields of another record.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $name:ident = $go:literal {
            $( $(#[$field_meta:meta])* $field:ident: $ty:ty = $json:literal, )*
        }
        $( inline $inline:ident: $inline_ty:ty )?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(crate) struct $name {
            $( $(#[$field_meta])* pub(crate) $field: $ty, )*
            $( pub(crate) $inline: $inline_ty, )?
        }

        go_std::go_record!($name = $go { $( $field = $json, )* } $( inline $inline )?);

        impl $crate::record::WriteFields for $name {
            fn write_fields(&self, into: &mut serde_json::Map<String, serde_json::Value>) {
                $( if let Some(value) = $crate::record::ToGo::write(&self.$field) {
                    into.insert($json.to_owned(), value);
                } )*
                $( $crate::record::WriteFields::write_fields(&self.$inline, into); )?
            }
        }

        impl $crate::record::ToGo for $name {
            fn write(&self) -> Option<serde_json::Value> {
                use $crate::record::WriteFields as _;
                let mut map = serde_json::Map::new();
                self.write_fields(&mut map);
                Some(serde_json::Value::Object(map))
            }
        }
    };
}
pub(crate) use record;
