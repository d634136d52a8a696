//! What Go prints where there is no value, and Helm takes out again.

use gotmpl::Str;

/// What Go prints for a missing value, and Helm removes from all that it outputs.
const NO_VALUE: &[u8] = b"<no value>";

pub(crate) fn strip_no_value(text: Str) -> Str {
    if memchr::memmem::find(&text, NO_VALUE).is_none() {
        return text;
    }
    let mut bytes = text.to_vec();
    strip_no_value_in_place(&mut bytes);
    bytes.into()
}

pub(crate) fn strip_no_value_in_place(text: &mut Vec<u8>) {
    let found: Vec<usize> = memchr::memmem::find_iter(text, NO_VALUE).collect();
    if found.is_empty() {
        return;
    }
    let mut kept = Vec::with_capacity(text.len());
    let mut from = 0;
    for at in found {
        kept.extend_from_slice(text.get(from..at).unwrap_or_default());
        from = at + NO_VALUE.len();
    }
    kept.extend_from_slice(text.get(from..).unwrap_or_default());
    *text = kept;
}
