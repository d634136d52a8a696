//! Layouts: how the reference time would be written, cut into its elements; and writing by them.

use std::fmt::Write as _;

use super::calendar::Time;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// An element of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    LongMonth,
    Month,
    NumericMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    SpaceDay,
    ZeroDay,
    SpaceYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    ZoneName,
    /// An offset from UTC.
    Offset(Offset),
    /// Fractional seconds with a separator and a number of digits; trailing zeros stay or are left out.
    Fraction {
        separator: u8,
        digits: usize,
        keep_zeros: bool,
    },
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offset {
    /// Whether UTC is written as `Z`.
    pub(super) z: bool,
    pub(super) colons: bool,
    pub(super) minutes: bool,
    pub(super) seconds: bool,
}

/// The elements and how a layout writes them; of two with the same beginning, the longer comes first.
const ELEMENTS: [(&str, Element); 31] = [
    ("January", Element::LongMonth),
    ("Monday", Element::LongWeekday),
    ("MST", Element::ZoneName),
    ("002", Element::ZeroYearDay),
    ("01", Element::ZeroMonth),
    ("02", Element::ZeroDay),
    ("03", Element::ZeroHour12),
    ("04", Element::ZeroMinute),
    ("05", Element::ZeroSecond),
    ("06", Element::Year),
    ("15", Element::Hour),
    ("1", Element::NumericMonth),
    ("2006", Element::LongYear),
    ("2", Element::Day),
    ("__2", Element::SpaceYearDay),
    ("_2", Element::SpaceDay),
    ("3", Element::Hour12),
    ("4", Element::Minute),
    ("5", Element::Second),
    ("PM", Element::UpperPm),
    ("pm", Element::LowerPm),
    (
        "-070000",
        Element::Offset(Offset {
            z: false,
            colons: false,
            minutes: true,
            seconds: true,
        }),
    ),
    (
        "-07:00:00",
        Element::Offset(Offset {
            z: false,
            colons: true,
            minutes: true,
            seconds: true,
        }),
    ),
    (
        "Z070000",
        Element::Offset(Offset {
            z: true,
            colons: false,
            minutes: true,
            seconds: true,
        }),
    ),
    (
        "Z07:00:00",
        Element::Offset(Offset {
            z: true,
            colons: true,
            minutes: true,
            seconds: true,
        }),
    ),
    (
        "-0700",
        Element::Offset(Offset {
            z: false,
            colons: false,
            minutes: true,
            seconds: false,
        }),
    ),
    (
        "-07:00",
        Element::Offset(Offset {
            z: false,
            colons: true,
            minutes: true,
            seconds: false,
        }),
    ),
    (
        "-07",
        Element::Offset(Offset {
            z: false,
            colons: false,
            minutes: false,
            seconds: false,
        }),
    ),
    (
        "Z0700",
        Element::Offset(Offset {
            z: true,
            colons: false,
            minutes: true,
            seconds: false,
        }),
    ),
    (
        "Z07:00",
        Element::Offset(Offset {
            z: true,
            colons: true,
            minutes: true,
            seconds: false,
        }),
    ),
    (
        "Z07",
        Element::Offset(Offset {
            z: true,
            colons: false,
            minutes: false,
            seconds: false,
        }),
    ),
];

/// The text before the first element of a layout, the element with its text, and the rest.
pub(super) fn next_element(layout: &str) -> (&str, Option<(Element, &str)>, &str) {
    for (at, _) in layout.char_indices() {
        let (before, here) = layout.split_at(at);
        if let Some((element, length)) = element_at(here) {
            let (text, rest) = here.split_at(length);
            return (before, Some((element, text)), rest);
        }
    }
    (layout, None, "")
}

fn element_at(here: &str) -> Option<(Element, usize)> {
    let bytes = here.as_bytes();
    match bytes.first()? {
        b'.' | b',' => return fraction_at(bytes),
        // An underscore before a long year is literal.
        b'_' if here.starts_with("_2006") => return None,
        b'J' | b'M' => {
            for (name, element) in [("Jan", Element::Month), ("Mon", Element::Weekday)] {
                // `January` and `Monday` go on in lower case.
                if here.starts_with(name) && !bytes.get(3).is_some_and(u8::is_ascii_lowercase) {
                    return Some((element, 3));
                }
            }
        }
        _ => {}
    }
    ELEMENTS
        .iter()
        .find(|(text, _)| here.starts_with(text))
        .map(|&(text, element)| (element, text.len()))
}

