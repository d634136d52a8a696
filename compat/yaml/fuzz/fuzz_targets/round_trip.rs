//! What is printed reads back as the same value.

#![no_main]

use go_yaml::{Limits, gojson, sigs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let limits = Limits::default();
    let Ok(value) = sigs::to_value(input, &limits) else { return };
    // Text with controls beyond ASCII is refused, or folded, as in Go.
    let json = gojson::to_string(&value).expect("a value without infinities");
    if json.contains(|c| matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' | '\u{feff}')) || json.contains("<<") {
        return;
    }
    let Ok(text) = sigs::value_to_string(&value) else { return };
    let again = sigs::to_value(text.as_bytes(), &limits).expect("printed text can be read");
    // Floats that are integers come back as integers; their JSON is the same up to -0.
    let again = gojson::to_string(&again).expect("a value without infinities");
    if !json.contains("\\u003c\\u003c") && !json.contains("-0") && !json.contains("e+") {
        assert_eq!(again, json, "{text}");
    }
});
