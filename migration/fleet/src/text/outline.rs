//! Things below things, as a tree.

use serde::Serialize;

use super::{Sign, Style, Tone, clean};

/// How the thing on a line is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// It is well.
    Good,
    /// It is on its way.
    Busy,
    /// It needs attention, and is no failure.
    Warning,
    /// It is not well.
    Bad,
    /// Nobody knows, or there is nothing to know.
    Unknown,
}

impl Mark {
    const fn sign(self) -> Sign {
        match self {
            Self::Good => Sign::Good,
            Self::Busy => Sign::Busy,
            Self::Warning => Sign::Warning,
            Self::Bad => Sign::Bad,
            Self::Unknown => Sign::Neutral,
        }
    }
}

/// A thing, and what is below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its kind.
    pub kind: String,
    /// Its namespace and name, or whatever names it.
    pub name: String,
    /// How it is doing.
    pub state: Mark,
    /// What else is said about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What is below it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

impl Node {
    /// Starts a thing with nothing below it.
    pub fn new(kind: impl Into<String>, name: impl Into<String>, state: Mark) -> Self {
        Self {
            kind: kind.into(),
            name: name.into(),
            state,
            notes: Vec::new(),
            children: Vec::new(),
        }
    }

    /// Adds what is said about it; nothing if it is empty.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        let note = note.into();
        if !note.is_empty() {
            self.notes.push(note);
        }
        self
    }

    /// Adds what is below it.
    #[must_use]
    pub fn with(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// Returns the deepest thing below it that is not well: the likeliest cause.
    pub fn cause(&self) -> Option<&Self> {
        let below = self.children.iter().rev().find_map(Self::cause);
        below.or_else(|| (self.state == Mark::Bad).then_some(self))
    }

    /// Returns the lines for people.
    pub fn lines(&self, style: Style) -> Vec<String> {
        let mut lines = Vec::new();
        self.write("", "", style, &mut lines);
        lines
    }

    fn write(&self, first: &str, rest: &str, style: Style, lines: &mut Vec<String>) {
        let name = if self.name.is_empty() {
            clean(&self.kind).into_owned()
        } else {
            format!("{} {}", clean(&self.kind), clean(&self.name))
        };
        let mut notes = String::new();
        for note in &self.notes {
            notes.extend(["  ", &*clean(note)]);
        }
        let tone = if self.state == Mark::Bad {
            Tone::Bad
        } else {
            Tone::Plain
        };
        lines.push(format!(
            "{first}{} {}{notes}",
            style.sign(self.state.sign()),
            style.paint(tone, &name)
        ));
        for (at, child) in self.children.iter().enumerate() {
            let (own, below) = style.branches(at + 1 == self.children.len());
            child.write(&format!("{rest}{own}"), &format!("{rest}{below}"), style, lines);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_stand_below_their_parents() {
        let tree = Node::new("Kustomization", "apps/app", Mark::Good)
            .note("main@sha1:00")
            .note("")
            .with([
                Node::new("Deployment", "apps/web", Mark::Busy).with([Node::new(
                    "Pod",
                    "apps/web-0",
                    Mark::Bad,
                )]),
                Node::new("3 ConfigMaps", "", Mark::Unknown),
            ]);
        assert_eq!(
            tree.lines(Style::default()),
            [
                "✔ Kustomization apps/app  main@sha1:00",
                "├ ► Deployment apps/web",
                "│ └ ✗ Pod apps/web-0",
                "└ · 3 ConfigMaps",
            ]
        );
        let ascii = Style {
            ascii: true,
            colour: false,
        };
        assert_eq!(tree.lines(ascii)[2], "|  `- FAIL Pod apps/web-0");
        assert_eq!(tree.cause().map(|cause| cause.name.as_str()), Some("apps/web-0"));
    }
}