/// `.000`, `,999` and the like, unless another digit follows.
fn fraction_at(bytes: &[u8]) -> Option<(Element, usize)> {
    let (&separator, digits) = bytes.split_first()?;
    let &digit = digits.first().filter(|digit| matches!(digit, b'0' | b'9'))?;
    let count = digits.iter().take_while(|b| **b == digit).count();
    if digits.get(count).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((
        Element::Fraction {
            separator,
            digits: count,
            keep_zeros: digit == b'0',
        },
        count + 1,
    ))
}

impl Time {
    /// Writes the time as the layout writes the reference time `Mon Jan 2 15:04:05 MST 2006`.
    pub fn format(&self, mut layout: &str) -> String {
        let mut out = String::with_capacity(layout.len() + 10);
        loop {
            let (before, element, rest) = next_element(layout);
            out.push_str(before);
            let Some((element, _)) = element else { return out };
            // Writing to a string cannot fail.
            let _ = self.write_element(&mut out, element);
            layout = rest;
        }
    }

    fn write_element(&self, out: &mut String, element: Element) -> std::fmt::Result {
        let civil = self.civil();
        let month = MONTHS.get(civil.month as usize - 1).copied().unwrap_or_default();
        let weekday = DAYS.get(civil.weekday as usize).copied().unwrap_or_default();
        let hour12 = match civil.hour % 12 {
            0 => 12,
            hour => hour,
        };
        match element {
            Element::LongMonth => out.write_str(month),
            Element::Month => out.write_str(month.get(..3).unwrap_or_default()),
            Element::NumericMonth => write!(out, "{}", civil.month),
            Element::ZeroMonth => write!(out, "{:02}", civil.month),
            Element::LongWeekday => out.write_str(weekday),
            Element::Weekday => out.write_str(weekday.get(..3).unwrap_or_default()),
            Element::Day => write!(out, "{}", civil.day),
            Element::SpaceDay => write!(out, "{:2}", civil.day),
            Element::ZeroDay => write!(out, "{:02}", civil.day),
            Element::SpaceYearDay => write!(out, "{:3}", civil.year_day),
            Element::ZeroYearDay => write!(out, "{:03}", civil.year_day),
            Element::Hour => write!(out, "{:02}", civil.hour),
            Element::Hour12 => write!(out, "{hour12}"),
            Element::ZeroHour12 => write!(out, "{hour12:02}"),
            Element::Minute => write!(out, "{}", civil.minute),
            Element::ZeroMinute => write!(out, "{:02}", civil.minute),
            Element::Second => write!(out, "{}", civil.second),
            Element::ZeroSecond => write!(out, "{:02}", civil.second),
            Element::LongYear if civil.year < 0 => write!(out, "-{:04}", -civil.year),
            Element::LongYear => write!(out, "{:04}", civil.year),
            Element::Year => write!(out, "{:02}", civil.year.max(0) % 100),
            Element::UpperPm => out.write_str(if civil.hour >= 12 { "PM" } else { "AM" }),
            Element::LowerPm => out.write_str(if civil.hour >= 12 { "pm" } else { "am" }),
            Element::ZoneName => {
                let name = self.zone().abbreviation_at(self.unix());
                if name.is_empty() {
                    let plain = Offset {
                        z: false,
                        colons: false,
                        minutes: true,
                        seconds: false,
                    };
                    write_offset(out, self.zone().offset_at(self.unix()), plain)
                } else {
                    out.write_str(&name)
                }
            }
            Element::Offset(form) => write_offset(out, self.zone().offset_at(self.unix()), form),
            Element::Fraction {
                separator,
                digits,
                keep_zeros,
            } => {
                let all = format!("{:09}", self.nanosecond());
                let mut shown = all.get(..digits).unwrap_or(&all); // there are no finer digits
                if !keep_zeros {
                    shown = shown.trim_end_matches('0');
                    if shown.is_empty() {
                        return Ok(());
                    }
                }
                write!(out, "{}{shown}", char::from(separator))
            }
        }
    }
}

fn write_offset(out: &mut String, offset: i32, form: Offset) -> std::fmt::Result {
    if form.z && offset == 0 {
        return out.write_str("Z");
    }
    let colon = if form.colons { ":" } else { "" };
    let seconds = offset.unsigned_abs();
    let minutes = seconds / 60;
    // The sign is that of the offset in minutes.
    let sign = if offset / 60 < 0 { '-' } else { '+' };
    write!(out, "{sign}{:02}", minutes / 60)?;
    if form.minutes {
        write!(out, "{colon}{:02}", minutes % 60)?;
    }
    if form.seconds {
        write!(out, "{colon}{:02}", seconds % 60)?;
    }
    Ok(())
}
