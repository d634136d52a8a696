//! Durations, in nanoseconds.

use super::parse::TimeError;

const SECOND: u64 = 1_000_000_000;

/// Prints nanoseconds as Go prints a `time.Duration`: `2h3m0.5s`, `1.5ms`, `0s`.
pub fn format_duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let total = nanoseconds.unsigned_abs();
    if total == 0 {
        return "0s".to_owned();
    }
    if total < SECOND {
        let (unit, scale) = match total {
            0..1000 => ("ns", 1),
            1000..1_000_000 => ("µs", 1000),
            _ => ("ms", 1_000_000),
        };
        return format!(
            "{sign}{}{unit}",
            with_fraction(total / scale, total % scale, scale)
        );
    }
    let seconds = total / SECOND;
    let text = with_fraction(seconds % 60, total % SECOND, SECOND);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{text}s"),
        (0, _) => format!("{sign}{minutes}m{text}s"),
        _ => format!("{sign}{hours}h{minutes}m{text}s"),
    }
}

fn with_fraction(whole: u64, part: u64, scale: u64) -> String {
    if part == 0 {
        return whole.to_string();
    }
    let digits = scale.ilog10() as usize;
    let fraction = format!("{part:0digits$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// Reads a duration such as `-1.5h`, `300ms` or `1h15m30.918s` into nanoseconds.
pub fn parse_duration(text: &str) -> Result<i64, TimeError> {
    const LIMIT: u64 = 1 << 63;
    let invalid = || TimeError::duration("invalid duration", text);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let negative = text.starts_with('-');
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    let mut rest = unsigned;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, after) = rest.split_at(digits(rest));
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(digits(after)),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let number: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| invalid())?
        };
        if number > LIMIT {
            return Err(invalid());
        }
        let unit_length = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_length);
        if unit.is_empty() {
            return Err(TimeError::duration("missing unit in duration", text));
        }
        let unit = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            other => return Err(TimeError::unknown_unit(other, text)),
        };
        let mut part = number
            .checked_mul(unit)
            .filter(|&part| part <= LIMIT)
            .ok_or_else(invalid)?;
        part += fraction_of(fraction, unit);
        total = total
            .checked_add(part)
            .filter(|&total| total <= LIMIT && part <= LIMIT)
            .ok_or_else(invalid)?;
        rest = after;
    }
    if negative {
        return Ok(0_i64.wrapping_sub_unsigned(total));
    }
    i64::try_from(total).map_err(|_| invalid())
}

/// `0.digits * unit`, computed in floats as Go does.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let (mut value, mut scale) = (0_u64, 1.0_f64);
    for digit in digits.bytes() {
        if value > (u64::MAX >> 1) / 10 {
            break;
        }
        value = value * 10 + u64::from(digit - b'0');
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}
