//! What an action says while it goes on; the last lines are part of the event when it fails.

use std::collections::VecDeque;
use std::fmt::{Display, Write as _};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::resource::Resource;

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

impl Log {
    pub(crate) fn debug(&self, message: &str, attributes: &[Attribute<'_>]) {
        self.say(message, attributes, &[]);
    }

    pub(crate) fn warn(&self, message: &str, attributes: &[Attribute<'_>]) {
        // Go writes an error among the attributes as an object without fields.
        self.say(&format!("warning: {message}"), attributes, &["error"]);
    }

    pub(crate) fn error(&self, message: &str) {
        self.say(&format!("error: {message}"), &[], &["error"]);
    }

    /// Says that something went wrong with an object.
    pub(crate) fn error_at(&self, message: &str, resource: &Resource) {
        let attributes = super::attributes(resource);
        self.say(message, &attributes, &["error"]);
    }

    fn say(&self, message: &str, attributes: &[Attribute<'_>], empty: &[&str]) {
        let value = |shown: String| match shown.parse::<Value>() {
            Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
            _ => Value::String(shown),
        };
        let mut fields: Map<String, Value> = attributes
            .iter()
            .map(|(key, shown)| ((*key).to_owned(), value(shown.to_string())))
            .collect();
        fields.extend(empty.iter().map(|key| ((*key).to_owned(), Map::new().into())));
        let text = format!("{message}: {}", Value::Object(fields));
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
}
