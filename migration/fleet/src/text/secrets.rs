//! No secret is shown or written down: what URLs hold of users and passwords is masked before a text is cut, printed or kept.
//!
//! Source-controller repeats addresses in its conditions as somebody has written them, passwords included.

use std::borrow::Cow;

use kustomize::redact_urls;
use serde_json::Value;

/// What stands in the place of a secret, as in Go's `URL.Redacted`.
const HIDDEN: &str = "xxxxx";

/// Returns a text with what may be secret in its URLs as `xxxxx`: users, which may be tokens, passwords and parameters.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    if !text.contains(":/") {
        return Cow::Borrowed(text);
    }
    let mut shown = redact_urls(text);
    if let Some(at) = cut_password(&shown) {
        shown.truncate(at);
        shown.push_str(HIDDEN);
    }
    Cow::Owned(shown)
}

/// Masks that in each text of a document.
pub fn mask_secrets(document: &mut Value) {
    match document {
        Value::String(text) => *text = without_secrets(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(mask_secrets),
        Value::Object(fields) => fields.values_mut().for_each(mask_secrets),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Where a password begins that a text ends in the middle of: whoever has cut it has taken the `@` that tells a password from a port.
fn cut_password(text: &str) -> Option<usize> {
    let start = text.rfind("://")? + "://".len();
    let url = &text[start..];
    // Then it has ended before the text has.
    if url.contains(|c: char| c.is_whitespace() || matches!(c, '@' | '"' | '\'' | '`')) {
        return None;
    }
    let authority = url.split(['/', '?', '#']).next().unwrap_or_default();
    let (user, password) = authority.split_once(':')?;
    let port = password.trim_end_matches(|c: char| !c.is_alphanumeric());
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    // An address of IPv6 has colons of its own.
    (!is_port && !user.starts_with('[')).then_some(start + user.len() + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn passwords_are_masked_wherever_they_stand() {
        for (text, shown) in [
            ("", ""),
            ("nothing: of that", "nothing: of that"),
            (
                "cannot clone 'https://user:secret@host/r.git': no; oci://user:secret@host/chart, tried twice",
                "cannot clone 'https://xxxxx:xxxxx@host/r.git': no; oci://xxxxx:xxxxx@host/chart, tried twice",
            ),
            (
                "https://host/p@th http://host:8080/p@th ssh://git@host/r",
                "https://host/p@th http://host:8080/p@th ssh://git@host/r",
            ),
            (
                "Gerät „https://jürgen:geheim€@höst/ä“ fehlt",
                "Gerät „https://xxxxx:xxxxx@höst/ä“ fehlt",
            ),
            ("https://xxxxx:xxxxx@host/", "https://xxxxx:xxxxx@host/"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn what_is_left_of_a_password_that_was_cut_is_masked() {
        for (text, shown) in [
            ("no: https://user:secr", "no: https://user:xxxxx"),
            ("no: \"https://user:ßecr...", "no: \"https://user:xxxxx"),
            ("no: https://user:se/cr", "no: https://user:xxxxx"),
            ("no: https://user:xxxxx", "no: https://user:xxxxx"),
            ("no: https://user", "no: https://user"),
            ("no: https://user:", "no: https://user:"),
            ("no: http", "no: http"),
            ("at (http://127.0.0.1:9292).", "at (http://127.0.0.1:9292)."),
            ("at http://[::1]:9292/a", "at http://[::1]:9292/a"),
            ("at http://host:9292/a:b", "at http://host:9292/a:b"),
            ("at oci://ghcr.io/org/app:v1", "at oci://ghcr.io/org/app:v1"),
            ("port 'http://host:abc': no", "port 'http://host:abc': no"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }

    #[test]
    fn a_document_has_none_in_any_text() {
        let url = "https://user:secret@host/";
        let mut document = json!({
            "kind": "Status", "ready": 1, "none": null,
            "failing": [{"message": format!("GET {url}: 401"), "since": "2026-01-01T00:00:00Z"}, url],
        });
        mask_secrets(&mut document);
        let shown = "https://xxxxx:xxxxx@host/";
        let expected = json!({
            "kind": "Status", "ready": 1, "none": null,
            "failing": [{"message": format!("GET {shown}: 401"), "since": "2026-01-01T00:00:00Z"}, shown],
        });
        assert_eq!(document, expected);
    }
}
