use super::zone::Zone;

/// A point in time with the zone in which it is shown, like Go's `time.Time`.
#[derive(Debug, Clone)]
pub struct Time {
    /// Seconds since 1970 in UTC.
    seconds: i64,
    nanoseconds: u32,
    zone: Zone,
}

/// A point in time as a calendar and a clock show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The year, negative before year 0.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 for Sunday to 6.
    pub weekday: u32,
    /// 1 to 366.
    pub year_day: u32,
}

const DAY: i64 = 86_400;

/// Days before each month in a year that is no leap year; the last entry is the whole year.
const DAYS_BEFORE: [u32; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a year before a month, which is 1 to 13.
pub(super) fn days_before(month: u32, year: i64) -> u32 {
    let days = DAYS_BEFORE
        .get(month.saturating_sub(1) as usize)
        .copied()
        .unwrap_or(365);
    days + u32::from(month > 2 && is_leap(year))
}

pub(super) fn days_in(month: u32, year: i64) -> u32 {
    days_before(month + 1, year) - days_before(month, year)
}

/// Days from 1970-01-01 to a date.
fn days_since_epoch(year: i64, month: u32, day: i64) -> i64 {
    let before = year - 1;
    let leap_days = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    // 719162 days lie between 0001-01-01 and 1970-01-01.
    before * 365 + leap_days + i64::from(days_before(month, year)) + day - 1 - 719_162
}

impl Civil {
    /// What calendar and clock show at a number of seconds since 1970 on that clock.
    fn at(seconds: i64) -> Self {
        let days = seconds.div_euclid(DAY);
        let clock = seconds.rem_euclid(DAY) as u32;
        // Counted from 0000-03-01, so that leap days come last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = (if shifted_month < 10 {
            shifted_month + 3
        } else {
            shifted_month - 9
        }) as u32;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year,
            month,
            day,
            hour: clock / 3600,
            minute: clock / 60 % 60,
            second: clock % 60,
            weekday: (days + 4).rem_euclid(7) as u32,
            year_day: days_before(month, year) + day,
        }
    }
}

impl Time {
    /// Makes a time from seconds and nanoseconds since 1970 in UTC.
    pub fn from_unix(seconds: i64, nanoseconds: u32, zone: Zone) -> Self {
        Self {
            seconds,
            nanoseconds,
            zone,
        }
    }

    /// Makes a time of a timestamp.
    pub fn from_timestamp(timestamp: jiff::Timestamp, zone: Zone) -> Self {
        // Jiff's nanoseconds have the sign of the seconds.
        let (seconds, nanoseconds) = (timestamp.as_second(), timestamp.subsec_nanosecond());
        let borrow = i64::from(nanoseconds < 0);
        let nanoseconds = (i64::from(nanoseconds) + borrow * 1_000_000_000) as u32;
        Self {
            seconds: seconds - borrow,
            nanoseconds,
            zone,
        }
    }

    /// The time that Go shows for "none": the start of year 1 in UTC.
    pub fn zero() -> Self {
        Self {
            seconds: -62_135_596_800,
            nanoseconds: 0,
            zone: Zone::Utc,
        }
    }

    /// Makes a time of a date and a clock reading in a zone. Numbers beyond their range carry over.
    ///
    /// A reading that the zone's clocks skip or repeat is taken as Go takes it.
    pub fn from_civil(date: (i64, i64, i64), clock: (i64, i64, i64), nanoseconds: u32, zone: Zone) -> Self {
        let (year, month, day) = date;
        let (hour, minute, second) = clock;
        let year = year + (month - 1).div_euclid(12);
        let month = (month - 1).rem_euclid(12) as u32 + 1;
        let reading = days_since_epoch(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
        let first_guess = i64::from(zone.offset_at(reading));
        let seconds = if first_guess == 0 {
            reading
        } else {
            reading - i64::from(zone.offset_at(reading - first_guess))
        };
        Self {
            seconds,
            nanoseconds,
            zone,
        }
    }

    /// Seconds since 1970 in UTC.
    pub fn unix(&self) -> i64 {
        self.seconds
    }

    /// The part of a second, in nanoseconds.
    pub fn nanosecond(&self) -> u32 {
        self.nanoseconds
    }

    /// The zone in which the time is shown.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The same time shown in another zone.
    #[must_use]
    pub fn in_zone(&self, zone: Zone) -> Self {
        Self { zone, ..self.clone() }
    }

    /// What calendar and clock show in the time's zone.
    pub fn civil(&self) -> Civil {
        Civil::at(
            self.seconds
                .saturating_add(i64::from(self.zone.offset_at(self.seconds))),
        )
    }

    /// The time moved by a number of nanoseconds.
    #[must_use]
    pub fn add(&self, nanoseconds: i64) -> Self {
        let sum = i64::from(self.nanoseconds) + nanoseconds.rem_euclid(1_000_000_000);
        Self {
            seconds: self
                .seconds
                .saturating_add(nanoseconds.div_euclid(1_000_000_000))
                .saturating_add(sum / 1_000_000_000),
            nanoseconds: (sum % 1_000_000_000) as u32,
            zone: self.zone.clone(),
        }
    }

    /// The time moved by calendar years, months and days; February 30th becomes March 1st or 2nd.
    #[must_use]
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let civil = self.civil();
        let date = (
            civil.year.saturating_add(years),
            i64::from(civil.month).saturating_add(months),
            i64::from(civil.day).saturating_add(days),
        );
        let clock = (
            i64::from(civil.hour),
            i64::from(civil.minute),
            i64::from(civil.second),
        );
        // Years that no calendar needs would overflow the arithmetic.
        let bounded = |n: i64| n.clamp(-100_000_000_000, 100_000_000_000);
        let date = (bounded(date.0), bounded(date.1), bounded(date.2));
        Self::from_civil(date, clock, self.nanoseconds, self.zone.clone())
    }

    /// Nanoseconds from `earlier` to this time, as far as they fit.
    pub fn since(&self, earlier: &Self) -> i64 {
        let total = |time: &Self| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
        let difference = total(self) - total(earlier);
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }

    /// Nanoseconds since the start of year 1, which rounding is relative to.
    pub(super) fn since_zero(&self) -> i128 {
        (i128::from(self.seconds) - i128::from(Self::zero().seconds)) * 1_000_000_000
            + i128::from(self.nanoseconds)
    }

    /// Whether both are the same point in time, in whatever zone.
    pub fn same_instant(&self, other: &Self) -> bool {
        (self.seconds, self.nanoseconds) == (other.seconds, other.nanoseconds)
    }
}
