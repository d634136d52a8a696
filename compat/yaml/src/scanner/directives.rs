//! Directives and tags.

use super::{Mark, Scanner, TagParts, TokenKind};
use crate::Error;

impl Scanner<'_> {
    pub(super) fn fetch_directive(&mut self) -> Result<(), Error> {
        let start = self.mark();
        self.unroll_indent(-1, start);
        self.remove_key()?;
        self.simple_key_allowed = false;
        self.skip();
        let name = self.scan_word()?;
        if name.is_empty() {
            return Err(self.error(start, "could not find expected directive name"));
        }
        if !self.is_blankz(0) {
            return Err(self.error(start, "found unexpected non-alphabetical character"));
        }
        let kind = match name {
            "YAML" => self.scan_version(start)?,
            "TAG" => self.scan_tag_directive(start)?,
            _ => return Err(self.error(start, "found unknown directive name")),
        };
        let end = self.mark();
        self.skip_directive_blanks()?;
        if self.at(0) == b'#' {
            self.skip_comment()?;
        }
        if !self.is_breakz(0) {
            return Err(self.error(start, "did not find expected comment or line break"));
        }
        if self.is_break(0) {
            self.need(2)?;
            self.skip_line();
        }
        self.tokens.push_back(super::Token { kind, start, end });
        Ok(())
    }

    fn skip_directive_blanks(&mut self) -> Result<(), Error> {
        self.skip_blanks();
        self.need(1)
    }

    fn scan_version(&mut self, start: Mark) -> Result<TokenKind<'static>, Error> {
        self.skip_directive_blanks()?;
        let major = self.scan_version_number(start)?;
        if self.at(0) != b'.' {
            return Err(self.error(start, "did not find expected digit or '.' character"));
        }
        self.skip();
        let minor = self.scan_version_number(start)?;
        Ok(TokenKind::VersionDirective { major, minor })
    }

    fn scan_version_number(&mut self, start: Mark) -> Result<u8, Error> {
        let mut value = 0_u8;
        let mut digits = 0;
        self.need(1)?;
        while self.at(0).is_ascii_digit() {
            digits += 1;
            if digits > 2 {
                return Err(self.error(start, "found extremely long version number"));
            }
            value = value * 10 + (self.at(0) - b'0');
            self.skip();
            self.need(1)?;
        }
        if digits == 0 {
            return Err(self.error(start, "did not find expected version number"));
        }
        Ok(value)
    }

    fn scan_tag_directive(&mut self, start: Mark) -> Result<TokenKind<'static>, Error> {
        self.skip_directive_blanks()?;
        let handle = self.scan_tag_handle(true, start)?;
        self.need(1)?;
        if !self.is_blank(0) {
            return Err(self.error(start, "did not find expected whitespace"));
        }
        self.skip_directive_blanks()?;
        let suffix = self.scan_tag_uri("", start)?;
        self.need(1)?;
        if !self.is_blankz(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        Ok(TokenKind::TagDirective(Box::new(TagParts { handle, suffix })))
    }

    pub(super) fn fetch_tag(&mut self) -> Result<(), Error> {
        self.save_key()?;
        self.simple_key_allowed = false;
        let start = self.mark();
        self.need(2)?;
        let parts = if self.at(1) == b'<' {
            self.skip_to(self.pos + 2);
            let suffix = self.scan_tag_uri("", start)?;
            if self.at(0) != b'>' {
                return Err(self.error(start, "did not find the expected '>'"));
            }
            self.skip();
            TagParts {
                handle: String::new(),
                suffix,
            }
        } else {
            let handle = self.scan_tag_handle(false, start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.scan_tag_uri("", start)?;
                TagParts { handle, suffix }
            } else {
                // Not a handle after all, but the start of a `!suffix`.
                let suffix = self.scan_tag_uri(&handle, start)?;
                if suffix.is_empty() {
                    TagParts {
                        handle: suffix,
                        suffix: "!".to_owned(),
                    }
                } else {
                    TagParts {
                        handle: "!".to_owned(),
                        suffix,
                    }
                }
            }
        };
        self.need(1)?;
        if !self.is_blankz(0) {
            return Err(self.error(start, "did not find expected whitespace or line break"));
        }
        self.push(TokenKind::Tag(Box::new(parts)), start);
        Ok(())
    }

    fn scan_tag_handle(&mut self, directive: bool, start: Mark) -> Result<String, Error> {
        self.need(1)?;
        if self.at(0) != b'!' {
            return Err(self.error(start, "did not find expected '!'"));
        }
        self.skip();
        let mut handle = format!("!{}", self.scan_word()?);
        if self.at(0) == b'!' {
            handle.push('!');
            self.skip();
        } else if directive && handle != "!" {
            return Err(self.error(start, "did not find expected '!'"));
        }
        Ok(handle)
    }

    /// Takes the characters of a URI; `head` is the handle that turned out to be the start of it, with its `!`.
    fn scan_tag_uri(&mut self, head: &str, start: Mark) -> Result<String, Error> {
        let mut uri = head.get(1..).unwrap_or_default().as_bytes().to_vec();
        let mut found = !head.is_empty();
        self.need(1)?;
        loop {
            match self.at(0) {
                b'%' => self.scan_uri_escape(&mut uri, start)?,
                byte if byte.is_ascii_alphanumeric() || b"_-;/?:@&=+$,.!~*'()[]".contains(&byte) => {
                    uri.push(byte);
                    self.skip();
                }
                _ => break,
            }
            self.need(1)?;
            found = true;
        }
        if !found {
            return Err(self.error(start, "did not find expected tag URI"));
        }
        Ok(String::from_utf8_lossy(&uri).into_owned())
    }

    /// Takes the `%XX` of one whole character.
    fn scan_uri_escape(&mut self, uri: &mut Vec<u8>, start: Mark) -> Result<(), Error> {
        let mut left = 0;
        loop {
            self.need(3)?;
            let high = char::from(self.at(1)).to_digit(16);
            let low = char::from(self.at(2)).to_digit(16);
            let (b'%', Some(high), Some(low)) = (self.at(0), high, low) else {
                return Err(self.error(start, "did not find URI escaped octet"));
            };
            let octet = (high << 4 | low) as u8;
            if left == 0 {
                left = match octet {
                    0..0x80 => 1,
                    0xc0..0xe0 => 2,
                    0xe0..0xf0 => 3,
                    0xf0..0xf8 => 4,
                    _ => return Err(self.error(start, "found an incorrect leading UTF-8 octet")),
                };
            } else if octet & 0xc0 != 0x80 {
                return Err(self.error(start, "found an incorrect trailing UTF-8 octet"));
            }
            uri.push(octet);
            self.skip_to(self.pos + 3);
            left -= 1;
            if left == 0 {
                return Ok(());
            }
        }
    }
}
