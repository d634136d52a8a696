//! Arithmetic, rounding and ranges of integers.

use std::fmt::Write as _;
use std::sync::Arc;

use go_std::parse_int;
use gotmpl::{Context, FuncError, FuncMap, List, Rest, Str, Value};

use crate::cast::{parse_int_or_bound, printed, to_f64, to_i64};
use crate::decimal::Decimal;
use crate::environment::{Environment, Random};

pub(crate) fn register(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    functions
        .add("atoi", |s: Str| parse_int_or_bound(&s) as isize)
        .add("int64", |value: Value| to_i64(&value))
        .add("int", |value: Value| to_i64(&value) as isize)
        .add("float64", |value: Value| to_f64(&value))
        .add("toDecimal", |cx: &mut Context<'_>, value: Value| {
            printed(cx, &value).map(|text| parse_int(&text, 8).unwrap_or(0))
        })
        .add("add1", |value: Value| to_i64(&value).wrapping_add(1))
        .add("add", |values: Rest<Value>| {
            values.0.iter().fold(0, |sum: i64, v| sum.wrapping_add(to_i64(v)))
        })
        .add("sub", |a: Value, b: Value| to_i64(&a).wrapping_sub(to_i64(&b)))
        .add("mul", |first: Value, rest: Rest<Value>| {
            rest.0
                .iter()
                .fold(to_i64(&first), |product, v| product.wrapping_mul(to_i64(v)))
        })
        .add("div", |a: Value, b: Value| {
            divisor(&b).map(|b| to_i64(&a).wrapping_div(b))
        })
        .add("mod", |a: Value, b: Value| {
            divisor(&b).map(|b| to_i64(&a).wrapping_rem(b))
        })
        .add("max", maximum)
        .add("biggest", maximum)
        .add("min", |first: Value, rest: Rest<Value>| {
            rest.0.iter().map(to_i64).fold(to_i64(&first), i64::min)
        })
        .add("maxf", |first: Value, rest: Rest<Value>| {
            rest.0.iter().map(to_f64).fold(to_f64(&first), go_max)
        })
        .add("minf", |first: Value, rest: Rest<Value>| {
            rest.0.iter().map(to_f64).fold(to_f64(&first), go_min)
        })
        .add("ceil", |value: Value| to_f64(&value).ceil())
        .add("floor", |value: Value| to_f64(&value).floor())
        .add("round", |value: Value, places: isize, round_on: Rest<f64>| {
            round(to_f64(&value), places, round_on.0.first().copied().unwrap_or(0.5))
        })
        .add("add1f", |cx: &mut Context<'_>, value: Value| {
            decimal(cx, &value, &[Value::int(1)], |a, b| Ok(a.add(b)))
        })
        .add("addf", |cx: &mut Context<'_>, values: Rest<Value>| {
            decimal(cx, &Value::Float(0.0), &values.0, |a, b| Ok(a.add(b)))
        })
        .add("subf", |cx: &mut Context<'_>, first: Value, rest: Rest<Value>| {
            decimal(cx, &first, &rest.0, |a, b| Ok(a.sub(b)))
        })
        .add("mulf", |cx: &mut Context<'_>, first: Value, rest: Rest<Value>| {
            decimal(cx, &first, &rest.0, |a, b| Ok(a.mul(b)))
        })
        .add("divf", |cx: &mut Context<'_>, first: Value, rest: Rest<Value>| {
            decimal(cx, &first, &rest.0, Decimal::div)
        })
        .add("until", |count: isize| {
            until_step(0, count as i64, if count < 0 { -1 } else { 1 })
        })
        .add("untilStep", |start: isize, stop: isize, step: isize| {
            until_step(start as i64, stop as i64, step as i64)
        })
        .add("seq", sequence);
    let environment = Arc::clone(environment);
    functions.add("randInt", move |cx: &mut Context<'_>, min: isize, max: isize| {
        cx.charge(Random::STEPS)?;
        let width = max.wrapping_sub(min);
        if width <= 0 {
            return Err(FuncError::new("invalid argument to Intn"));
        }
        Ok(min.wrapping_add(Random::new(&*environment).below(width as u64) as isize))
    });
}

fn divisor(value: &Value) -> Result<i64, FuncError> {
    match to_i64(value) {
        0 => Err(FuncError::new("runtime error: integer divide by zero")),
        divisor => Ok(divisor),
    }
}

fn maximum(first: Value, rest: Rest<Value>) -> i64 {
    rest.0.iter().map(to_i64).fold(to_i64(&first), i64::max)
}

/// `math.Max`: infinity wins over NaN, and NaN over the rest.
fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else {
        a.max(b)
    }
}

