use std::sync::Arc;

use gotmpl::{Context, FuncError, FuncMap, IntType, Str, Value};

use go_std::duration;

use super::calendar::Time;
use super::object::{round, time_of};
use super::parse::TimeError;
use super::zone::Zone;
use crate::cast::parse_int_or_bound;
use crate::environment::Environment;

const HTML: &str = "2006-01-02";
const SECOND: i64 = 1_000_000_000;

pub(crate) fn register(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    let clock = Clock(Arc::clone(environment));
    let show = {
        let clock = clock.clone();
        move |cx: &mut Context<'_>, layout: &str, value: &Value, zone: &str| {
            charge(cx, layout.len())?;
            Ok::<_, FuncError>(clock.show(layout, value, zone))
        }
    };
    functions.add("date", {
        let show = show.clone();
        move |cx: &mut Context<'_>, layout: Str, value: Value| {
            show(cx, &layout.to_string_lossy(), &value, "Local")
        }
    });
    functions.add("htmlDate", {
        let show = show.clone();
        move |cx: &mut Context<'_>, value: Value| show(cx, HTML, &value, "Local")
    });
    functions.add("htmlDateInZone", {
        let show = show.clone();
        move |cx: &mut Context<'_>, value: Value, zone: Str| show(cx, HTML, &value, &zone.to_string_lossy())
    });
    for name in ["dateInZone", "date_in_zone"] {
        let show = show.clone();
        functions.add(
            name,
            move |cx: &mut Context<'_>, layout: Str, value: Value, zone: Str| {
                show(cx, &layout.to_string_lossy(), &value, &zone.to_string_lossy())
            },
        );
    }
    for name in ["dateModify", "date_modify"] {
        functions.add(name, |cx: &mut Context<'_>, by: Str, time: Time| {
            charge(cx, by.len())?;
            Ok::<_, FuncError>(match duration::parse(&by.to_string_lossy()) {
                Ok(nanoseconds) => time.add(nanoseconds),
                Err(_) => time,
            })
        });
    }
    for name in ["mustDateModify", "must_date_modify"] {
        functions.add(name, |cx: &mut Context<'_>, by: Str, time: Time| {
            charge(cx, by.len())?;
            duration::parse(&by.to_string_lossy())
                .map(|nanoseconds| time.add(nanoseconds))
                .map_err(|error| FuncError::new(error.to_string()))
        });
    }
    functions.add("now", {
        let clock = clock.clone();
        move |cx: &mut Context<'_>| charge(cx, 0).map(|()| clock.now())
    });
    functions.add("toDate", {
        let clock = clock.clone();
        move |cx: &mut Context<'_>, layout: Str, value: Str| {
            charge(cx, layout.len() + value.len())?;
            Ok::<_, FuncError>(clock.read(&layout, &value).unwrap_or_else(|_| Time::zero()))
        }
    });
    functions.add("mustToDate", {
        let clock = clock.clone();
        move |cx: &mut Context<'_>, layout: Str, value: Str| {
            charge(cx, layout.len() + value.len())?;
            clock.read(&layout, &value).map_err(to_error)
        }
    });
    functions.add("ago", {
        let clock = clock.clone();
        move |cx: &mut Context<'_>, value: Value| {
            charge(cx, 0)?;
            let then = match &value {
                Value::Int(_, IntType::Int32) => None,
                other => clock.time(other),
            };
            let now = clock.now();
            let elapsed = then.map_or(0, |then| now.since(&then));
            Ok::<_, FuncError>(duration::format(round(elapsed, SECOND)))
        }
    });
    functions.add("durationRound", move |cx: &mut Context<'_>, value: Value| {
        charge(cx, value.as_str().map_or(0, |text| text.len()))?;
        let nanoseconds = match &value {
            Value::Str(text) => duration::parse(&text.to_string_lossy()).unwrap_or(0),
            Value::Int(nanoseconds, IntType::Int64) => *nanoseconds,
            other => time_of(other).map_or(0, |time| clock.now().since(time)),
        };
        Ok::<_, FuncError>(largest_unit(nanoseconds.unsigned_abs()))
    });
    functions
        .add("duration", |cx: &mut Context<'_>, value: Value| {
            charge(cx, 0)?;
            let seconds = match &value {
                Value::Str(text) => parse_int_or_bound(text),
                Value::Int(seconds, IntType::Int64) => *seconds,
                _ => 0,
            };
            Ok::<_, FuncError>(duration::format(seconds.wrapping_mul(SECOND)))
        })
        .add("unixEpoch", |cx: &mut Context<'_>, time: Time| {
            charge(cx, 0).map(|()| time.unix().to_string())
        });
}

/// Counts what it takes to read or write a time: a zone is found by its name, and a layout is gone through piece by piece.
fn charge(cx: &mut Context<'_>, bytes: usize) -> Result<(), FuncError> {
    const STEPS: u64 = 16;
    cx.charge(STEPS + 2 * bytes as u64)
}

fn to_error(error: TimeError) -> FuncError {
    FuncError::new(error.to_string())
}

/// The environment as the source of times.
#[derive(Clone)]
struct Clock(Arc<dyn Environment>);

impl Clock {
    fn local(&self) -> Zone {
        Zone::Local(self.0.local_zone())
    }

    fn now(&self) -> Time {
        Time::from_timestamp(self.0.now(), self.local())
    }

    /// The time that a value stands for: a time, or an integer of seconds; nothing else.
    fn time(&self, value: &Value) -> Option<Time> {
        match value {
            Value::Int(seconds, IntType::Int | IntType::Int64 | IntType::Int32) => {
                Some(Time::from_unix(*seconds, 0, self.local()))
            }
            other => time_of(other).cloned(),
        }
    }

    /// Writes a value by a layout; what is no time is taken as now, an unknown zone as UTC.
    fn show(&self, layout: &str, value: &Value, zone: &str) -> String {
        let time = self.time(value).unwrap_or_else(|| self.now());
        let zone = Zone::find(zone, &self.0.local_zone()).unwrap_or(Zone::Utc);
        time.in_zone(zone).format(layout)
    }

    fn read(&self, layout: &Str, value: &Str) -> Result<Time, TimeError> {
        Time::parse(&layout.to_string_lossy(), &value.to_string_lossy(), &self.local())
    }
}

/// A duration in its largest unit of which it has more than one.
fn largest_unit(nanoseconds: u64) -> String {
    const HOUR: u64 = 3_600_000_000_000;
    const UNITS: [(u64, &str); 6] = [
        (365 * 24 * HOUR, "y"),
        (30 * 24 * HOUR, "mo"),
        (24 * HOUR, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3600, "s"),
    ];
    let unit = UNITS.iter().find(|(unit, _)| nanoseconds > *unit);
    unit.map_or_else(
        || "0s".to_owned(),
        |(unit, name)| format!("{}{name}", nanoseconds / unit),
    )
}
