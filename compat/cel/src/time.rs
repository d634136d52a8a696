//! Moments and zones, as Go's `time` reads, moves and prints them.

use std::cmp::Ordering;
use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};

use crate::error::Failure;

/// The first second of year 1 and the last of year 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
const NANOS: i64 = 1_000_000_000;

/// A moment, and how far from UTC the clock is that it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timestamp {
    seconds: i64,
    nanos: i64,
    /// Seconds east of UTC.
    offset: i64,
}

/// A part of a date or of a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    FullYear,
    Month,
    DayOfYear,
    DayOfMonth,
    Date,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

impl Timestamp {
    pub(crate) fn from_seconds(seconds: i64) -> Result<Self, Failure> {
        Self::new(seconds, 0, 0)
    }

    fn new(seconds: i64, nanos: i64, offset: i64) -> Result<Self, Failure> {
        if !SECONDS.contains(&seconds) {
            return Err(Failure::new("timestamp overflow"));
        }
        Ok(Self {
            seconds,
            nanos,
            offset,
        })
    }

    /// Reads RFC 3339 as leniently as Go does; nothing for another text.
    pub(crate) fn parse(text: &str) -> Option<Result<Self, Failure>> {
        let mut rest = text;
        let year = digits(&mut rest, 4, 4)?;
        let month = part(&mut rest, '-')?;
        let day = part(&mut rest, '-')?;
        rest = rest.strip_prefix('T')?;
        let hour = digits(&mut rest, 1, 2)?;
        let minute = part(&mut rest, ':')?;
        let second = part(&mut rest, ':')?;
        let nanos = fraction(&mut rest)?;
        let offset = zone(rest)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let date = Date::new(year as i16, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        let days = days_since_epoch(date);
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
        Some(Self::new(seconds, nanos, offset))
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.seconds
    }

    /// Whether it is the first moment of year 1.
    pub(crate) fn is_zero(&self) -> bool {
        self.seconds == *SECONDS.start() && self.nanos == 0
    }

    pub(crate) fn is_same_moment(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Equal
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos))
    }

    pub(crate) fn plus(&self, duration: i64) -> Result<Self, Failure> {
        let overflow = || Failure::new("timestamp overflow");
        let nanos = self.nanos + duration.rem_euclid(NANOS);
        let seconds = self
            .seconds
            .checked_add(duration.div_euclid(NANOS) + nanos / NANOS)
            .ok_or_else(overflow)?;
        Self::new(seconds, nanos % NANOS, self.offset)
    }

    /// The nanoseconds from another moment to this one.
    pub(crate) fn minus(&self, other: &Self) -> Result<i64, Failure> {
        (self.seconds - other.seconds)
            .checked_mul(NANOS)
            .and_then(|nanos| nanos.checked_add(self.nanos - other.nanos))
            .ok_or_else(|| Failure::new("integer overflow"))
    }

    /// A part of the date or the time in a zone, in UTC without one.
    pub(crate) fn part(&self, part: Part, zone: Option<&str>) -> Result<i64, Failure> {
        let offset = match zone {
            None => 0,
            Some(zone) => offset_of(zone, self.seconds)?,
        };
        let civil =
            civil(self.seconds + offset, self.nanos).ok_or_else(|| Failure::new("timestamp overflow"))?;
        Ok(match part {
            Part::FullYear => i64::from(civil.year()),
            Part::Month => i64::from(civil.month()) - 1,
            Part::DayOfYear => i64::from(civil.day_of_year()) - 1,
            Part::DayOfMonth => i64::from(civil.day()) - 1,
            Part::Date => i64::from(civil.day()),
            Part::DayOfWeek => i64::from(civil.weekday().to_sunday_zero_offset()),
            Part::Hours => i64::from(civil.hour()),
            Part::Minutes => i64::from(civil.minute()),
            Part::Seconds => i64::from(civil.second()),
            Part::Milliseconds => self.nanos / 1_000_000,
        })
    }

    /// In UTC, as RFC 3339.
    pub(crate) fn utc(&self) -> Self {
        Self { offset: 0, ..*self }
    }

    /// As `%v` of Go prints it.
    pub(crate) fn go_text(&self) -> String {
        let Some(civil) = civil(self.seconds + self.offset, self.nanos) else {
            return String::new();
        };
        let zone = if self.offset == 0 {
            "+0000 UTC".to_owned()
        } else {
            let minutes = self.offset.abs() / 60;
            let text = format!("{}{:02}{:02}", sign(self.offset), minutes / 60, minutes % 60);
            format!("{text} {text}")
        };
        format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}{} {zone}",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            Fraction(self.nanos),
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(civil) = civil(self.seconds + self.offset, self.nanos) else {
            return Ok(());
        };
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}",
            civil.year(),
            civil.month(),
            civil.day(),
            civil.hour(),
            civil.minute(),
            civil.second(),
            Fraction(self.nanos),
        )?;
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let minutes = self.offset.abs() / 60;
        write!(f, "{}{:02}:{:02}", sign(self.offset), minutes / 60, minutes % 60)
    }
}

