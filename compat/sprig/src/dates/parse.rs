//! Reading times by a layout.

use go_std::duration::quote_bytes;

use super::calendar::{Time, days_before, days_in, is_leap};
use super::layout::{DAYS, Element, MONTHS, Offset, next_element};
use super::zone::Zone;

/// A time or duration that could not be read; displays with the words of Go's package time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TimeError(String);

impl TimeError {
    fn mismatch(layout: &str, value: &str, element: &str, at: &str) -> Self {
        let [layout, value, element, at] = [layout, value, element, at].map(quote_bytes);
        Self(format!(
            "parsing time {value} as {layout}: cannot parse {at} as {element}"
        ))
    }

    fn about(value: &str, problem: &str) -> Self {
        Self(format!("parsing time {}: {problem}", quote_bytes(value)))
    }
}

/// What makes an element fail: it does not fit, or its value is out of range.
enum Misfit {
    Mismatch,
    OutOfRange(&'static str),
}

/// What has been read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<u32>,
    day: Option<u32>,
    year_day: Option<u32>,
    hour: u32,
    minute: u32,
    second: u32,
    nanoseconds: u32,
    /// Whether a 12-hour clock said PM.
    afternoon: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    zone_name: String,
}

impl Time {
    /// Reads a time that was written by a layout; without a zone in it, it is one of `local`.
    pub fn parse(layout: &str, value: &str, local: &Zone) -> Result<Self, TimeError> {
        let mut fields = Fields::default();
        let (mut layout_rest, mut rest) = (layout, value);
        loop {
            let (literal, element, after) = next_element(layout_rest);
            rest = skip(rest, literal).map_err(|at| TimeError::mismatch(layout, value, literal, at))?;
            let Some((element, text)) = element else { break };
            layout_rest = after;
            let start = rest;
            match fields.read(element, &mut rest, layout_rest) {
                Ok(()) => {}
                Err(Misfit::OutOfRange(what)) => {
                    return Err(TimeError::about(value, &format!("{what} out of range")));
                }
                Err(Misfit::Mismatch) => return Err(TimeError::mismatch(layout, value, text, start)),
            }
        }
        if !rest.is_empty() {
            return Err(TimeError::about(
                value,
                &format!("extra text: {}", quote_bytes(rest)),
            ));
        }
        fields
            .resolve(local)
            .map_err(|problem| TimeError::about(value, problem))
    }
}

/// Skips literal text; a run of blanks fits any other. Gives what could not be skipped.
fn skip<'v>(mut value: &'v str, mut literal: &str) -> Result<&'v str, &'v str> {
    while let Some(c) = literal.chars().next() {
        if c == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return Err(value);
            }
            literal = literal.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        value = value.strip_prefix(c).ok_or(value)?;
        literal = literal.get(c.len_utf8()..).unwrap_or_default();
    }
    Ok(value)
}

/// Takes `count` bytes off the front.
fn take<'v>(value: &mut &'v str, count: usize) -> Result<&'v str, Misfit> {
    let (taken, rest) = value.split_at_checked(count).ok_or(Misfit::Mismatch)?;
    *value = rest;
    Ok(taken)
}

/// Takes a number of one digit or two, or of exactly `most` if `all` are wanted.
fn number(value: &mut &str, most: usize, all: bool) -> Result<u32, Misfit> {
    let digits = value.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits == 0 || (all && digits != most) {
        return Err(Misfit::Mismatch);
    }
    take(value, digits)?.parse().map_err(|_| Misfit::Mismatch)
}

/// Takes one of the names, in any case, or the first letters of one.
fn name(value: &mut &str, names: &[&str], letters: usize) -> Result<u32, Misfit> {
    for (index, name) in names.iter().enumerate() {
        let name = name.get(..letters.min(name.len())).unwrap_or_default();
        if value
            .get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
        {
            take(value, name.len())?;
            return Ok(index as u32 + 1);
        }
    }
    Err(Misfit::Mismatch)
}

fn in_range(number: u32, below: u32, what: &'static str) -> Result<u32, Misfit> {
    if number < below {
        Ok(number)
    } else {
        Err(Misfit::OutOfRange(what))
    }
}

/// A separator and digits, as nanoseconds.
fn fraction(value: &mut &str, digits: usize) -> Result<u32, Misfit> {
    let text = take(value, digits + 1)?;
    let text = text.strip_prefix(['.', ',']).ok_or(Misfit::Mismatch)?;
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Misfit::Mismatch);
    }
    format!("{text:0<9}")
        .get(..9)
        .and_then(|text| text.parse().ok())
        .ok_or(Misfit::Mismatch)
}

