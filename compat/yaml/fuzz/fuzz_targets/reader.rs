//! No input makes the readers or the printers panic, hang, or take memory without bound.

#![no_main]

use go_yaml::{Limits, sigs, v3};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let limits = Limits::default();
    if let Ok(documents) = v3::parse(input, &limits) {
        for document in &documents {
            let _ = v3::to_string(document, &v3::EmitOptions::default());
            let _ = v3::to_string(document, &v3::EmitOptions::wide());
            let _ = sigs::node_to_string(document);
        }
    }
    let _ = sigs::to_value_strict(input, &limits);
    let _ = sigs::json_to_yaml(input, &limits);
    if let Ok(value) = sigs::to_value(input, &limits) {
        let _ = sigs::value_to_string(&value);
    }
});