fn sign(offset: i64) -> char {
    if offset < 0 { '-' } else { '+' }
}

/// Nanoseconds behind a point, without zeros at the end.
struct Fraction(i64);

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return Ok(());
        }
        let digits = format!("{:09}", self.0);
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

fn days_since_epoch(date: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    epoch
        .until((jiff::Unit::Day, date))
        .map(|span| i64::from(span.get_days()))
        .unwrap_or_default()
}

fn civil(seconds: i64, nanos: i64) -> Option<DateTime> {
    let time = jiff::Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()?;
    Some(Offset::UTC.to_datetime(time))
}

fn digits(rest: &mut &str, least: usize, most: usize) -> Option<i64> {
    let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let (number, behind) = rest.split_at(count);
    *rest = behind;
    number.parse().ok()
}

fn part(rest: &mut &str, before: char) -> Option<i64> {
    *rest = rest.strip_prefix(before)?;
    digits(rest, 2, 2)
}

fn fraction(rest: &mut &str) -> Option<i64> {
    let Some(behind) = rest.strip_prefix(['.', ',']) else {
        return Some(0);
    };
    let count = behind.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return None;
    }
    let (number, behind) = behind.split_at(count);
    *rest = behind;
    format!("{number:0<9}").get(..9)?.parse().ok()
}

fn zone(text: &str) -> Option<i64> {
    if text == "Z" {
        return Some(0);
    }
    let (negative, mut rest) = match text.split_at_checked(1)? {
        ("-", rest) => (true, rest),
        ("+", rest) => (false, rest),
        _ => return None,
    };
    let hours = digits(&mut rest, 2, 2)?;
    let minutes = part(&mut rest, ':')?;
    if !rest.is_empty() || hours > 24 || minutes > 59 {
        return None;
    }
    let offset = hours * 3_600 + minutes * 60;
    Some(if negative { -offset } else { offset })
}

/// How far east of UTC a zone is at a moment: a name, or hours and minutes.
fn offset_of(zone: &str, seconds: i64) -> Result<i64, Failure> {
    let Some((hours, minutes)) = zone.split_once(':') else {
        return named_offset(zone, seconds);
    };
    let number = |text: &str| go_std::atoi(text).map_err(|error| Failure::new(error.of_call("Atoi", text)));
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let hours = hours.wrapping_mul(60);
    let offset = if zone.starts_with('-') {
        hours.wrapping_sub(minutes)
    } else {
        hours.wrapping_add(minutes)
    };
    // No zone is farther than this from UTC; a nonsensical one must not leave the range of dates.
    offset
        .checked_mul(60)
        .filter(|offset| offset.abs() <= 366 * 86_400)
        .ok_or_else(|| Failure::new(format!("time zone out of range: {zone}")))
}

fn named_offset(name: &str, seconds: i64) -> Result<i64, Failure> {
    if name.is_empty() || name == "UTC" {
        return Ok(0);
    }
    if name.contains("..") || name.starts_with(['/', '\\']) {
        return Err(Failure::new("time: invalid location name"));
    }
    let unknown = || Failure::new(format!("unknown time zone {name}"));
    let zone = if name == "Local" {
        TimeZone::system()
    } else {
        TimeZone::get(name).map_err(|_| unknown())?
    };
    let moment = jiff::Timestamp::from_second(seconds).map_err(|_| unknown())?;
    Ok(i64::from(zone.to_offset(moment).seconds()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a moment").expect("in range")
    }

    #[test]
    fn moments_keep_their_offset() {
        assert_eq!(
            read("2023-07-14T10:30:45.1230Z").to_string(),
            "2023-07-14T10:30:45.123Z"
        );
        assert_eq!(
            read("2023-07-14T10:30:45+02:00").to_string(),
            "2023-07-14T10:30:45+02:00"
        );
        assert_eq!(read("2023-07-14T10:30:45+02:00").part(Part::Hours, None), Ok(8));
        assert!(Timestamp::parse("2023-02-30T10:30:45Z").is_none());
        assert!(Timestamp::parse("2023-07-14 10:30:45Z").is_none());
        assert_eq!(
            Timestamp::parse("0000-01-01T00:00:00Z"),
            Some(Err(Failure::new("timestamp overflow")))
        );
    }

    #[test]
    fn moments_move() {
        let moment = read("2023-01-01T00:00:00Z");
        assert_eq!(
            moment.plus(-1).map(|moment| moment.to_string()),
            Ok("2022-12-31T23:59:59.999999999Z".to_owned())
        );
        assert_eq!(read("2023-01-01T00:00:01Z").minus(&moment), Ok(NANOS));
        assert_eq!(moment.part(Part::Hours, Some("-08:30")), Ok(15));
    }
}
