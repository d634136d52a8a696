//! What a registry says when it says no, in the words of Helm's client.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

/// Most bytes of an answer that are looked at for reasons.
const MAX_BODY: usize = 8 << 10;

/// One reason of a registry.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Reason {
    code: String,
    message: String,
    detail: Json,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reasons {
    errors: Vec<Reason>,
}

/// The status of an answer with its reasons; with the words of the status where it gives none.
pub(crate) fn refusal(status: u16, words: &str, body: &[u8]) -> String {
    let body = body.get(..MAX_BODY).unwrap_or(body);
    let reasons = first_value::<Reasons>(body).unwrap_or_default().errors;
    let reasons: Vec<_> = reasons.iter().map(Reason::text).collect();
    let reasons = if reasons.is_empty() {
        words.to_owned()
    } else {
        reasons.join("; ")
    };
    format!("response status code {status}: {reasons}")
}

/// The first JSON value of an answer: Helm's client does not look at what follows it.
pub(crate) fn first_value<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    T::deserialize(&mut serde_json::Deserializer::from_slice(body))
}

impl Reason {
    fn text(&self) -> String {
        let code = self.code.replace('_', " ").to_lowercase();
        match (self.message.as_str(), &self.detail) {
            ("", _) => code,
            (message, Json::Null) => format!("{code}: {message}"),
            (message, detail) => format!("{code}: {message}: {}", shown(detail)),
        }
    }
}

/// A value as Go's `%v` shows it.
fn shown(value: &Json) -> String {
    match value {
        Json::Null => "<nil>".to_owned(),
        Json::Bool(flag) => flag.to_string(),
        Json::Number(number) => number
            .as_f64()
            .map_or_else(|| number.to_string(), go_std::float::format_g),
        Json::String(text) => text.clone(),
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(" "))
        }
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            let fields: Vec<_> = fields
                .iter()
                .map(|(key, value)| format!("{key}:{}", shown(value)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_told() {
        for (body, text) in [
            (
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":[{"Type":"repository","Class":"","Name":"charts/web","Action":"pull"}]}]}"#,
                "unauthorized: authentication required: [map[Action:pull Class: Name:charts/web Type:repository]]",
            ),
            (
                r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no","detail":{"b":1.5,"a":null}},{"code":"DENIED"}]} more"#,
                "name unknown: no: map[a:<nil> b:1.5]; denied",
            ),
            (r#"{"errors":[{"code":"DENIED","message":"no"}]}"#, "denied: no"),
            ("<html>", "Unauthorized"),
            ("", "Unauthorized"),
            (r#"{"errors":[]}"#, "Unauthorized"),
        ] {
            let expected = format!("response status code 401: {text}");
            assert_eq!(refusal(401, "Unauthorized", body.as_bytes()), expected);
        }
    }
}
