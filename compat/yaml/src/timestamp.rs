//! The date formats that Go's YAML libraries recognise.

/// A moment as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    /// Minutes east of UTC.
    offset: i32,
}

impl Timestamp {
    /// Reads `2001-1-2`, `2001-1-2T3:4:5.6Z` (or `t`, or an offset `+01:00`) and `2001-1-2 3:4:5.6`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.get(4) != Some(&b'-') || !bytes.get(..4)?.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut rest = Cursor(bytes.get(5..)?);
        let year = text.get(..4)?.parse().ok()?;
        let month = rest.number()?;
        rest.expect(b'-')?;
        let day = rest.number()?;
        if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
            return None;
        }
        let mut at = Self {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            nanos: 0,
            offset: 0,
        };
        match rest.0.first() {
            None => return Some(at),
            Some(b'T' | b't') => {
                rest.skip(1);
                at.parse_time(&mut rest)?;
                at.offset = rest.zone()?;
            }
            Some(b' ') => {
                while rest.expect(b' ').is_some() {}
                at.parse_time(&mut rest)?;
            }
            Some(_) => return None,
        }
        rest.0.is_empty().then_some(at)
    }

    fn parse_time(&mut self, rest: &mut Cursor<'_>) -> Option<()> {
        self.hour = rest.number()?;
        rest.expect(b':')?;
        self.minute = rest.number()?;
        rest.expect(b':')?;
        self.second = rest.number()?;
        self.nanos = rest.fraction();
        (self.hour < 24 && self.minute < 60 && self.second < 60).then_some(())
    }

    /// The RFC 3339 text that encoding/json gives a Go time; an error text if it refuses the offset.
    pub(crate) fn to_rfc3339(self) -> Result<String, &'static str> {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            nanos,
            offset,
        } = self;
        if offset.abs() >= 24 * 60 {
            return Err("Time.MarshalJSON: timezone hour outside of range [0,23]");
        }
        let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
        if nanos > 0 {
            let fraction = format!(".{nanos:09}");
            text.push_str(fraction.trim_end_matches('0'));
        }
        let zone = if offset == 0 {
            "Z".to_owned()
        } else {
            let sign = if offset < 0 { '-' } else { '+' };
            let minutes = offset.unsigned_abs();
            format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        };
        Ok(text + &zone)
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

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn skip(&mut self, count: usize) {
        self.0 = self.0.get(count..).unwrap_or_default();
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.0.first() == Some(&byte)).then(|| self.skip(1))
    }

    fn digit(&self, at: usize) -> Option<u32> {
        self.0
            .get(at)
            .filter(|byte| byte.is_ascii_digit())
            .map(|byte| u32::from(byte - b'0'))
    }

    /// One or two digits.
    fn number(&mut self) -> Option<u32> {
        let first = self.digit(0)?;
        let second = self.digit(1);
        self.skip(if second.is_some() { 2 } else { 1 });
        Some(second.map_or(first, |second| first * 10 + second))
    }

    /// A fraction of a second in nanoseconds; digits beyond the ninth are dropped. 0 if there is none.
    fn fraction(&mut self) -> u32 {
        if !matches!(self.0.first(), Some(b'.' | b',')) || self.digit(1).is_none() {
            return 0;
        }
        let mut nanos = 0;
        let mut digits = 0;
        while let Some(digit) = self.digit(digits + 1) {
            if digits < 9 {
                nanos = nanos * 10 + digit;
            }
            digits += 1;
        }
        self.skip(digits + 1);
        nanos * 10_u32.pow(9 - digits.min(9) as u32)
    }

    /// `Z` or `+hh:mm`, in minutes.
    fn zone(&mut self) -> Option<i32> {
        if self.expect(b'Z').is_some() {
            return Some(0);
        }
        let negative = match self.0.first()? {
            b'+' => false,
            b'-' => true,
            _ => return None,
        };
        if self.0.get(3) != Some(&b':') {
            return None;
        }
        let two = |at| Some(self.digit(at)? * 10 + self.digit(at + 1)?);
        let (hours, minutes) = (two(1)?, two(4)?);
        if hours > 24 || minutes > 60 {
            return None;
        }
        self.skip(6);
        let offset = (hours * 60 + minutes) as i32;
        Some(if negative { -offset } else { offset })
    }
}
