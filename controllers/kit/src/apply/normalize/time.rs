//! Times as Go reads and Kubernetes writes them.
//!
//! Go takes more than RFC 3339 allows: one digit for the hour, a comma before the fraction, offsets of 24:60.

use serde_json::Value;

/// Passes a time through `metav1.Time`; the zero time is null.
pub(super) fn seconds(text: &str) -> Option<Value> {
    let mut rest = text.as_bytes();
    let mut time = date_and_time(&mut rest)?;
    let mut nanoseconds = false;
    if let [b'.' | b',', first, ..] = rest
        && first.is_ascii_digit()
    {
        let digits = rest[1..]
            .iter()
            .take_while(|digit| digit.is_ascii_digit())
            .count();
        // What is below a nanosecond is cut off.
        nanoseconds = rest[1..=digits].iter().take(9).any(|digit| *digit != b'0');
        rest = &rest[digits + 1..];
    }
    time.go_by(rest)?;
    if time.is_zero() && !nanoseconds {
        return Some(Value::Null);
    }
    Some(Value::String(format!("{time}Z")))
}

/// Passes a time through `metav1.MicroTime`; the zero time is null.
pub(super) fn microseconds(text: &str) -> Option<Value> {
    let mut rest = text.as_bytes();
    let mut time = date_and_time(&mut rest)?;
    let [b'.' | b',', fraction @ ..] = rest else {
        return None;
    };
    let (digits, zone) = fraction.split_at_checked(6)?;
    // Go reads a signed number here, and refuses one below zero.
    let microseconds = number(
        digits
            .strip_prefix(b"+")
            .or(digits.strip_prefix(b"-"))
            .unwrap_or(digits),
    )?;
    if digits[0] == b'-' && microseconds != 0 {
        return None;
    }
    time.go_by(zone)?;
    if time.is_zero() && microseconds == 0 {
        return Some(Value::Null);
    }
    Some(Value::String(format!("{time}.{microseconds:06}Z")))
}

struct DateTime {
    year: i32,
    month: u8,
    day: u8,
    /// Of the day.
    second: i32,
}

impl std::fmt::Display for DateTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            year,
            month,
            day,
            second,
        } = self;
        let sign = if *year < 0 { "-" } else { "" };
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{sign}{:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}",
            year.abs()
        )
    }
}

/// Reads up to the seconds.
fn date_and_time(rest: &mut &[u8]) -> Option<DateTime> {
    let year = digits(rest, 4)?;
    literal(rest, b'-')?;
    let month = digits(rest, 2).filter(|month| (1..=12).contains(month))?;
    literal(rest, b'-')?;
    let day = digits(rest, 2)?;
    literal(rest, b'T')?;
    let hour = match rest {
        [_, second, ..] if second.is_ascii_digit() => digits(rest, 2)?,
        _ => digits(rest, 1)?,
    };
    literal(rest, b':')?;
    let minute = digits(rest, 2)?;
    literal(rest, b':')?;
    let second = digits(rest, 2)?;
    let time = DateTime {
        year,
        month: u8::try_from(month).ok()?,
        day: u8::try_from(day).ok()?,
        second: (hour * 60 + minute) * 60 + second,
    };
    let valid = hour < 24 && minute < 60 && second < 60 && (1..=time.days()).contains(&time.day);
    valid.then_some(time)
}

impl DateTime {
    fn is_zero(&self) -> bool {
        (self.year, self.month, self.day, self.second) == (1, 1, 1, 0)
    }

    /// The length of the month.
    fn days(&self) -> u8 {
        match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0) => 29,
            2 => 28,
            _ => 31,
        }
    }

    /// Turns the time into UTC; `zone` is all that is left of the text.
    fn go_by(&mut self, zone: &[u8]) -> Option<()> {
        if zone == b"Z" {
            return Some(());
        }
        let [sign @ (b'+' | b'-'), hours @ .., b':', tens, ones] = zone else {
            return None;
        };
        let (hours, minutes) = (
            number(hours).filter(|_| hours.len() == 2)?,
            number(&[*tens, *ones])?,
        );
        if hours > 24 || minutes > 60 {
            return None;
        }
        let offset = (hours * 60 + minutes) * 60;
        self.second -= if *sign == b'+' { offset } else { -offset };
        while self.second < 0 {
            self.second += 86_400;
            self.day -= 1;
            if self.day == 0 {
                (self.year, self.month) = match self.month {
                    1 => (self.year - 1, 12),
                    month => (self.year, month - 1),
                };
                self.day = self.days();
            }
        }
        while self.second >= 86_400 {
            self.second -= 86_400;
            self.day += 1;
            if self.day > self.days() {
                self.day = 1;
                (self.year, self.month) = match self.month {
                    12 => (self.year + 1, 1),
                    month => (self.year, month + 1),
                };
            }
        }
        Some(())
    }
}

fn literal(rest: &mut &[u8], byte: u8) -> Option<()> {
    *rest = rest.strip_prefix(&[byte])?;
    Some(())
}

fn digits(rest: &mut &[u8], count: usize) -> Option<i32> {
    let (digits, after) = rest.split_at_checked(count)?;
    *rest = after;
    number(digits)
}

fn number(digits: &[u8]) -> Option<i32> {
    digits.iter().try_fold(0, |value: i32, digit| {
        digit
            .is_ascii_digit()
            .then(|| value * 10 + i32::from(digit - b'0'))
    })
}