/// How many digits follow a decimal separator at the front.
fn fraction_digits(value: &str) -> usize {
    value
        .strip_prefix(['.', ','])
        .map_or(0, |digits| digits.bytes().take_while(u8::is_ascii_digit).count())
}

impl Fields {
    fn read(&mut self, element: Element, value: &mut &str, layout_rest: &str) -> Result<(), Misfit> {
        match element {
            Element::Year => {
                let year: i64 = take(value, 2)?.parse().map_err(|_| Misfit::Mismatch)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Element::LongYear => {
                if !value.starts_with(|c: char| c.is_ascii_digit()) {
                    return Err(Misfit::Mismatch);
                }
                let digits = take(value, 4)?;
                if !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(Misfit::Mismatch);
                }
                self.year = digits.parse().map_err(|_| Misfit::Mismatch)?;
            }
            Element::Month => self.month = Some(name(value, &MONTHS, 3)?),
            Element::LongMonth => self.month = Some(name(value, &MONTHS, usize::MAX)?),
            Element::NumericMonth | Element::ZeroMonth => {
                let month = number(value, 2, element == Element::ZeroMonth)?;
                if month == 0 {
                    return Err(Misfit::OutOfRange("month"));
                }
                self.month = Some(in_range(month, 13, "month")?);
            }
            Element::Weekday => drop(name(value, &DAYS, 3)?),
            Element::LongWeekday => drop(name(value, &DAYS, usize::MAX)?),
            Element::Day | Element::SpaceDay | Element::ZeroDay => {
                if element == Element::SpaceDay {
                    *value = value.strip_prefix(' ').unwrap_or(value);
                }
                self.day = Some(number(value, 2, element == Element::ZeroDay)?);
            }
            Element::SpaceYearDay | Element::ZeroYearDay => {
                if element == Element::SpaceYearDay {
                    *value = value.strip_prefix(' ').unwrap_or(value);
                    *value = value.strip_prefix(' ').unwrap_or(value);
                }
                self.year_day = Some(number(value, 3, element == Element::ZeroYearDay)?);
            }
            Element::Hour => self.hour = in_range(number(value, 2, false)?, 24, "hour")?,
            Element::Hour12 | Element::ZeroHour12 => {
                self.hour = in_range(number(value, 2, element == Element::ZeroHour12)?, 13, "hour")?;
            }
            Element::Minute | Element::ZeroMinute => {
                self.minute = in_range(number(value, 2, element == Element::ZeroMinute)?, 60, "minute")?;
            }
            Element::Second | Element::ZeroSecond => {
                self.second = in_range(number(value, 2, element == Element::ZeroSecond)?, 60, "second")?;
                // A fraction may follow even if the layout has none.
                let next = next_element(layout_rest).1;
                let expected = matches!(next, Some((Element::Fraction { .. }, _)));
                let digits = fraction_digits(value);
                if digits > 0 && !expected {
                    self.nanoseconds = fraction(value, digits)?;
                }
            }
            Element::UpperPm | Element::LowerPm => {
                let (am, pm) = if element == Element::UpperPm {
                    ("AM", "PM")
                } else {
                    ("am", "pm")
                };
                let text = take(value, 2)?;
                if text != am && text != pm {
                    return Err(Misfit::Mismatch);
                }
                self.afternoon = Some(text == pm);
            }
            Element::Offset(form) => self.read_offset(form, value)?,
            Element::ZoneName => {
                if let Some(rest) = value.strip_prefix("UTC") {
                    self.utc = true;
                    *value = rest;
                } else {
                    let length = zone_name_length(value).ok_or(Misfit::Mismatch)?;
                    take(value, length)?.clone_into(&mut self.zone_name);
                }
            }
            Element::Fraction {
                digits,
                keep_zeros: true,
                ..
            } => self.nanoseconds = fraction(value, digits)?,
            Element::Fraction { .. } => {
                let digits = fraction_digits(value);
                if digits > 0 {
                    self.nanoseconds = fraction(value, digits)?;
                }
            }
        }
        Ok(())
    }

