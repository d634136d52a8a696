//! How Go's JSON is read and written: `null` is the zero value, zero values are left out.

use serde::{Deserialize, Deserializer};

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
