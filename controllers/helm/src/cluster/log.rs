//! What an action says while it goes on; the last lines are part of the event when it fails.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{Display, Write as _};

use controller_kit::RestError;
use jiff::Timestamp;
use kube::core::Status;
use parking_lot::Mutex;
use serde_json::Value;

/// How many lines are kept, as in stock.
const LINES: usize = 10;

/// The log of an action, with its last lines kept.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: Mutex<VecDeque<Line>>,
}

#[derive(Debug)]
struct Line {
    at: Timestamp,
    text: String,
    /// How often it was said again, and when last.
    repeated: Option<(u64, Timestamp)>,
}

/// What a line says besides its message: a text, a number or a truth.
pub(crate) type Attribute<'a> = (&'static str, &'a dyn Display);

/// What went wrong, as Go writes it into a line.
#[derive(Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// An error that is wrapped, of which nothing can be seen.
    Hidden,
    /// What the API server has answered.
    Answer(&'a RestError),
    /// A list of what it has answered to several requests.
    Answers(&'a [Option<&'a RestError>]),
}

impl Cause<'_> {
    fn json(self) -> String {
        match self {
            Self::Answer(RestError::Api(status)) => format!("{{\"ErrStatus\":{}}}", go_status(status)),
            Self::Hidden | Self::Answer(_) => "{}".to_owned(),
            Self::Answers(errors) => {
                let one = |error: Option<&RestError>| error.map_or(Cause::Hidden, Cause::Answer).json();
                let all: Vec<String> = errors.iter().copied().map(one).collect();
                format!("[{}]", all.join(","))
            }
        }
    }
}

