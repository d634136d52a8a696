//! The header of an age file: its recipients, each with the file key encrypted for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{AgeError, derive, hmac};

const INTRO: &[u8] = b"age-encryption.org/v1\n";
const COLUMNS: usize = 64;
/// More stanzas than any file has.
const MAX_STANZAS: usize = 256;

pub(super) struct Header<'f> {
    stanzas: Vec<Stanza<'f>>,
    /// The header as it is authenticated: up to the dashes of its last line.
    authenticated: &'f [u8],
    mac: Vec<u8>,
}

/// One recipient.
pub(super) struct Stanza<'f> {
    pub(super) kind: &'f str,
    pub(super) arguments: Vec<&'f str>,
    pub(super) body: Vec<u8>,
}

impl<'f> Header<'f> {
    /// Reads the header and gives what is behind it.
    pub(super) fn read(file: &'f [u8]) -> Result<(Self, &'f [u8]), AgeError> {
        let parsing = |why: &str| AgeError::Header(format!("parsing age header: {why}"));
        if file.is_empty() {
            return Err(parsing("file is empty"));
        }
        let mut rest = file
            .strip_prefix(INTRO)
            .ok_or_else(|| parsing("unexpected intro"))?;
        let mut stanzas = Vec::new();
        loop {
            let before = rest;
            let (line, after) = next_line(rest).ok_or_else(|| parsing("failed to read header: EOF"))?;
            rest = after;
            if let Some(footer) = line.strip_prefix("---") {
                let mac = footer
                    .strip_prefix(' ')
                    .and_then(|mac| STANDARD_NO_PAD.decode(mac).ok());
                let mac = mac.filter(|mac| mac.len() == 32);
                let mac = mac.ok_or_else(|| parsing("malformed closing line"))?;
                let length = file.len() - before.len() + "---".len();
                let header = Self {
                    stanzas,
                    authenticated: file.get(..length).unwrap_or_default(),
                    mac,
                };
                return Ok((header, rest));
            }
            if stanzas.len() == MAX_STANZAS {
                return Err(parsing("too many recipients"));
            }
            let stanza = read_stanza(line, &mut rest);
            stanzas.push(stanza.map_err(|why| AgeError::Header(format!("failed to parse header: {why}")))?);
        }
    }

    pub(super) fn stanzas(&self) -> &[Stanza<'f>] {
        &self.stanzas
    }

    /// Says whether the header is the one that was written with this key.
    pub(super) fn is_authentic(&self, file_key: &[u8]) -> bool {
        let key = derive(file_key, &[], b"header");
        let mac = hmac(key.as_slice(), &[self.authenticated]);
        // All bytes are looked at, whatever the first ones are.
        let differences = mac.iter().zip(&self.mac).fold(0, |sum, (a, b)| sum | (a ^ b));
        differences == 0 && self.mac.len() == mac.len()
    }
}

fn next_line(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = text.split_at(end);
    Some((std::str::from_utf8(line).ok()?, rest.get(1..)?))
}

fn read_stanza<'f>(line: &'f str, rest: &mut &'f [u8]) -> Result<Stanza<'f>, &'static str> {
    let words = line.strip_prefix("-> ").ok_or("malformed stanza opening line")?;
    let mut words: Vec<_> = words.split(' ').collect();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    if !words.iter().all(is_word) {
        return Err("malformed stanza");
    }
    let kind = words.remove(0);
    let mut body = Vec::new();
    loop {
        let (line, after) = next_line(rest).ok_or("failed to read line: EOF")?;
        *rest = after;
        if line.len() > COLUMNS {
            return Err("malformed body line: too long");
        }
        body.extend(STANDARD_NO_PAD.decode(line).map_err(|_| "malformed body line")?);
        // A short line ends a body.
        if line.len() < COLUMNS {
            return Ok(Stanza {
                kind,
                arguments: words,
                body,
            });
        }
    }
}
