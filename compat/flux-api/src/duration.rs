//! Durations as Go writes them.

use std::fmt;
use std::str::FromStr;

pub use go_std::duration::DurationError;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time with the range, the parser and the printed form of Go's `time.Duration`.
///
/// It counts nanoseconds in an `i64`, may be negative, and prints in hours, minutes and seconds (`1h30m0s`,
/// `1.5s`, `250ms`), which is also its JSON form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(i64);

impl GoDuration {
    /// Returns a duration of whole nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Returns the number of nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Returns the duration for use with Rust's clocks; a negative one becomes zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }
}

impl From<std::time::Duration> for GoDuration {
    /// Converts, stopping at the largest duration that Go can hold (about 292 years).
    fn from(duration: std::time::Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    /// Parses what Go's `time.ParseDuration` accepts, and nothing else.
    fn from_str(input: &str) -> Result<Self, DurationError> {
        go_std::duration::parse(input).map(Self)
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&go_std::duration::format(self.0))
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A duration field of an API object, which keeps a value that is not a duration instead of failing.
///
/// A single object whose duration cannot be read must not stop the watch over all of them (Flux had that as
/// CVE-2022-39272), so decoding always succeeds and the reader asks for the value with [`Duration::get`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duration(Result<GoDuration, DurationError>);

impl Duration {
    /// Returns the duration, or why the field does not hold one.
    pub fn get(&self) -> Result<GoDuration, &DurationError> {
        self.0.as_ref().copied()
    }
}

impl Default for Duration {
    fn default() -> Self {
        GoDuration::default().into()
    }
}

impl From<GoDuration> for Duration {
    fn from(duration: GoDuration) -> Self {
        Self(Ok(duration))
    }
}

impl From<&str> for Duration {
    fn from(text: &str) -> Self {
        Self(text.parse())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Ok(duration) => duration.serialize(serializer),
            Err(DurationError::Invalid(text) | DurationError::MissingUnit(text)) => {
                serializer.serialize_str(text)
            }
            Err(DurationError::UnknownUnit { input, .. }) => serializer.serialize_str(input),
        }
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => Self::default(),
            serde_json::Value::String(text) => Self(text.parse()),
            other => Self(Err(DurationError::Invalid(other.to_string()))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_an_odd_value_decodes_and_says_what_it_holds() {
        for json in ["\"soon\"", "5", "{\"a\":1}"] {
            let field: Duration = serde_json::from_str(json).expect("decodes");
            assert!(field.get().is_err(), "{json}");
        }
        assert_eq!(
            serde_json::from_str::<Duration>("\"1m\"")
                .expect("decodes")
                .get()
                .expect("valid")
                .as_nanos(),
            60_000_000_000
        );
    }
}
