//! Times as templates see them, with the methods of `time.Time`, `time.Duration`, `time.Month` and `time.Weekday`.

use std::any::Any;

use gotmpl::{FromArg, Func, FuncError, IntoReturn, NamedType, Object, Str, Type, Value};

use go_std::duration;

use super::calendar::Time;
use super::layout::{DAYS, MONTHS};
use super::zone::Zone;

static TIME: NamedType = NamedType::new("time.Time", Type::Struct);
static DURATION: NamedType = NamedType::new("time.Duration", Type::INT64);
static MONTH: NamedType = NamedType::new("time.Month", Type::INT);
static WEEKDAY: NamedType = NamedType::new("time.Weekday", Type::INT);
static LOCATION: NamedType = NamedType::new("*time.Location", Type::Pointer);

const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// The time that a value is, if it is one.
pub(crate) fn time_of(value: &Value) -> Option<&Time> {
    value.downcast::<Time>()
}

/// What TOML prints for a time or a duration.
pub(crate) fn toml_text(value: &Value) -> Option<String> {
    if let Some(Duration(nanoseconds)) = value.downcast() {
        return Some(format!("\"{}\"", duration::format(*nanoseconds)));
    }
    let time = time_of(value)?;
    Some(time.format(match time.zone().name() {
        "datetime-local" => "2006-01-02T15:04:05.999999999",
        "date-local" => "2006-01-02",
        "time-local" => "15:04:05.999999999",
        _ => RFC3339_NANO,
    }))
}

#[derive(Debug, Clone, Copy)]
struct Duration(i64);

#[derive(Debug, Clone, Copy)]
struct Month(u32);

#[derive(Debug, Clone, Copy)]
struct Weekday(u32);

#[derive(Debug, Clone)]
struct Location(Zone);

impl Object for Time {
    fn type_info(&self) -> &'static NamedType {
        &TIME
    }

    fn text(&self) -> Option<Str> {
        Some(self.format("2006-01-02 15:04:05.999999999 -0700 MST").into())
    }

    fn to_plain(&self) -> Value {
        Value::from(self.format(RFC3339_NANO))
    }

    /// The parts that Go compares; none of them can be reached by name.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("wall", Value::uint64(u64::from(self.nanosecond()))),
            ("ext", Value::int64(self.unix())),
            ("loc", Value::from(self.zone().name())),
        ]
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        let other = (other as &dyn Any).downcast_ref::<Self>()?;
        Some(self.same_instant(other) && self.zone().name() == other.zone().name())
    }

    fn method(&self, name: &str) -> Option<Func> {
        let time = self.clone();
        Some(match name {
            "Year" => Func::new(move || time.civil().year as isize),
            "Month" => Func::new(move || Month(time.civil().month)),
            "Day" => Func::new(move || time.civil().day as isize),
            "Hour" => Func::new(move || time.civil().hour as isize),
            "Minute" => Func::new(move || time.civil().minute as isize),
            "Second" => Func::new(move || time.civil().second as isize),
            "Nanosecond" => Func::new(move || time.nanosecond() as isize),
            "Weekday" => Func::new(move || Weekday(time.civil().weekday)),
            "YearDay" => Func::new(move || time.civil().year_day as isize),
            "Unix" => Func::new(move || time.unix()),
            "UnixMilli" => Func::new(move || scaled(&time, 1_000)),
            "UnixMicro" => Func::new(move || scaled(&time, 1_000_000)),
            "UnixNano" => Func::new(move || scaled(&time, 1_000_000_000)),
            "Format" => Func::new(move |layout: Str| time.format(&layout.to_string_lossy())),
            "String" => Func::new(move || time.text().unwrap_or_default()),
            "UTC" => Func::new(move || time.in_zone(Zone::Utc)),
            "In" => Func::new(move |zone: Location| time.in_zone(zone.0)),
            "Location" => Func::new(move || Location(time.zone().clone())),
            "Add" => Func::new(move |duration: Duration| time.add(duration.0)),
            "AddDate" => Func::new(move |years: isize, months: isize, days: isize| {
                time.add_date(years as i64, months as i64, days as i64)
            }),
            "Sub" => Func::new(move |earlier: Time| Duration(time.since(&earlier))),
            "Truncate" => Func::new(move |unit: Duration| time.add(-remainder(&time, unit.0))),
            "Round" => Func::new(move |unit: Duration| {
                let rest = remainder(&time, unit.0);
                time.add(if rest.saturating_mul(2) < unit.0 || unit.0 <= 0 {
                    -rest
                } else {
                    unit.0 - rest
                })
            }),
            "After" => Func::new(move |other: Time| time.since(&other) > 0),
            "Before" => Func::new(move |other: Time| time.since(&other) < 0),
            "Equal" => Func::new(move |other: Time| time.same_instant(&other)),
            "Compare" => Func::new(move |other: Time| time.since(&other).signum() as isize),
            "IsZero" => Func::new(move || time.same_instant(&Time::zero())),
            _ => return None,
        })
    }
}

