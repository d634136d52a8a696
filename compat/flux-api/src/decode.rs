//! How Go's JSON is read and written: `null` is the zero value, zero values are left out.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Reads `null` as the default value, as Go does; for lists that a nil slice can print as `null`.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Returns whether a value is its type's zero value, which Go's `omitempty` leaves out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Looks below each item of a list, whose path is `list[index].`.
pub(crate) fn first_below<T>(
    list: &str,
    items: &[T],
    look: impl Fn(&T, &str) -> Option<String>,
) -> Option<String> {
    let mut items = items.iter().enumerate();
    items.find_map(|(at, item)| look(item, &format!("{list}[{at}].")))
}

/// The names of fields that a type does not have, because a newer definition added them; it is put in with
/// `#[serde(flatten)]`.
///
/// Their values are not kept: an object is never written back as a whole. Fields that are `null` do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UnknownFields(Vec<String>);

impl UnknownFields {
    /// Gives the path of the first such field below `parent`.
    pub(crate) fn first(&self, parent: &str) -> Option<String> {
        let name = self.0.first()?;
        Some(format!("{parent}{name}"))
    }
}

impl<'de> Deserialize<'de> for UnknownFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = UnknownFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UnknownFields, A::Error> {
                let mut names = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Option<IgnoredAny>>()? {
                    names.extend(value.map(|_| name));
                }
                Ok(UnknownFields(names))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

impl Serialize for UnknownFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_map(Some(0))?.end()
    }
}
