//! Moments as Go reads and writes them by RFC 3339.

/// A moment with its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Time {
    /// `2024-01-02T03:04:05`.
    seconds: String,
    /// The digits of the fraction, without zeros at the end.
    fraction: String,
    /// `Z` or `+02:00`.
    offset: String,
}

impl Time {
    /// Reads a text as strictly as Go's `UnmarshalText`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let seconds = text.get(..19)?;
        let number = |from: usize, to: usize| -> Option<u32> {
            let digits = text.get(from..to)?;
            digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| digits.parse().ok())?
        };
        for (at, sign) in [(4, '-'), (7, '-'), (10, 'T'), (13, ':'), (16, ':')] {
            if !seconds.get(at..)?.starts_with(sign) {
                return None;
            }
        }
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let fits = (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        if !fits {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut fraction = "";
        if let Some(digits) = rest.strip_prefix(['.', ',']) {
            let length = digits.bytes().take_while(u8::is_ascii_digit).count();
            if length == 0 {
                return None;
            }
            (fraction, rest) = digits.split_at(length);
            fraction = fraction.get(..9).unwrap_or(fraction).trim_end_matches('0');
        }
        let offset = offset_of(rest)?;
        Some(Self {
            seconds: seconds.to_owned(),
            fraction: fraction.to_owned(),
            offset: offset.to_owned(),
        })
    }

    /// With the fraction of the second.
    pub(crate) fn exact(&self) -> String {
        let dot = if self.fraction.is_empty() { "" } else { "." };
        format!("{}{dot}{}{}", self.seconds, self.fraction, self.offset)
    }

    /// In whole seconds.
    pub(crate) fn whole(&self) -> String {
        format!("{}{}", self.seconds, self.offset)
    }
}

/// `Z` or `+02:00`, as it is printed.
fn offset_of(text: &str) -> Option<&str> {
    if text == "Z" {
        return Some(text);
    }
    let bytes = text.as_bytes();
    let two = |at: usize| -> Option<u32> { text.get(at..at + 2)?.parse().ok() };
    let is_digit = |(at, byte): (usize, &u8)| at == 0 || at == 3 || byte.is_ascii_digit();
    let is_offset = bytes.len() == 6
        && text.starts_with(['+', '-'])
        && bytes.get(3) == Some(&b':')
        && bytes.iter().enumerate().all(is_digit);
    match (two(1)?, two(4)?) {
        _ if !is_offset => None,
        (0, 0) => Some("Z"),
        (hours, minutes) if hours < 24 && minutes < 60 => Some(text),
        _ => None,
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_printed_as_go_prints_them() {
        let both = |text: &str| Time::parse(text).map(|time| (time.exact(), time.whole()));
        let pair = |exact: &str, whole: &str| Some((exact.to_owned(), whole.to_owned()));
        assert_eq!(
            both("2024-01-02T03:04:05.120000000+02:30"),
            pair("2024-01-02T03:04:05.12+02:30", "2024-01-02T03:04:05+02:30")
        );
        assert_eq!(
            both("2024-02-29T03:04:05,0+00:00"),
            pair("2024-02-29T03:04:05Z", "2024-02-29T03:04:05Z")
        );
        for wrong in [
            "",
            "2024-01-02",
            "2023-02-29T03:04:05Z",
            "2024-01-02t03:04:05Z",
            "2024-01-02T03:04:05",
            "2024-01-02T03:04:05.Z",
            "2024-01-02T03:04:05+24:00",
            "2024-01-02T24:04:05Z",
            "2024-01-02T03:04:05+1:00",
            "éééééééééééééééééééé",
        ] {
            assert_eq!(both(wrong), None, "{wrong}");
        }
    }
}
