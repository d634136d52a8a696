//! Values to Rust types, as `sigs.k8s.io/yaml` fills Go structs.

use compact_str::CompactString;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::value::Value;
use crate::{Error, ErrorKind};
use go_std::float;

/// What `Unmarshal` puts before the error of its first stage.
pub(crate) const TO_JSON: &str = "error converting YAML to JSON: ";
/// What `Unmarshal` puts before the error of its second stage.
const PREFIX: &str = "error unmarshaling JSON: while decoding JSON: ";

/// Fills a `T`; with `strict`, a field that `T` does not have is an error.
pub(crate) fn from_value<T: DeserializeOwned>(value: Value, strict: bool) -> Result<T, Error> {
    T::deserialize(De { value, strict }).map_err(|error| match error.kind() {
        // Infinities and NaN already fail on the way to JSON.
        ErrorKind::Encode => error.with_prefix(TO_JSON),
        _ => error.with_prefix(PREFIX),
    })
}

struct De {
    value: Value,
    strict: bool,
}

impl De {
    /// The text of a scalar where a string is wanted. Floats have the digits of a Go `float32`, as upstream.
    fn into_text(self) -> Result<CompactString, Error> {
        Ok(match self.value {
            Value::Str(text) => text,
            Value::Null => CompactString::const_new(""),
            Value::Bool(true) => CompactString::const_new("true"),
            Value::Bool(false) => CompactString::const_new("false"),
            Value::Int(value) => value.to_string().into(),
            Value::Uint(value) => value.to_string().into(),
            Value::Float(value) => float::format_g32(value).into(),
            Value::Seq(_) | Value::Map(_) => return Err(self.mismatch("string")),
        })
    }

    fn json_kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::Uint(_) | Value::Float(_) => "number",
            Value::Str(_) => "string",
            Value::Seq(_) => "array",
            Value::Map(_) => "object",
        }
    }

    /// A number as the error for one that does not fit shows it.
    fn number_text(&self) -> String {
        match self.value {
            Value::Int(value) => format!("number {value}"),
            Value::Uint(value) => format!("number {value}"),
            Value::Float(value) => format!("number {}", float::format_json(value).unwrap_or_default()),
            _ => String::new(),
        }
    }

    fn mismatch(&self, wanted: &str) -> Error {
        match unsupported(&self.value) {
            Some(error) => error,
            None => mismatch(self.json_kind(), wanted),
        }
    }
}

/// The first float that JSON cannot hold, which fails before any type is looked at.
fn unsupported(value: &Value) -> Option<Error> {
    match value {
        Value::Float(value) if !value.is_finite() => Some(crate::value::unsupported_float(*value)),
        Value::Seq(items) => items.iter().find_map(unsupported),
        Value::Map(map) => map.pairs().iter().find_map(|(_, value)| unsupported(value)),
        _ => None,
    }
}

fn mismatch(found: &str, wanted: &str) -> Error {
    Error::json(format!(
        "json: cannot unmarshal {found} into Go value of type {wanted}"
    ))
}

