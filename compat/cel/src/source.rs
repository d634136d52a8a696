//! Where in the text things are, and how mistakes are shown.

use std::collections::HashMap;
use std::fmt::Write as _;

/// The longest line that is shown with a mistake.
const LONGEST_SNIPPET: usize = 16_384;
/// Above the identifiers that the parser gives.
const MADE: u64 = 1 << 32;
/// The most mistakes that are shown.
const MOST_ISSUES: usize = 100;

/// A line, from 1, and a column, from 0; -1 for a mistake of the whole.
pub(crate) type Location = (i64, i64);

/// Nowhere in particular.
pub(crate) const NOWHERE: Location = (-1, -1);

/// The text of an expression, and where its parts are.
#[derive(Debug)]
pub(crate) struct Source {
    text: String,
    /// The byte at which a part starts, by the id of the part.
    starts: HashMap<u64, usize>,
    next_id: u64,
}

impl Source {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            starts: HashMap::new(),
            next_id: MADE,
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How many parts there are.
    pub(crate) fn parts(&self) -> usize {
        self.starts.len()
    }

    pub(crate) fn set_start(&mut self, id: u64, start: usize) {
        self.starts.insert(id, start);
    }

    /// A new part that is where another one is.
    pub(crate) fn id_beside(&mut self, id: u64) -> u64 {
        let new = self.next_id;
        self.next_id += 1;
        if let Some(start) = self.starts.get(&id) {
            self.starts.insert(new, *start);
        }
        new
    }

    pub(crate) fn location(&self, id: u64) -> Location {
        let Some(start) = self.starts.get(&id) else {
            return NOWHERE;
        };
        let (mut line, mut column) = (1, 0);
        for c in self.text.get(..*start).unwrap_or_default().chars() {
            if c == '\n' {
                line += 1;
                column = 0;
            } else {
                column += 1;
            }
        }
        (line, column)
    }
}

/// What is wrong with an expression.
#[derive(Debug, Default)]
pub(crate) struct Issues {
    list: Vec<(Location, String)>,
}

impl Issues {
    pub(crate) fn add(&mut self, location: Location, message: String) {
        self.list.push((location, message));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All issues in the order of their places, each with its line and a mark below it.
    pub(crate) fn show(mut self, source: &Source) -> String {
        let total = self.list.len();
        self.list.truncate(MOST_ISSUES);
        self.list.sort_by_key(|(location, _)| *location);
        let mut shown: Vec<String> = self
            .list
            .iter()
            .map(|(location, message)| show(*location, message, source.text()))
            .collect();
        if total > MOST_ISSUES {
            shown.push(format!("{} more errors were truncated", total - MOST_ISSUES));
        }
        shown.join("\n")
    }
}

fn show((line, column): Location, message: &str, text: &str) -> String {
    let mut out = format!("ERROR: <input>:{line}:{}: {message}", column + 1);
    let snippet = usize::try_from(line - 1)
        .ok()
        .and_then(|line| text.split('\n').nth(line))
        .filter(|snippet| !text.is_empty() && snippet.len() <= LONGEST_SNIPPET);
    if let Some(snippet) = snippet {
        let snippet = snippet.replace('\t', " ");
        let _ = write!(out, "\n | {snippet}\n | ");
        let column = usize::try_from(column).unwrap_or_default();
        for c in snippet.chars().take(column) {
            out.push(if c.is_ascii() { '.' } else { '\u{ff0e}' });
        }
        let marked = snippet.chars().nth(column).is_some_and(|c| !c.is_ascii());
        out.push(if marked { '\u{ff3e}' } else { '^' });
    }
    out
}
