//! Parts of moments and of durations.

use super::conversion::seconds;
use super::{Library, Native, Outcome};
use crate::error::Failure;
use crate::time::Part;
use crate::types::Type;
use crate::value::Value;

/// Name, signature without and with a zone, and what they give.
const PARTS: [(&str, &str, &str, Native); 10] = [
    (
        "getFullYear",
        "timestamp_to_year",
        "timestamp_to_year_with_tz",
        |_, args| part(args, Part::FullYear),
    ),
    (
        "getMonth",
        "timestamp_to_month",
        "timestamp_to_month_with_tz",
        |_, args| part(args, Part::Month),
    ),
    (
        "getDayOfYear",
        "timestamp_to_day_of_year",
        "timestamp_to_day_of_year_with_tz",
        |_, args| part(args, Part::DayOfYear),
    ),
    (
        "getDayOfMonth",
        "timestamp_to_day_of_month",
        "timestamp_to_day_of_month_with_tz",
        |_, args| part(args, Part::DayOfMonth),
    ),
    (
        "getDate",
        "timestamp_to_day_of_month_1_based",
        "timestamp_to_day_of_month_1_based_with_tz",
        |_, args| part(args, Part::Date),
    ),
    (
        "getDayOfWeek",
        "timestamp_to_day_of_week",
        "timestamp_to_day_of_week_with_tz",
        |_, args| part(args, Part::DayOfWeek),
    ),
    (
        "getHours",
        "timestamp_to_hours",
        "timestamp_to_hours_with_tz",
        |_, args| part(args, Part::Hours),
    ),
    (
        "getMinutes",
        "timestamp_to_minutes",
        "timestamp_to_minutes_with_tz",
        |_, args| part(args, Part::Minutes),
    ),
    (
        "getSeconds",
        "timestamp_to_seconds",
        "timestamp_to_seconds_tz",
        |_, args| part(args, Part::Seconds),
    ),
    (
        "getMilliseconds",
        "timestamp_to_milliseconds",
        "timestamp_to_milliseconds_with_tz",
        |_, args| part(args, Part::Milliseconds),
    ),
];

/// The parts that durations have too.
const OF_DURATIONS: [(&str, &str); 4] = [
    ("getHours", "duration_to_hours"),
    ("getMinutes", "duration_to_minutes"),
    ("getSeconds", "duration_to_seconds"),
    ("getMilliseconds", "duration_to_milliseconds"),
];

pub(super) fn declare(library: &mut Library) {
    for (name, id, id_in_zone, native) in PARTS {
        let function = library.function(name);
        function.member(id, &[Type::Timestamp], Type::Int, native).member(
            id_in_zone,
            &[Type::Timestamp, Type::String],
            Type::Int,
            native,
        );
        if let Some((_, id)) = OF_DURATIONS.iter().find(|(own, _)| *own == name) {
            function.member(id, &[Type::Duration], Type::Int, native);
        }
    }
}

fn part<'a>(args: &[Value<'a>], part: Part) -> Outcome<'a> {
    const MINUTE: i64 = 60_000_000_000;
    const HOUR: i64 = 60 * MINUTE;
    match args {
        [Value::Timestamp(time)] => Ok(Value::Int(time.part(part, None)?)),
        [Value::Timestamp(time), Value::String(zone)] => {
            Ok(Value::Int(time.part(part, Some(zone.as_str()))?))
        }
        [Value::Duration(nanos)] => Ok(Value::Int(match part {
            // Go goes by way of floats.
            Part::Hours => ((nanos / HOUR) as f64 + (nanos % HOUR) as f64 / HOUR as f64) as i64,
            Part::Minutes => ((nanos / MINUTE) as f64 + (nanos % MINUTE) as f64 / MINUTE as f64) as i64,
            Part::Seconds => seconds(*nanos) as i64,
            _ => nanos / 1_000_000,
        })),
        _ => Err(Failure::no_overload()),
    }
}