/// A status of the API server with its fields in the order in which Go has them.
fn go_status(status: &Status) -> String {
    let text = |key: &str, value: &str| {
        (!value.is_empty()).then(|| format!("\"{key}\":{}", Value::String(value.to_owned())))
    };
    let object = |fields: Vec<Option<String>>| {
        let fields: Vec<String> = fields.into_iter().flatten().collect();
        format!("{{{}}}", fields.join(","))
    };
    let details = status.details.as_ref().map(|details| {
        let causes: Vec<String> = details
            .causes
            .iter()
            .map(|cause| {
                object(vec![
                    text("reason", &cause.reason),
                    text("message", &cause.message),
                    text("field", &cause.field),
                ])
            })
            .collect();
        let retry = details.retry_after_seconds;
        let fields = object(vec![
            text("name", &details.name),
            text("group", &details.group),
            text("kind", &details.kind),
            text("uid", &details.uid),
            (!causes.is_empty()).then(|| format!("\"causes\":[{}]", causes.join(","))),
            (retry > 0).then(|| format!("\"retryAfterSeconds\":{retry}")),
        ]);
        format!("\"details\":{fields}")
    });
    let all = object(vec![
        Some("\"metadata\":{}".to_owned()),
        text("status", "Failure"),
        text("message", &status.message),
        text("reason", &status.reason),
        details,
        (status.code > 0).then(|| format!("\"code\":{}", status.code)),
    ]);
    // Go's JSON can stand in HTML.
    all.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

impl Log {
    pub(crate) fn debug(&self, message: &str, attributes: &[Attribute<'_>]) {
        self.say(message, attributes, None);
    }

    /// Says that something did not work, and why.
    pub(crate) fn debug_error(&self, message: &str, attributes: &[Attribute<'_>], cause: Cause<'_>) {
        self.say(message, attributes, Some(cause));
    }

    pub(crate) fn warn(&self, message: &str, attributes: &[Attribute<'_>]) {
        self.say(&format!("warning: {message}"), attributes, Some(Cause::Hidden));
    }

    pub(crate) fn error(&self, message: &str) {
        self.say(&format!("error: {message}"), &[], Some(Cause::Hidden));
    }

    fn say(&self, message: &str, attributes: &[Attribute<'_>], cause: Option<Cause<'_>>) {
        let json = |shown: String| match shown.parse::<Value>() {
            Ok(Value::Bool(_) | Value::Number(_)) => shown,
            _ => Value::String(shown).to_string(),
        };
        let attributes = attributes
            .iter()
            .map(|(key, shown)| (*key, json(shown.to_string())));
        let fields: BTreeMap<&str, String> = attributes
            .chain(cause.map(|cause| ("error", cause.json())))
            .collect();
        let fields: Vec<String> = fields
            .into_iter()
            .map(|(key, json)| format!("\"{key}\":{json}"))
            .collect();
        let text = format!("{message}: {{{}}}", fields.join(","));
        tracing::debug!("{text}");
        self.keep(text, Timestamp::now());
    }

    fn keep(&self, text: String, at: Timestamp) {
        let mut lines = self.lines.lock();
        if let Some(last) = lines.back_mut().filter(|last| last.text == text) {
            let count = last.repeated.map_or(0, |(count, _)| count);
            last.repeated = Some((count + 1, at));
            return;
        }
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(Line {
            at,
            text,
            repeated: None,
        });
    }

    /// Gives the last lines, in stock's form.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for line in self.lines.lock().iter() {
            let shown = &line.text;
            // Writing to a string does not fail.
            let _ = write!(text, "{}: {shown}", line.at);
            if let Some((count, at)) = line.repeated {
                let _ = write!(text, "\n{at}: {shown}");
                match count - 1 {
                    0 => {}
                    1 => text.push_str(" (1 duplicate line omitted)"),
                    more => {
                        let _ = write!(text, " ({more} duplicate lines omitted)");
                    }
                }
            }
            text.push('\n');
        }
        text.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_is_said_again_is_counted() {
        let log = Log::default();
        log.keep("a: {}".to_owned(), at(0));
        for second in 1..5 {
            log.keep("b: {}".to_owned(), at(second));
        }
        assert_eq!(
            log.text(),
            "1970-01-01T00:00:00Z: a: {}\n1970-01-01T00:00:01Z: b: {}\n1970-01-01T00:00:04Z: b: {} (2 duplicate lines omitted)"
        );
    }

    #[test]
    fn few_repetitions_are_told_as_they_are() {
        for (times, expected) in [
            (0, ""),
            (1, "1970-01-01T00:00:00Z: a"),
            (2, "1970-01-01T00:00:00Z: a\n1970-01-01T00:00:01Z: a"),
            (
                3,
                "1970-01-01T00:00:00Z: a\n1970-01-01T00:00:02Z: a (1 duplicate line omitted)",
            ),
            (
                4,
                "1970-01-01T00:00:00Z: a\n1970-01-01T00:00:03Z: a (2 duplicate lines omitted)",
            ),
        ] {
            let log = Log::default();
            for second in 0..times {
                log.keep("a".to_owned(), at(second));
            }
            assert_eq!(log.text(), expected, "{times}");
        }
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let log = Log::default();
        for line in 0..20 {
            log.keep(format!("line {line}"), at(0));
        }
        let text = log.text();
        assert!(
            text.starts_with("1970-01-01T00:00:00Z: line 10\n") && text.ends_with("line 19"),
            "{text}"
        );
    }

    #[test]
    fn attributes_are_json() {
        let log = Log::default();
        log.debug("said", &[("name", &"a \"b\""), ("count", &3), ("forced", &true)]);
        log.warn("failed", &[("name", &"a")]);
        let text = log.text();
        assert!(
            text.contains(r#": said: {"count":3,"forced":true,"name":"a \"b\""}"#),
            "{text}"
        );
        assert!(
            text.contains(r#": warning: failed: {"error":{},"name":"a"}"#),
            "{text}"
        );
    }

    #[test]
    fn errors_read_as_go_writes_them() {
        let status: Status = serde_json::from_str(
            r#"{"code":404,"details":{"kind":"configmaps","name":"a"},"kind":"Status","message":"configmaps \"a\" not found: <b>",
                "reason":"NotFound","status":"Failure"}"#,
        )
        .unwrap();
        let error = RestError::Api(Box::new(status));
        let log = Log::default();
        log.debug_error("not done", &[("name", &"a")], Cause::Answer(&error));
        log.debug_error("none done", &[], Cause::Answers(&[None]));
        let text = log.text();
        let answer = r#"{"ErrStatus":{"metadata":{},"status":"Failure","message":"configmaps \"a\" not found: \u003cb\u003e","reason":"NotFound","details":{"name":"a","kind":"configmaps"},"code":404}}"#;
        assert!(
            text.contains(&format!(r#"not done: {{"error":{answer},"name":"a"}}"#)),
            "{text}"
        );
        assert!(text.ends_with(r#"none done: {"error":[{}]}"#), "{text}");
    }
}
