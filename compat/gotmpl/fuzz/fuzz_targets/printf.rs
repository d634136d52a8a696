//! Any format prints any values within its limit.
#![no_main]

use gotmpl::{List, Value, sprintf};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&[u8], i64, f64, &[u8])| {
    let (format, int, float, text) = input;
    let values = [
        Value::int(int),
        Value::from(float),
        Value::Str(text.into()),
        Value::Nil,
        List::new(vec![Value::bytes(text), Value::from(float)]).into(),
    ];
    let _ = sprintf(format, &values, 1 << 20);
});
