//! Values to and from other data formats.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{self, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::limits::Limits;
use crate::value::Value;
use crate::value::list::List;
use crate::value::map::Map;
use crate::value::str::Str;

/// Serialises as encoding/json would: nil lists and maps as null, `[]byte` as base64 text, invalid
/// UTF-8 with U+FFFD. Fails for functions, complex numbers, and values nested too deeply.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Nested {
            value: self,
            depth: 0,
        }
        .serialize(serializer)
    }
}

struct Nested<'a> {
    value: &'a Value,
    depth: usize,
}

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let depth = self.depth + 1;
        if depth > Limits::VALUE_DEPTH {
            return Err(ser::Error::custom(
                "value is nested too deeply, or contains itself",
            ));
        }
        match self.value {
            Value::Nil => serializer.serialize_unit(),
            Value::Bool(b) => serializer.serialize_bool(*b),
            Value::Int(n, _) => serializer.serialize_i64(*n),
            Value::Uint(n, _) => serializer.serialize_u64(*n),
            Value::Float(f) => serializer.serialize_f64(*f),
            Value::Complex(..) => Err(ser::Error::custom("json: unsupported type: complex128")),
            Value::Str(s) => serializer.serialize_str(&s.to_string_lossy()),
            Value::List(list) if list.is_nil() => serializer.serialize_unit(),
            Value::List(list) => {
                if let Some(bytes) = list.as_bytes() {
                    return serializer.serialize_str(&go_std::base64::encode(&bytes));
                }
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                for value in list.items() {
                    seq.serialize_element(&Nested { value: &value, depth })?;
                }
                seq.end()
            }
            Value::Map(map) if map.is_nil() => serializer.serialize_unit(),
            Value::Map(map) => {
                let entries = map.entries();
                let mut out = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries.iter() {
                    out.serialize_entry(&key.to_string_lossy(), &Nested { value, depth })?;
                }
                out.end()
            }
            Value::Object(object) => Nested {
                value: &object.to_plain(),
                depth,
            }
            .serialize(serializer),
            Value::Func(_) => Err(ser::Error::custom(format!(
                "json: unsupported type: {}",
                self.value.type_name()
            ))),
        }
    }
}

/// Deserialises into nil, bool, `int64`, `uint64` (beyond `int64`), `float64`, `string`,
/// `[]interface {}` and `map[string]interface {}`.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::int64(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(i64::try_from(n).map_or(Value::uint64(n), Value::int64))
    }

    fn visit_f64<E>(self, f: f64) -> Result<Value, E> {
        Ok(Value::Float(f))
    }

    fn visit_str<E>(self, s: &str) -> Result<Value, E> {
        Ok(Value::from(s))
    }

    fn visit_string<E>(self, s: String) -> Result<Value, E> {
        Ok(Value::from(s))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Str(Str::from(bytes)))
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Deserialize::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Deserialize::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(1024));
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(List::new(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = std::collections::BTreeMap::new();
        while let Some((key, value)) = access.next_entry::<Key, Value>()? {
            entries.insert(key.0, value);
        }
        Ok(Value::Map(Map::typed(crate::Type::MAP, entries)))
    }
}

struct Key(Str);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string key")
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Key, E> {
                Ok(Key(s.into()))
            }
            fn visit_bytes<E: de::Error>(self, s: &[u8]) -> Result<Key, E> {
                Ok(Key(s.into()))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}
