//! Text broken into lines, as sops breaks what it tells about keys.

/// Breaks lines at blanks so that they have at most so many characters, where they can be broken.
pub(crate) fn wrap(text: &str, width: usize) -> String {
    let lines = text.split('\n').map(|line| wrap_line(line, width));
    lines.collect::<Vec<_>>().join("\n")
}

fn wrap_line(line: &str, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    let mut rest = line;
    while !rest.is_empty() {
        let word_at = rest
            .find(|c: char| !c.is_whitespace() || c == '\u{a0}')
            .unwrap_or(rest.len());
        let (blanks, after) = rest.split_at(word_at);
        let word_end = after
            .find(|c: char| c.is_whitespace() && c != '\u{a0}')
            .unwrap_or(after.len());
        let (word, after) = after.split_at(word_end);
        let (gap, length) = (blanks.chars().count(), word.chars().count());
        if column + gap + length <= width {
            out.push_str(blanks);
            column += gap + length;
        } else if length > 0 {
            // A word that is too long for any line is broken off before its first letter that does not fit.
            out.push('\n');
            column = length;
        }
        out.push_str(word);
        rest = after;
    }
    out
}

/// Puts something before each line.
pub(crate) fn indent(text: &str, prefix: &str) -> String {
    let lines = text.split('\n').map(|line| format!("{prefix}{line}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks() {
        assert_eq!(wrap("one two three", 7), "one two\nthree");
        assert_eq!(wrap("one  two\nthree four", 9), "one  two\nthree\nfour");
        assert_eq!(indent("a\nb", "  | "), "  | a\n  | b");
    }
}