    fn read_offset(&mut self, form: Offset, value: &mut &str) -> Result<(), Misfit> {
        if form.z
            && let Some(rest) = value.strip_prefix('Z')
        {
            self.utc = true;
            *value = rest;
            return Ok(());
        }
        let colon = usize::from(form.colons);
        let length = 3 + usize::from(form.minutes) * (2 + colon) + usize::from(form.seconds) * (2 + colon);
        let mut text = take(value, length)?;
        let sign = match take(&mut text, 1)? {
            "+" => 1,
            "-" => -1,
            _ => return Err(Misfit::Mismatch),
        };
        let mut parts = [0_u32; 3];
        let count = 1 + usize::from(form.minutes) + usize::from(form.seconds);
        for (index, part) in parts.iter_mut().take(count).enumerate() {
            if index > 0 && form.colons {
                text = text.strip_prefix(':').ok_or(Misfit::Mismatch)?;
            }
            *part = number(&mut text, 2, true)?;
        }
        let [hours, minutes, seconds] = parts;
        in_range(hours, 25, "time zone offset hour")?;
        in_range(minutes, 61, "time zone offset minute")?;
        in_range(seconds, 61, "time zone offset second")?;
        self.offset = Some(sign * ((hours * 60 + minutes) * 60 + seconds) as i32);
        Ok(())
    }

    fn resolve(self, local: &Zone) -> Result<Time, &'static str> {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let (month, day) = self.date()?;
        if day < 1 || day > days_in(month, self.year) {
            return Err("day out of range");
        }
        let date = (self.year, i64::from(month), i64::from(day));
        let clock = (i64::from(hour), i64::from(self.minute), i64::from(self.second));
        let in_zone = |zone: Zone| Time::from_civil(date, clock, self.nanoseconds, zone);
        if self.utc {
            return Ok(in_zone(Zone::Utc));
        }
        // Go marks "no offset" by -1, so it does not see an offset of minus one second.
        if let Some(offset) = self.offset.filter(|&offset| offset != -1) {
            let time = in_zone(Zone::Fixed(self.zone_name.clone(), offset));
            let same_name =
                || self.zone_name.is_empty() || local.abbreviation_at(time.unix()) == self.zone_name;
            let is_local = local.offset_at(time.unix()) == offset && same_name();
            return Ok(if is_local {
                time.in_zone(local.clone())
            } else {
                time
            });
        }
        if self.zone_name.is_empty() {
            return Ok(in_zone(local.clone()));
        }
        let time = in_zone(Zone::Utc);
        if let Some(offset) = local.offset_of(&self.zone_name, time.unix()) {
            return Ok(time
                .add(-i64::from(offset) * 1_000_000_000)
                .in_zone(local.clone()));
        }
        // Nobody knows what the name stands for, but GMT may carry hours.
        let hours = self
            .zone_name
            .strip_prefix("GMT")
            .and_then(|hours| hours.parse::<i32>().ok());
        Ok(time.in_zone(Zone::Fixed(self.zone_name, hours.unwrap_or(0) * 3600)))
    }

    /// Month and day, from the day of the year if there is one.
    fn date(&self) -> Result<(u32, u32), &'static str> {
        let Some(year_day) = self.year_day else {
            return Ok((self.month.unwrap_or(1), self.day.unwrap_or(1)));
        };
        if year_day < 1 || year_day > 365 + u32::from(is_leap(self.year)) {
            return Err("day-of-year out of range");
        }
        let month = (1..=12)
            .rev()
            .find(|&month| days_before(month, self.year) < year_day)
            .unwrap_or(1);
        let day = year_day - days_before(month, self.year);
        if self.month.is_some_and(|seen| seen != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|seen| seen != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }
}

/// How much of the text looks like the name of a zone: `CET`, `WITA`, `GMT-8`, `+03`.
fn zone_name_length(value: &str) -> Option<usize> {
    if value.len() < 3 {
        return None;
    }
    if value.starts_with("ChST") || value.starts_with("MeST") {
        return Some(4);
    }
    if let Some(hours) = value.strip_prefix("GMT") {
        return Some(3 + signed_hours_length(hours));
    }
    if value.starts_with(['+', '-']) {
        return Some(signed_hours_length(value)).filter(|&length| length > 0);
    }
    let bytes = value.as_bytes();
    match bytes
        .iter()
        .take(6)
        .take_while(|b| b.is_ascii_uppercase())
        .count()
    {
        3 => Some(3),
        4 if bytes.get(3) == Some(&b'T') || value.starts_with("WITA") => Some(4),
        5 if bytes.get(4) == Some(&b'T') => Some(5),
        _ => None,
    }
}

fn signed_hours_length(value: &str) -> usize {
    let Some(digits) = value.strip_prefix(['+', '-']) else {
        return 0;
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    let valid = digits
        .get(..count)
        .and_then(|digits| digits.parse::<u64>().ok())
        .is_some_and(|hours| hours <= 23);
    if valid { count + 1 } else { 0 }
}
