//! Error texts of the API server without the values that they repeat.

/// How a value of the wrong type is announced; it goes on to the end of the line.
const TYPED: &str = "&value.valueUnstructured{";

/// How a value that is not valid is announced; quoted, or up to the next colon.
const ANNOUNCED: [&str; 3] = ["Invalid value: ", "Unsupported value: ", "Duplicate value: "];

/// What stands in the place of a value.
const HIDDEN: &str = "xxxxx";

/// Leaves the values out of a text.
pub(crate) fn values(text: &str) -> String {
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn line(line: &str) -> String {
    if let Some((before, _)) = line.split_once(TYPED) {
        return format!("{}another value", self::line(before));
    }
    let (mut shown, mut rest) = (String::new(), line);
    while let Some(at) = ANNOUNCED
        .iter()
        .filter_map(|word| Some(rest.find(word)? + word.len()))
        .min()
    {
        shown.push_str(&rest[..at]);
        shown.push_str(HIDDEN);
        rest = &rest[at..];
        rest = &rest[value_end(rest)..];
    }
    shown + rest
}

/// The length of the value at the start of a text.
fn value_end(text: &str) -> usize {
    if !text.starts_with('"') {
        return text.find(": ").unwrap_or(text.len());
    }
    let mut escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out_and_the_rest_stays() {
        for (text, shown) in [
            (
                "failed to create typed patch object (a/s; /v1, Kind=Secret): errors:\n  .data.a: expected string, got \
                 &value.valueUnstructured{Value:123}\n  .data.b: expected string, got &value.valueUnstructured{Value:true}",
                "failed to create typed patch object (a/s; /v1, Kind=Secret): errors:\n  .data.a: expected string, got \
                 another value\n  .data.b: expected string, got another value",
            ),
            (
                r#"Service "web" is invalid: spec.type: Unsupported value: "a\"b: c": supported values: "ClusterIP""#,
                r#"Service "web" is invalid: spec.type: Unsupported value: xxxxx: supported values: "ClusterIP""#,
            ),
            (
                "spec.ports[0].port: Invalid value: 123456: must be between 1 and 65535, inclusive",
                "spec.ports[0].port: Invalid value: xxxxx: must be between 1 and 65535, inclusive",
            ),
            ("a: Invalid value: \"x", "a: Invalid value: xxxxx"),
            ("ConfigMap \"a\" not found", "ConfigMap \"a\" not found"),
        ] {
            assert_eq!(values(text), shown);
        }
    }
}