macro_rules! numbers {
    ($($method:ident => $go:literal),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.value {
                Value::Null => visitor.visit_u64(0),
                Value::Int(_) | Value::Uint(_) | Value::Float(_) => {
                    let found = self.number_text();
                    self.deserialize_any(visitor).map_err(|_| mismatch(&found, $go))
                }
                _ => Err(self.mismatch($go)),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for De {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let strict = self.strict;
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(value) => visitor.visit_i64(value),
            Value::Uint(value) => visitor.visit_u64(value),
            Value::Float(value) if value.is_finite() => visitor.visit_f64(value),
            Value::Float(value) => Err(crate::value::unsupported_float(value)),
            Value::Str(text) => visitor.visit_string(text.into_string()),
            Value::Seq(items) => visitor.visit_seq(Items {
                items: items.into_iter(),
                strict,
            }),
            Value::Map(map) => visitor.visit_map(Entries {
                rest: map.into_pairs().into_iter(),
                value: None,
                strict,
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_bool(false),
            Value::Bool(value) => visitor.visit_bool(value),
            _ => Err(self.mismatch("bool")),
        }
    }

    numbers! {
        deserialize_i8 => "int8", deserialize_i16 => "int16", deserialize_i32 => "int32", deserialize_i64 => "int64",
        deserialize_u8 => "uint8", deserialize_u16 => "uint16", deserialize_u32 => "uint32",
        deserialize_u64 => "uint64", deserialize_f32 => "float32", deserialize_f64 => "float64",
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.into_text()?.into_string())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_seq(Items {
                items: Vec::new().into_iter(),
                strict: self.strict,
            }),
            Value::Seq(_) => self.deserialize_any(visitor),
            _ => Err(self.mismatch("[]interface {}")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Null => visitor.visit_map(Entries {
                rest: Vec::new().into_iter(),
                value: None,
                strict: self.strict,
            }),
            Value::Map(_) => self.deserialize_any(visitor),
            _ => Err(self.mismatch("map[string]interface {}")),
        }
    }

    /// Renames keys to the fields they match, drops nulls, and refuses unknown fields in strict mode.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let strict = self.strict;
        let pairs = match self.value {
            Value::Map(map) => map.into_pairs(),
            Value::Null => Vec::new(),
            _ => return Err(self.mismatch(name)),
        };
        let mut known: Vec<(CompactString, Value)> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            let exact = fields.iter().find(|field| **field == key);
            let field = exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(&key)));
            match field {
                Some(_) if matches!(value, Value::Null) => {}
                Some(field) if exact.is_none() && known.iter().any(|(name, _)| name == field) => {}
                Some(field) => {
                    known.retain(|(name, _)| name != field);
                    known.push((CompactString::const_new(field), value));
                }
                None if strict => {
                    return Err(Error::json(format!(
                        "json: unknown field {}",
                        go_std::quote(&key)
                    )));
                }
                None => {}
            }
        }
        visitor.visit_map(Entries {
            rest: known.into_iter(),
            value: None,
            strict,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let strict = self.strict;
        match self.value {
            Value::Map(map) => {
                let mut pairs = map.into_pairs().into_iter();
                match (pairs.next(), pairs.next()) {
                    (Some((variant, value)), None) => visitor.visit_enum(Tagged {
                        name: variant,
                        value,
                        strict,
                    }),
                    _ => Err(Error::invalid_type(Unexpected::Map, &"a map with one key")),
                }
            }
            Value::Seq(_) => Err(mismatch("array", name)),
            _ => visitor.visit_enum(Tagged {
                name: self.into_text()?,
                value: Value::Null,
                strict,
            }),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Items {
    items: std::vec::IntoIter<Value>,
    strict: bool,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let strict = self.strict;
        self.items
            .next()
            .map(|value| seed.deserialize(De { value, strict }))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries {
    rest: std::vec::IntoIter<(CompactString, Value)>,
    value: Option<Value>,
    strict: bool,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let strict = self.strict;
        self.rest
            .next()
            .map(|(key, value)| {
                self.value = Some(value);
                seed.deserialize(De {
                    value: Value::Str(key),
                    strict,
                })
            })
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = self.value.take().unwrap_or(Value::Null);
        seed.deserialize(De {
            value,
            strict: self.strict,
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Tagged {
    name: CompactString,
    value: Value,
    strict: bool,
}

impl<'de> EnumAccess<'de> for Tagged {
    type Error = Error;
    type Variant = De;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, De), Error> {
        let variant = seed.deserialize(self.name.as_str().into_deserializer())?;
        Ok((
            variant,
            De {
                value: self.value,
                strict: self.strict,
            },
        ))
    }
}

impl<'de> VariantAccess<'de> for De {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}
