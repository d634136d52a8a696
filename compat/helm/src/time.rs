//! Points in time as Go's `time.Time` reads and writes them in JSON.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time with the offset in which it was written, so that it is written again in the same words.
///
/// The default is Go's zero time, the start of the year 1, which stands for "no time".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Time {
    at: Timestamp,
    offset: Offset,
}

/// The seconds from the start of 1970 to that of the year 1.
const ZERO: i64 = -62_135_596_800;

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parsing time {0}: it is not of the form 2006-01-02T15:04:05Z07:00")]
pub struct InvalidTime(String);

impl Time {
    /// Whether it is no time at all.
    pub fn is_zero(&self) -> bool {
        *self == Self::default() || (self.at.as_second() == ZERO && self.at.subsec_nanosecond() == 0)
    }

    /// The point in time.
    pub fn timestamp(&self) -> Timestamp {
        self.at
    }

    /// The time in UTC, cut to seconds, as Kubernetes writes times; nothing if it is no time.
    pub fn to_seconds(&self) -> Option<Timestamp> {
        if self.is_zero() {
            return None;
        }
        Timestamp::from_second(self.at.as_second() - i64::from(self.at.subsec_nanosecond() < 0)).ok()
    }
}

impl Default for Time {
    fn default() -> Self {
        Self {
            at: Timestamp::from_second(ZERO).unwrap_or(Timestamp::MIN),
            offset: Offset::UTC,
        }
    }
}

impl From<Timestamp> for Time {
    /// The time in UTC.
    fn from(at: Timestamp) -> Self {
        Self {
            at,
            offset: Offset::UTC,
        }
    }
}

impl fmt::Display for Time {
    /// Writes RFC 3339 with the fraction of a second that there is, without trailing zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.offset.to_datetime(self.at);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            local.year(),
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second()
        )?;
        let nanos = local.subsec_nanosecond();
        if nanos != 0 {
            let digits = format!("{nanos:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        let minutes = self.offset.seconds() / 60;
        if minutes == 0 {
            return f.write_str("Z");
        }
        let sign = if minutes < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
    }
}

impl FromStr for Time {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        parse(text).ok_or_else(|| InvalidTime(go_std::quote(text.as_bytes())))
    }
}

fn parse(text: &str) -> Option<Time> {
    let (date, rest) = text.split_at_checked(10)?;
    let (year, month_and_day) = date.split_once('-')?;
    let (month, day) = month_and_day.split_once('-')?;
    let (clock, rest) = rest.strip_prefix('T')?.split_at_checked(8)?;
    let (hour, rest_of_clock) = clock.split_once(':')?;
    let (minute, second) = rest_of_clock.split_once(':')?;
    let (nanos, zone) = fraction(rest)?;
    let offset = offset(zone)?;
    let date_time = DateTime::new(
        number(year, 4)?,
        number(month, 2)?,
        number(day, 2)?,
        number(hour, 2)?,
        number(minute, 2)?,
        number(second, 2)?,
        nanos,
    )
    .ok()?;
    Some(Time {
        at: offset.to_timestamp(date_time).ok()?,
        offset,
    })
}

fn number<N: FromStr>(digits: &str, length: usize) -> Option<N> {
    if digits.len() != length || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Reads the fraction of a second, of which Go keeps nine digits, and returns what follows it.
fn fraction(text: &str) -> Option<(i32, &str)> {
    let Some(after) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let length = after.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, zone) = after.split_at_checked(length)?;
    let kept = digits.get(..9).unwrap_or(digits);
    let nanos: i32 = kept.parse().ok()?;
    let missing = u32::try_from(9 - kept.len()).ok()?;
    Some((nanos * 10_i32.pow(missing), zone))
}

fn offset(zone: &str) -> Option<Offset> {
    if zone == "Z" {
        return Some(Offset::UTC);
    }
    let (sign, zone) = match zone.strip_prefix('-') {
        Some(zone) => (-1, zone),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = zone.split_once(':')?;
    let (hours, minutes) = (number::<i32>(hours, 2)?, number::<i32>(minutes, 2)?);
    if minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 60 + minutes) * 60).ok()
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Reads a time that may also be null or an empty text, which Helm 3 wrote for "no time".
pub(crate) fn or_zero<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    if text.is_empty() {
        return Ok(Time::default());
    }
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_were_read() {
        let check = |text: &str, want: &str| {
            let time: Time = text.parse().unwrap();
            assert_eq!(time.to_string(), want);
        };
        for same in [
            "2024-01-02T03:04:05Z",
            "2024-01-02T03:04:05.000000001Z",
            "2024-01-02T03:04:05.12+05:30",
            "1969-12-31T23:59:59.5-08:00",
            "0001-01-01T00:00:00Z",
            "9999-12-30T21:59:59.999999999Z",
        ] {
            check(same, same);
        }
        check("2024-01-02T03:04:05.1200+00:00", "2024-01-02T03:04:05.12Z");
        check("2024-01-02T03:04:05.0000000009Z", "2024-01-02T03:04:05Z");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "2024",
            "2024-01-02 03:04:05Z",
            "2024-01-02T03:04:05",
            "2024-02-30T03:04:05Z",
            "2024-01-02T03:04:05.Z",
            "2024-01-02T03:04:05+0530",
            "2024-01-02T03:04:05+05:60",
            "+024-01-02T03:04:05Z",
            "2024-01-02T03:04:0éZ",
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_are_cut_downwards() {
        let seconds = |text: &str| {
            text.parse::<Time>()
                .unwrap()
                .to_seconds()
                .map(|at| at.to_string())
        };
        assert_eq!(
            seconds("2024-01-02T03:04:05.9+01:00").as_deref(),
            Some("2024-01-02T02:04:05Z")
        );
        assert_eq!(
            seconds("1969-12-31T23:59:58.5Z").as_deref(),
            Some("1969-12-31T23:59:58Z")
        );
        assert_eq!(seconds("0001-01-01T00:00:00Z"), None);
        assert!("0001-01-01T01:00:00+01:00".parse::<Time>().unwrap().is_zero());
    }
}
