//! The errors of templates, in the form that Helm gives them.

use std::error::Error;
use std::fmt::{self, Write as _};

use gotmpl::{ExecError, ParseError};

/// Marks around the message of `fail` and `required`, by which it is found in the error of the whole render.
pub(crate) const MARK_START: &str = "HELM_ERR_START";
pub(crate) const MARK_END: &str = "HELM_ERR_END";

/// A template that cannot be parsed or executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct TemplateError {
    text: String,
    limit: bool,
}

impl TemplateError {
    /// Whether a limit ended the render, rather than a fault of the chart.
    pub fn is_limit(&self) -> bool {
        self.limit
    }

    /// Keeps the place and the innermost part of a parse error's message, as Helm does.
    pub(crate) fn parse(file: &str, error: &ParseError) -> Self {
        let text = error.to_string();
        let mut parts = text.split(": ");
        let text = match (parts.nth(1), text.rsplit(": ").next()) {
            (Some(place), Some(message)) => format!("parse error at ({place}): {message}"),
            _ => format!("parse error in ({file}): {text}"),
        };
        Self { text, limit: false }
    }

    /// A file of the chart that a template asked for cannot be read.
    pub(crate) fn file(file: &str, error: &str) -> Self {
        Self {
            text: format!("error reading {file}: {error}"),
            limit: false,
        }
    }

    /// Turns an execution error into the message of `fail`, or into one block per template on the way to it.
    pub(crate) fn execution(error: &ExecError) -> Self {
        let text = beginning(error, MAX_TEXT);
        let text = failure(&text).or_else(|| trace(error)).unwrap_or(text);
        Self {
            text,
            limit: error.is_limit(),
        }
    }
}

/// Longest text of an error that is put together: each `tpl` on the way shows the whole template that it was given.
const MAX_TEXT: usize = 16 << 20;
/// Longest text of one link in a chain of errors.
const MAX_LINK: usize = 64 << 10;

/// The text of an error, or as much of it as may be kept.
fn beginning(error: &dyn Error, limit: usize) -> String {
    struct Limited(String, usize);
    impl fmt::Write for Limited {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let left = self.1.saturating_sub(self.0.len());
            self.0
                .push_str(text.get(..text.floor_char_boundary(left)).unwrap_or_default());
            if text.len() > left {
                Err(fmt::Error)
            } else {
                Ok(())
            }
        }
    }
    let mut text = Limited(String::new(), limit);
    // It ends early where the limit is reached.
    let _ = write!(text, "{error}");
    text.0
}

/// The message of `fail` or `required`, at the place where the outermost template was.
fn failure(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(": ")?;
    let (place, message) = rest.split_once(": ")?;
    let from = message.find(MARK_START)? + MARK_START.len();
    let message = message.get(from..)?;
    let message = message.get(..message.rfind(MARK_END)?)?;
    Some(format!("execution error at ({place}): {message}"))
}

/// Prints the chain of errors block by block; nothing if a link is not a template's error.
fn trace(error: &ExecError) -> Option<String> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut current: Option<&dyn Error> = Some(error);
    while let Some(error) = current {
        // What follows is the text of the next link.
        let block = Block::parse(&beginning(error, MAX_LINK))?;
        if blocks.last() != Some(&block) {
            blocks.push(block);
        }
        current = error.source();
    }
    let text: String = blocks.iter().map(Block::text).collect();
    Some(text.trim().to_owned())
}

/// One error of the chain, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    place: String,
    executing: String,
    message: String,
}

impl Block {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("template: ")?;
        if rest.starts_with("no template ") {
            return Some(Self {
                place: String::new(),
                executing: String::new(),
                message: text.to_owned(),
            });
        }
        Self::parse_executing(rest).or_else(|| {
            let (place, message) = rest.rsplit_once(": ")?;
            Some(Self {
                place: place.to_owned(),
                executing: String::new(),
                message: own_message(message),
            })
        })
    }

    fn parse_executing(rest: &str) -> Option<Self> {
        let (place, after) = rest.split_once(": executing ")?;
        let (template, after) = after.strip_prefix('"')?.split_once('"')?;
        let (context, message) = after.strip_prefix(" at <")?.split_once(">: ")?;
        Some(Self {
            place: place.to_owned(),
            executing: format!("executing \"{template}\" at <{context}>:"),
            message: own_message(message),
        })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (part, end) in [
            (&self.place, "\n  "),
            (&self.executing, "\n    "),
            (&self.message, "\n"),
        ] {
            if !part.is_empty() {
                text.push_str(part);
                text.push_str(end);
            }
        }
        text
    }
}

/// Cuts the next link's text off a message.
fn own_message(message: &str) -> String {
    message
        .find(" template:")
        .and_then(|at| message.get(..at))
        .unwrap_or(message)
        .to_owned()
}
