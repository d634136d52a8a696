//! Any bytes lex and parse to templates or an error, with delimiters of any kind.
#![no_main]

use gotmpl::{Options, TemplateSet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &str, &[u8])| {
    let (left, right, text) = input;
    let options = Options { delims: (left.to_owned(), right.to_owned()), ..Options::default() };
    let _ = TemplateSet::new(Default::default(), options).parse("t", text);
    let _ = TemplateSet::new(Default::default(), Options::default()).parse("t", text);
});
