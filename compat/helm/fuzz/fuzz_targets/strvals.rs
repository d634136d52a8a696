//! Any `--set` argument, of each kind, on values that another one made, sets something or is an error.
#![no_main]

use gotmpl::{Map, Value};
use helm::strvals;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str)| {
    let (first, second) = input;
    for set in [strvals::set, strvals::set_string, strvals::set_json, strvals::set_literal] {
        let values = Map::new();
        let _ = strvals::set(first, &values);
        let _ = set(second, &values);
    }
    let _ = strvals::set_file(second, &Map::new(), &mut |name| Ok(Value::from(name)));
});
