//! Tables without boxes: columns that are as wide as what is in them.

use super::{Style, Tone, clean};

/// On which side of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Align {
    /// At the beginning.
    #[default]
    Left,
    /// At the end, as numbers do.
    Right,
}

/// A table; the last column may be of any length.
#[derive(Clone, Debug, Default)]
pub struct Table {
    heads: Vec<(String, Align)>,
    rows: Vec<Vec<(String, Tone)>>,
    indent: usize,
}

impl Table {
    /// Starts a table with these heads.
    pub fn new(heads: &[&str]) -> Self {
        Self {
            heads: heads
                .iter()
                .map(|head| ((*head).to_owned(), Align::Left))
                .collect(),
            ..Self::default()
        }
    }

    /// Moves the table to the right.
    #[must_use]
    pub fn indented(mut self, columns: usize) -> Self {
        self.indent = columns;
        self
    }

    /// Puts a column's texts at its end.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        if let Some((_, align)) = self.heads.get_mut(column) {
            *align = Align::Right;
        }
        self
    }

    /// Adds a row; its texts may come from a cluster.
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = (&'a str, Tone)>) {
        let cells = cells.into_iter();
        self.rows.push(
            cells
                .map(|(text, tone)| (clean(text).into_owned(), tone))
                .collect(),
        );
    }

    /// Returns whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the lines, for a terminal or a file.
    pub fn lines(&self, style: Style) -> Vec<String> {
        let width = |column: usize| {
            let texts = self.rows.iter().filter_map(|row| row.get(column));
            let texts = texts.map(|(text, _)| text.as_str());
            let head = self.heads.get(column).map(|(head, _)| head.as_str());
            texts
                .chain(head)
                .map(|text| text.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<_> = (0..self.heads.len()).map(width).collect();
        let line = |cells: &[(&str, Tone)]| {
            let mut line = " ".repeat(self.indent);
            for (column, (text, tone)) in cells.iter().enumerate() {
                let room = widths.get(column).copied().unwrap_or_default();
                let gap = " ".repeat(room.saturating_sub(text.chars().count()));
                let is_last = column + 1 == cells.len();
                let align = self.heads.get(column).map(|(_, align)| *align);
                let shown = style.paint(*tone, text);
                match (align.unwrap_or_default(), is_last) {
                    (Align::Right, _) => line.extend([gap.as_str(), &shown]),
                    (Align::Left, true) => line.push_str(&shown),
                    (Align::Left, false) => line.extend([shown.as_str(), &gap]),
                }
                if !is_last {
                    line.push_str("  ");
                }
            }
            line.trim_end().to_owned()
        };
        let heads: Vec<_> = self
            .heads
            .iter()
            .map(|(head, _)| (head.as_str(), Tone::Plain))
            .collect();
        let has_heads = self.heads.iter().any(|(head, _)| !head.is_empty());
        let rows = self.rows.iter().map(|row| {
            let cells: Vec<_> = row.iter().map(|(text, tone)| (text.as_str(), *tone)).collect();
            line(&cells)
        });
        has_heads.then(|| line(&heads)).into_iter().chain(rows).collect()
    }

    /// Returns the lines of a table in Markdown.
    pub fn markdown(&self) -> Vec<String> {
        let row = |cells: Vec<&str>| {
            let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |", cells.join(" | "))
        };
        let heads = row(self.heads.iter().map(|(head, _)| head.as_str()).collect());
        let rule: Vec<_> = self
            .heads
            .iter()
            .map(|(_, align)| match align {
                Align::Left => "---",
                Align::Right => "--:",
            })
            .collect();
        let rows = self
            .rows
            .iter()
            .map(|cells| row(cells.iter().map(|(text, _)| text.as_str()).collect()));
        [heads, row(rule)].into_iter().chain(rows).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["NAME", "SIZE", "WHY"]).right(1).indented(2);
        table.row([("podinfo", Tone::Good), ("7", Tone::Plain), ("a|b", Tone::Plain)]);
        table.row([("x", Tone::Plain), ("1200", Tone::Plain), ("", Tone::Plain)]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let lines = table().lines(Style::default());
        assert_eq!(
            lines,
            ["  NAME     SIZE  WHY", "  podinfo     7  a|b", "  x        1200"]
        );
        let colour = Style {
            colour: true,
            ascii: false,
        };
        assert_eq!(
            table().lines(colour)[1],
            "  \u{1b}[32mpodinfo\u{1b}[0m     7  a|b"
        );
    }

    #[test]
    fn markdown_has_its_own_bars_escaped() {
        let lines = table().markdown();
        assert_eq!(
            lines[..3],
            [
                "| NAME | SIZE | WHY |",
                "| --- | --: | --- |",
                "| podinfo | 7 | a\\|b |"
            ]
        );
    }
}
