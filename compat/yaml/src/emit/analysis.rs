//! What a text allows: which of the scalar styles can carry it.

use crate::scanner::Flavor;

/// The styles that can carry a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Analysis {
    pub(super) multiline: bool,
    pub(super) flow_plain: bool,
    pub(super) block_plain: bool,
    pub(super) single_quoted: bool,
    pub(super) block: bool,
}

pub(super) fn analyze(flavor: Flavor, text: &str) -> Analysis {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return Analysis {
            multiline: false,
            flow_plain: false,
            block_plain: true,
            single_quoted: true,
            block: false,
        };
    };
    if is_word(bytes, first, last) {
        return Analysis {
            multiline: false,
            flow_plain: true,
            block_plain: true,
            single_quoted: true,
            block: true,
        };
    }
    let mut block_indicator = text.starts_with("---") || text.starts_with("...");
    let mut flow_indicator = block_indicator;
    let (mut multiline, mut special, mut tab, mut space_break, mut break_space) =
        (false, false, false, false, false);
    let (mut after_space, mut after_break, mut after_white) = (false, false, true);
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let blank_next = matches!(bytes.get(at + 1), None | Some(b' ' | b'\t'));
        match byte {
            b'#' if after_white => (flow_indicator, block_indicator) = (true, true),
            b',' | b'[' | b']' | b'{' | b'}' => {
                flow_indicator = true;
                block_indicator |= at == 0;
            }
            b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@' | b'`' if at == 0 => {
                (flow_indicator, block_indicator) = (true, true);
            }
            b'?' => {
                flow_indicator = true;
                block_indicator |= at == 0 && blank_next;
            }
            b':' => {
                flow_indicator = true;
                block_indicator |= blank_next;
            }
            b'-' if at == 0 && blank_next => (flow_indicator, block_indicator) = (true, true),
            _ => {}
        }
        let (mut space, mut line_break, mut white, mut width) = (false, false, false, 1);
        match byte {
            b' ' => (space, white) = (true, true),
            b'\t' => (tab, white) = (true, true),
            b'\n' => (line_break, white) = (true, true),
            b'!'..=b'~' => {}
            // The two breaks that are not printable, and what is neither.
            b'\r' => (line_break, white, special) = (true, true, true),
            0..0x80 => special = true,
            _ => {
                let c = text
                    .get(at..)
                    .and_then(|rest| rest.chars().next())
                    .unwrap_or('\0');
                width = c.len_utf8();
                special |= !is_printable(c);
                line_break = matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}');
                white = line_break;
            }
        }
        multiline |= line_break;
        break_space |= space && after_break;
        space_break |= line_break && after_space;
        (after_space, after_break, after_white) = (space, line_break, white);
        at += width;
    }
    let edge = |byte| matches!(byte, b' ');
    let trailing_space = edge(last);
    let leading_white = edge(first) || starts_with_break(text);
    let trailing_white = trailing_space || after_break;
    let tab_in_block = tab && flavor == Flavor::V2;
    let plain =
        !(leading_white || trailing_white || break_space || space_break || tab || special || multiline);
    Analysis {
        multiline,
        flow_plain: plain && !flow_indicator,
        block_plain: plain && !block_indicator,
        single_quoted: !(break_space || space_break || tab || special),
        block: !(trailing_space || space_break || special || tab_in_block),
    }
}

/// Whether the text starts with a letter or digit and has nothing in it that could mean anything: the common case.
fn is_word(bytes: &[u8], first: u8, last: u8) -> bool {
    first.is_ascii_alphanumeric()
        && last != b' '
        && bytes
            .iter()
            .all(|&byte| MEANINGLESS.get(usize::from(byte)).copied().unwrap_or(false))
}

/// The characters that mean nothing in the middle of a text.
const MEANINGLESS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        table[byte as usize] = !matches!(byte, b'#' | b',' | b'[' | b']' | b'{' | b'}' | b'?' | b':');
        byte += 1;
    }
    table
};

/// Whether there is a line break anywhere.
pub(super) fn has_break(text: &str) -> bool {
    let may_break = |&byte: &u8| matches!(byte, b'\n' | b'\r' | 0xc2 | 0xe2);
    text.as_bytes().iter().any(may_break) && text.contains(is_break)
}

pub(super) fn starts_with_break(text: &str) -> bool {
    text.starts_with(is_break)
}

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether a character is written as it is: not so controls, the byte order mark, and everything beyond U+FFFF.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}
