//! What is printed reads back as the same value.

#![no_main]

use go_yaml::{Limits, gojson, sigs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let limits = Limits::default();
    let Ok(value) = sigs::to_value(input, &limits) else {
        return;
    };
    let json = gojson::to_string_with(
        &value,
        &gojson::Options {
            escape_html: false,
            indent: None,
        },
    )
    .expect("JSON");
    // As in Go, controls beyond ASCII are refused or folded, a key `<<` becomes a merge, and -0 becomes 0.
    let lossy = |c| matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' | '\u{feff}');
    if json.contains(lossy) || json.contains("<<") || json.contains("-0") {
        return;
    }
    let Ok(text) = sigs::value_to_string(&value) else {
        return;
    };
    let again = sigs::to_value(text.as_bytes(), &limits).expect("printed text can be read");
    let again = gojson::to_string_with(
        &again,
        &gojson::Options {
            escape_html: false,
            indent: None,
        },
    )
    .expect("JSON");
    assert_eq!(again, json, "{text}");
});
