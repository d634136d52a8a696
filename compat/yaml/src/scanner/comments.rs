//! Comments, and which token each belongs to (`yaml.v3` only).
//!
//! A comment is found before the token it may belong to is known, so each is queued with the position of that token; the
//! parser collects it when it gets there. Columns of full-line comments count from 1, those of line comments from 0.

use super::{Mark, Scanner, Token, TokenKind};
use crate::Error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommentKind {
    Head,
    Line,
    Foot,
}

#[derive(Debug, Clone)]
pub(crate) struct Comment {
    pub(crate) kind: CommentKind,
    pub(crate) text: String,
    /// The comment goes to the first token at or behind this position.
    pub(crate) token_mark: Mark,
    /// Where the white space before it starts.
    scan: Mark,
    start: Mark,
    end: Mark,
}

/// How far white space is searched for the next comment.
const WINDOW: usize = 512;

impl Scanner<'_> {
    /// Queues a comment on the rest of this line, if only blanks are before it.
    pub(super) fn scan_line_comment(&mut self, token_mark: Mark) -> Result<(), Error> {
        if self.newlines > 0 {
            return Ok(());
        }
        let blanks = (0..WINDOW).take_while(|&offset| self.is_blank(offset)).count();
        if blanks == WINDOW || self.at(blanks) != b'#' {
            return Ok(());
        }
        self.pos += blanks;
        let start = self.mark();
        let text = self.take_comment_text()?;
        let zero = Mark::default();
        self.comments.push_back(super::Comment {
            kind: CommentKind::Line,
            text,
            token_mark,
            scan: zero,
            start,
            end: zero,
        });
        Ok(())
    }

    fn take_comment_text(&mut self) -> Result<String, Error> {
        let end = self.line_end();
        let text = self.text.get(self.pos..end).unwrap_or_default().to_owned();
        self.skip_to(end);
        self.need(1)?;
        Ok(text)
    }

    /// Queues the comment lines that start here, cut into feet of what is above and the head of what is below.
    pub(super) fn scan_comments(&mut self, scan_mark: Mark) -> Result<(), Error> {
        let mut last = self.tokens.iter().rev();
        let mut token = last.next();
        if matches!(
            token,
            Some(Token {
                kind: TokenKind::FlowEntry,
                ..
            })
        ) {
            token = last.next().or(token);
        }
        let below_value = matches!(
            token,
            Some(Token {
                kind: TokenKind::Value,
                ..
            })
        );
        let mut piece = Piece {
            text: String::new(),
            start: Mark::default(),
            scan: scan_mark,
            token: token.map_or_else(Mark::default, |token| token.start),
        };
        let Mark {
            mut line, mut column, ..
        } = self.mark();
        // A comment that starts on this line still belongs to what is above it.
        let foot_line = (scan_mark.line > 0).then(|| {
            let below = i64::from(line) - i64::from(self.newlines) + 1;
            if self.newlines == 0 && column > 1 {
                below + 1
            } else {
                below
            }
        });
        let mut next_indent = self.indent.max(0) as u32;
        let mut blank_line_before = self.newlines > 1;
        let mut after_blank_line = false;
        let mut peek = 0;
        while peek < WINDOW && self.need(peek + 1).is_ok() {
            column += 1;
            if self.is_blank(peek) {
                peek += 1;
                continue;
            }
            let here = Mark {
                index: self.mark().index + peek,
                line,
                column,
            };
            let closes_flow = self.flow_level > 0 && matches!(self.at(peek), b']' | b'}');
            let dedented = piece.start.column <= next_indent;
            if closes_flow || self.is_breakz(peek) {
                if closes_flow || !after_blank_line {
                    let on_foot_line = foot_line == Some(i64::from(piece.start.line)) && !below_value;
                    if closes_flow || (!blank_line_before && (on_foot_line || dedented)) {
                        if dedented {
                            piece.token = piece.start;
                        }
                        self.push_foot(&mut piece, here);
                    } else if !piece.text.is_empty() && self.at(peek) != 0 {
                        piece.text.push('\n');
                    }
                }
                if !self.is_break(peek) {
                    break;
                }
                blank_line_before = true;
                after_blank_line = true;
                column = 0;
                line += 1;
                peek += 1;
                continue;
            }
            if column <= next_indent && column != piece.start.column {
                self.push_foot(&mut piece, here);
            }
            if self.at(peek) != b'#' {
                break;
            }
            if piece.text.is_empty() {
                piece.start = here;
            } else {
                piece.text.push('\n');
            }
            after_blank_line = false;
            self.skip_white_space(peek);
            piece.text.push_str(&self.take_comment_text()?);
            // Go on behind the line break, which stays for the caller, and still count it as this line.
            peek = 1;
            column = 0;
            line = self.line;
            next_indent = self.indent.max(0) as u32;
        }
        if !piece.text.is_empty() {
            let index = (self.mark().index + peek).saturating_sub(1);
            let Piece {
                text, start, scan, ..
            } = piece;
            let end = Mark { index, line, column };
            self.comments.push_back(Comment {
                kind: CommentKind::Head,
                text,
                token_mark: start,
                scan,
                start,
                end,
            });
        }
        Ok(())
    }

    /// Queues what was collected so far as the foot of what is above and starts anew behind it.
    fn push_foot(&mut self, piece: &mut Piece, end: Mark) {
        if piece.text.is_empty() {
            return;
        }
        self.comments.push_back(Comment {
            kind: CommentKind::Foot,
            text: std::mem::take(&mut piece.text),
            token_mark: piece.token,
            scan: piece.scan,
            start: piece.start,
            end,
        });
        piece.scan = end;
        piece.token = end;
    }

    /// Moves over `count` bytes of blanks and line breaks.
    fn skip_white_space(&mut self, count: usize) {
        let end = self.pos + count;
        while self.pos < end {
            if self.is_blank(0) {
                self.pos += 1;
            } else if self.skip_line().is_empty() {
                return;
            }
        }
    }

    /// A comment behind the first `-` of a list is no line comment but the head of what follows.
    pub(super) fn turn_entry_comment_into_head(&mut self) {
        if self.is_break(0) {
            return;
        }
        let mut last = self.tokens.iter().rev().map(|token| &token.kind);
        if !matches!(
            (last.next(), last.next()),
            (Some(TokenKind::BlockEntry), Some(TokenKind::BlockSequenceStart))
        ) {
            return;
        }
        let here = self.mark();
        if let Some(comment) = self
            .comments
            .back_mut()
            .filter(|comment| comment.kind == CommentKind::Line)
        {
            comment.kind = CommentKind::Head;
            if comment.start.line + 1 == here.line {
                comment.token_mark = here;
            }
        }
    }

    /// Where the block that ends now is closed: before the comments that are indented like it.
    pub(super) fn block_end_before_comments(&self, mut mark: Mark) -> Mark {
        let mut stop = mark.index;
        for comment in self.comments.iter().rev() {
            if comment.end.index < stop {
                break;
            }
            if i64::from(comment.start.column) == i64::from(self.indent) + 1 {
                mark = comment.start;
            }
            stop = comment.scan.index;
        }
        mark
    }
}

/// Comment lines that belong together.
struct Piece {
    text: String,
    start: Mark,
    scan: Mark,
    token: Mark,
}