/// `math.Min`, the mirror image.
fn go_min(a: f64, b: f64) -> f64 {
    let least = -go_max(-a, -b);
    if least.is_nan() { f64::NAN } else { least }
}

fn decimal(
    cx: &mut Context<'_>,
    first: &Value,
    rest: &[Value],
    operation: fn(&Decimal, &Decimal) -> Result<Decimal, FuncError>,
) -> Result<f64, FuncError> {
    // Numbers may have hundreds of digits before or behind the point.
    const STEPS: u64 = 60;
    let mut result = Decimal::from_f64(to_f64(first))?;
    for value in rest {
        cx.charge(STEPS)?;
        result = operation(&result, &Decimal::from_f64(to_f64(value))?)?;
    }
    Ok(result.to_f64())
}

/// Rounds up if the fraction, with its sign, reaches `round_on`; negative numbers mostly go down.
fn round(value: f64, places: isize, round_on: f64) -> f64 {
    let power = power_of_ten(places);
    let shifted = power * value;
    let fraction = if shifted.is_infinite() {
        f64::NAN
    } else {
        shifted.fract()
    };
    let rounded = if fraction >= round_on {
        shifted.ceil()
    } else {
        shifted.floor()
    };
    rounded / power
}

/// `math.Pow(10, n)`: repeated squaring on a normalised mantissa, whose rounding errors are part of the result.
fn power_of_ten(n: isize) -> f64 {
    if n == 0 {
        return 1.0;
    }
    let mut rest = n.unsigned_abs();
    if rest > 1 << 20 {
        return if n < 0 { 0.0 } else { f64::INFINITY };
    }
    // 10 = 0.625 * 2^4.
    let (mut mantissa, mut exponent) = (0.625_f64, 4_i32);
    let (mut product, mut product_exponent) = (1.0_f64, 0_i32);
    while rest != 0 {
        if rest & 1 == 1 {
            product *= mantissa;
            product_exponent += exponent;
        }
        mantissa *= mantissa;
        exponent <<= 1;
        if mantissa < 0.5 {
            mantissa += mantissa;
            exponent -= 1;
        }
        rest >>= 1;
        if exponent > 1 << 12 && rest != 0 {
            return if n < 0 { 0.0 } else { f64::INFINITY };
        }
    }
    if n < 0 {
        product = 1.0 / product;
        product_exponent = -product_exponent;
    }
    // Two steps, because 2^exponent alone may not be representable.
    let half = product_exponent / 2;
    product * 2_f64.powi(half) * 2_f64.powi(product_exponent - half)
}

/// The integers from `start` to `stop`, without it; none if the step leads away.
fn until_step(start: i64, stop: i64, step: i64) -> List {
    List::range(start, step, count(start, stop, step))
}

fn count(start: i64, stop: i64, step: i64) -> usize {
    let leads_there = if stop < start { step < 0 } else { step > 0 };
    if !leads_there {
        return 0;
    }
    usize::try_from(start.abs_diff(stop).div_ceil(step.unsigned_abs())).unwrap_or(usize::MAX)
}

fn sequence(cx: &mut Context<'_>, params: Rest<isize>) -> Result<String, FuncError> {
    let towards = |start: isize, end: isize| if end < start { -1 } else { 1 };
    let (start, step, end) = match *params.0.as_slice() {
        [end] => (1, towards(1, end), end),
        [start, end] => (start, towards(start, end), end),
        [start, step, end] => {
            if end < start && step > 0 {
                return Ok(String::new());
            }
            (start, step, end)
        }
        _ => return Ok(String::new()),
    };
    let stop = (end as i64).wrapping_add(towards(start, end) as i64);
    let count = count(start as i64, stop, step as i64);
    let widest = start.to_string().len().max(stop.to_string().len()) + 1;
    cx.check_string(count.saturating_mul(widest))?;
    let mut text = String::new();
    for at in 0..count {
        let separator = if at == 0 { "" } else { " " };
        let number = (step as i64).wrapping_mul(at as i64).wrapping_add(start as i64);
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{number}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten() {
        for n in -22..=22 {
            assert_eq!(power_of_ten(n), format!("1e{n}").parse::<f64>().unwrap(), "{n}");
        }
        assert_eq!(power_of_ten(400), f64::INFINITY);
        assert_eq!(power_of_ten(-400), 0.0);
    }

    #[test]
    fn rounding() {
        assert_eq!(round(2.5, 0, 0.5), 3.0);
        assert_eq!(round(-1.2, 0, 0.5), -2.0);
        assert_eq!(round(1234.5, -2, 0.5), 1200.0);
    }
}