/// The time in units of which a second has `per_second`; wraps around as in Go.
fn scaled(time: &Time, per_second: i64) -> i64 {
    let part = i64::from(time.nanosecond()) / (1_000_000_000 / per_second);
    time.unix().wrapping_mul(per_second).wrapping_add(part)
}

/// Nanoseconds since the last multiple of `unit`, counted from the zero time.
fn remainder(time: &Time, unit: i64) -> i64 {
    if unit <= 0 {
        return 0;
    }
    i64::try_from(time.since_zero().rem_euclid(i128::from(unit))).unwrap_or(0)
}

impl Object for Duration {
    fn type_info(&self) -> &'static NamedType {
        &DURATION
    }

    fn text(&self) -> Option<Str> {
        Some(duration::format(self.0).into())
    }

    fn basic(&self) -> Option<Value> {
        Some(Value::int64(self.0))
    }

    fn equals(&self, other: &dyn Object) -> Option<bool> {
        Some((other as &dyn Any).downcast_ref::<Self>()?.0 == self.0)
    }

    fn method(&self, name: &str) -> Option<Func> {
        let Duration(total) = *self;
        let in_units =
            |unit: i64| Func::new(move || (total / unit) as f64 + (total % unit) as f64 / unit as f64);
        Some(match name {
            "Hours" => in_units(3_600_000_000_000),
            "Minutes" => in_units(60_000_000_000),
            "Seconds" => in_units(1_000_000_000),
            "Milliseconds" => Func::new(move || total / 1_000_000),
            "Microseconds" => Func::new(move || total / 1000),
            "Nanoseconds" => Func::new(move || total),
            "String" => Func::new(move || duration::format(total)),
            "Abs" => Func::new(move || Duration(total.saturating_abs())),
            "Truncate" => Func::new(move |unit: Duration| {
                Duration(if unit.0 <= 0 {
                    total
                } else {
                    total - total % unit.0
                })
            }),
            "Round" => Func::new(move |unit: Duration| Duration(round(total, unit.0))),
            _ => return None,
        })
    }
}

/// The nearest multiple of `unit`, halves away from zero.
pub(super) fn round(total: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return total;
    }
    let rest = (total % unit).unsigned_abs();
    let towards_zero = total - total % unit;
    if rest.saturating_mul(2) < unit.unsigned_abs() {
        towards_zero
    } else {
        towards_zero.saturating_add(unit * total.signum())
    }
}

macro_rules! named_number {
    ($type:ident, $info:ident, $names:ident, $first:literal) => {
        impl Object for $type {
            fn type_info(&self) -> &'static NamedType {
                &$info
            }

            fn text(&self) -> Option<Str> {
                $names
                    .get(self.0 as usize - $first)
                    .map(|name| Str::from(*name))
            }

            fn basic(&self) -> Option<Value> {
                Some(Value::int(i64::from(self.0)))
            }

            fn equals(&self, other: &dyn Object) -> Option<bool> {
                Some((other as &dyn Any).downcast_ref::<Self>()?.0 == self.0)
            }

            fn method(&self, name: &str) -> Option<Func> {
                let text = self.text()?;
                (name == "String").then(|| Func::new(move || text.clone()))
            }
        }
    };
}

named_number!(Month, MONTH, MONTHS, 1);
named_number!(Weekday, WEEKDAY, DAYS, 0);

impl Object for Location {
    fn type_info(&self) -> &'static NamedType {
        &LOCATION
    }

    fn text(&self) -> Option<Str> {
        Some(self.0.name().into())
    }

    fn method(&self, name: &str) -> Option<Func> {
        let text = self.0.name().to_owned();
        (name == "String").then(|| Func::new(move || text.clone()))
    }
}

macro_rules! convert {
    ($($type:ident, $info:ident;)*) => {$(
        impl IntoReturn for $type {
            const TYPE: Type = Type::Named(&$info);

            fn into_return(self) -> Result<Value, FuncError> {
                Ok(Value::object(self))
            }
        }
    )*};
}

convert! {
    Time, TIME;
    Duration, DURATION;
    Month, MONTH;
    Weekday, WEEKDAY;
    Location, LOCATION;
}

impl FromArg for Time {
    const TYPE: Type = Type::Named(&TIME);

    fn from_arg(value: &Value) -> Result<Self, FuncError> {
        time_of(value)
            .cloned()
            .ok_or_else(|| FuncError::new("wrong type for value; expected time.Time"))
    }
}

impl FromArg for Location {
    const TYPE: Type = Type::Named(&LOCATION);

    fn from_arg(value: &Value) -> Result<Self, FuncError> {
        value
            .downcast::<Self>()
            .cloned()
            .ok_or_else(|| FuncError::new("time: missing Location in call to Time.In"))
    }
}

impl FromArg for Duration {
    const TYPE: Type = Type::Named(&DURATION);

    fn from_arg(value: &Value) -> Result<Self, FuncError> {
        match value {
            // A constant adapts to the type.
            Value::Int(nanoseconds, _) => Ok(Self(*nanoseconds)),
            other => other
                .downcast::<Self>()
                .copied()
                .ok_or_else(|| FuncError::new("wrong type for value; expected time.Duration")),
        }
    }
}
