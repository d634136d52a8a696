use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// A time zone, like Go's `*time.Location`.
#[derive(Debug, Clone)]
pub enum Zone {
    /// UTC.
    Utc,
    /// The zone of the process, called `Local`.
    Local(TimeZone),
    /// A zone of the time zone database.
    Named(TimeZone),
    /// A fixed distance from UTC, in seconds; its name may be empty.
    Fixed(String, i32),
}

/// The database that is built into the program: what a chart renders does not depend on the files of the host.
static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

impl Zone {
    /// Finds a zone by the name that Go's `time.LoadLocation` takes; an empty one is UTC.
    pub fn find(name: &str, local: &TimeZone) -> Option<Self> {
        match name {
            "" | "UTC" => Some(Self::Utc),
            "Local" => Some(Self::Local(local.clone())),
            _ => {
                let zone = DATABASE.get(name).ok()?;
                // File names have one spelling.
                (zone.iana_name() == Some(name)).then_some(Self::Named(zone))
            }
        }
    }

    /// Seconds east of UTC at a number of seconds since 1970.
    pub fn offset_at(&self, seconds: i64) -> i32 {
        match self {
            Self::Utc => 0,
            Self::Fixed(_, offset) => *offset,
            Self::Local(zone) | Self::Named(zone) => zone.to_offset(clamped(seconds)).seconds(),
        }
    }

    /// What the zone is called at a number of seconds since 1970, such as `CEST`.
    pub fn abbreviation_at(&self, seconds: i64) -> String {
        match self {
            Self::Utc => "UTC".to_owned(),
            Self::Fixed(name, _) => name.clone(),
            Self::Local(zone) | Self::Named(zone) => {
                zone.to_offset_info(clamped(seconds)).abbreviation().to_owned()
            }
        }
    }

    /// The name of the zone: `UTC`, `Local`, `Europe/Berlin`.
    pub fn name(&self) -> &str {
        match self {
            Self::Utc => "UTC",
            Self::Local(_) => "Local",
            Self::Named(zone) => zone.iana_name().unwrap_or("UTC"),
            Self::Fixed(name, _) => name,
        }
    }

    /// The offset that goes with an abbreviation in this zone, around a number of seconds since 1970.
    pub(super) fn offset_of(&self, abbreviation: &str, seconds: i64) -> Option<i32> {
        const HALF_A_YEAR: i64 = 182 * 86_400;
        [0, HALF_A_YEAR, -HALF_A_YEAR]
            .iter()
            .map(|shift| seconds.saturating_add(*shift))
            .find(|&seconds| self.abbreviation_at(seconds) == abbreviation)
            .map(|seconds| self.offset_at(seconds))
    }
}

fn clamped(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
