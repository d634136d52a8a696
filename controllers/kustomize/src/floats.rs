//! Numbers as a substitution leaves them: Flux reads what comes out of one into `float64`, whatever was substituted.

use serde_json::{Number, Value};

/// The largest integer up to which all are exact.
const EXACT: u64 = 1 << 53;

/// From here on Go prints an exponent, which is no integer any more.
const EXPONENT: f64 = 1e21;

/// Rounds the integers that `float64` does not have, and makes integers of whole numbers; tells whether there are any.
pub(crate) fn round(value: &mut Value) -> bool {
    match value {
        Value::Number(number) => {
            let rounded = rounded(number).filter(|rounded| rounded != number);
            let is_other = rounded.is_some();
            if let Some(rounded) = rounded {
                *number = rounded;
            }
            is_other
        }
        Value::Array(items) => items.iter_mut().fold(false, |any, item| round(item) | any),
        Value::Object(fields) => fields.values_mut().fold(false, |any, field| round(field) | any),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Gives what is left of a number: the shortest digits that are read as the same `float64`, as Go prints it.
fn rounded(number: &Number) -> Option<Number> {
    if number.as_i64().is_some_and(|exact| exact.unsigned_abs() <= EXACT) {
        return None;
    }
    let float = number.as_f64()?;
    if float.fract() != 0.0 || float.abs() >= EXPONENT {
        return None;
    }
    let text = float.to_string();
    let integer = text.parse::<i64>().map(Number::from);
    integer
        .or_else(|_| text.parse::<u64>().map(Number::from))
        .ok()
        .or_else(|| Number::from_f64(float))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_exact_stays_and_the_rest_is_rounded() {
        let mut value = json!({"a": [EXACT, -9_007_199_254_740_992_i64, 1.5, "9007199254740993", null]});
        let before = value.clone();
        assert!(!round(&mut value));
        assert_eq!(value, before);
        let mut value = json!([i64::MAX, i64::MIN, u64::MAX, EXACT + 1, 3.0]);
        assert!(round(&mut value));
        assert_eq!(
            value.to_string(),
            "[9223372036854776000,-9.223372036854776e+18,1.8446744073709552e+19,9007199254740992,3]"
        );
    }
}
