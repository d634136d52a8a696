//! A tar archive as Go's `archive/tar` writes it for source-controller.

use std::io::{self, Write};

const BLOCK: usize = 512;
/// Length of the field `name`.
const NAME: usize = 100;
/// Length of the field `prefix`.
const PREFIX: usize = 155;
/// The largest size that fits into its field.
const LARGEST: u64 = (8 << 30) - 1;

const DIRECTORY_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o600;
const EXECUTABLE_MODE: u32 = 0o700;

/// Writes an archive entry by entry, in the order in which they come.
///
/// Times, owners and modes are source-controller's: none, none, and one of three; [`TarWriter::file_of`] is for others.
#[derive(Debug)]
pub struct TarWriter<W> {
    out: W,
}

impl<W: Write> TarWriter<W> {
    /// Begins an archive.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes an entry for a directory, whose name has no trailing slash.
    ///
    /// # Errors
    /// A name that no header holds, or what `out` says.
    pub fn directory(&mut self, name: &str) -> io::Result<()> {
        self.header(name, b'5', DIRECTORY_MODE, 0, 0)
    }

    /// Writes an entry for a regular file.
    ///
    /// # Errors
    /// A name that no header holds, or what `out` says.
    pub fn file(&mut self, name: &str, executable: bool, content: &[u8]) -> io::Result<()> {
        let mode = if executable { EXECUTABLE_MODE } else { FILE_MODE };
        self.file_of(name, mode, 0, content)
    }

    /// Writes an entry for a regular file with a mode, last changed so many seconds after the start of 1970.
    ///
    /// # Errors
    /// A name that no header holds, or what `out` says.
    pub fn file_of(&mut self, name: &str, mode: u32, modified: u64, content: &[u8]) -> io::Result<()> {
        self.header(name, b'0', mode, content.len() as u64, modified)?;
        self.data(content)
    }

    /// Ends the archive and gives back where it was written to.
    ///
    /// # Errors
    /// What `out` says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }

    fn header(&mut self, name: &str, kind: u8, mode: u32, size: u64, modified: u64) -> io::Result<()> {
        if name.contains('\0') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name has a NUL"));
        }
        let fits = name.is_ascii() && name.len() <= NAME;
        let split = split(name);
        let mut header = Header::new(kind, mode, size);
        // Times that do not fit are thousands of years away.
        header.octal(136, 12, modified.min(LARGEST));
        header.octal(329, 8, 0);
        header.octal(337, 8, 0);
        if size <= LARGEST && (fits || split.is_some()) {
            let (prefix, rest) = split.unwrap_or(("", name));
            header.text(0, NAME, rest.as_bytes());
            header.text(345, PREFIX, prefix.as_bytes());
            return self.out.write_all(header.finish());
        }
        let mut records = Vec::new();
        if !fits {
            records.extend(record("path", name));
        }
        if size > LARGEST {
            records.extend(record("size", &size.to_string()));
        }
        self.extended(name, &records)?;
        header.text(0, NAME, &ascii(name));
        self.out.write_all(header.finish())
    }

    /// Writes the entry that holds what the header of the next one has no room for.
    fn extended(&mut self, name: &str, records: &[u8]) -> io::Result<()> {
        let at = name.rfind('/').map_or(0, |slash| slash + 1);
        let mut short = ascii(&format!("{}PaxHeaders.0/{}", &name[..at], &name[at..]));
        short.truncate(NAME);
        while short.last() == Some(&b'/') {
            short.pop();
        }
        let mut header = Header::new(b'x', 0, records.len() as u64);
        header.text(0, NAME, &short);
        self.out.write_all(header.finish())?;
        self.data(records)
    }

    fn data(&mut self, content: &[u8]) -> io::Result<()> {
        self.out.write_all(content)?;
        let padding = content.len().next_multiple_of(BLOCK) - content.len();
        self.out.write_all(&[0; BLOCK][..padding])
    }
}

/// The block before an entry.
struct Header([u8; BLOCK]);

impl Header {
    fn new(kind: u8, mode: u32, size: u64) -> Self {
        let mut header = Self([0; BLOCK]);
        header.octal(100, 8, mode.into());
        header.octal(108, 8, 0);
        header.octal(116, 8, 0);
        // What does not fit is told by an extended header.
        header.octal(124, 12, if size > LARGEST { 0 } else { size });
        header.octal(136, 12, 0);
        header.0[156] = kind;
        header.text(257, 8, b"ustar\x0000");
        header
    }

    /// Writes digits with leading zeros and a NUL.
    fn octal(&mut self, at: usize, width: usize, value: u64) {
        let digits = format!("{value:0width$o}", width = width - 1);
        self.text(at, width, digits.as_bytes());
        self.0[at + width - 1] = 0;
    }

    /// Writes as much of a text as a field holds.
    fn text(&mut self, at: usize, width: usize, text: &[u8]) {
        let field = &mut self.0[at..at + width];
        let length = text.len().min(width);
        field[..length].copy_from_slice(&text[..length]);
        // Go takes the slash from a name that was cut behind one, lest readers take it for a directory.
        if text.len() > width && field[width - 1] == b'/' {
            let before = &text[..width - 1];
            let end = before
                .iter()
                .rposition(|byte| *byte != b'/')
                .map_or(0, |last| last + 1);
            field[end] = 0;
        }
    }

    fn finish(&mut self) -> &[u8] {
        self.0[148..156].fill(b' ');
        let sum: u64 = self.0.iter().map(|byte| u64::from(*byte)).sum();
        self.octal(148, 7, sum);
        &self.0
    }
}

/// Splits a long name between the fields `prefix` and `name`, if that is enough.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= NAME || !name.is_ascii() {
        return None;
    }
    let mut end = name.len();
    if end > PREFIX + 1 {
        end = PREFIX + 1;
    } else if name.ends_with('/') {
        end -= 1;
    }
    let slash = name[..end].rfind('/')?;
    let (prefix, rest) = (&name[..slash], &name[slash + 1..]);
    let fits = !prefix.is_empty() && prefix.len() <= PREFIX && !rest.is_empty() && rest.len() <= NAME;
    fits.then_some((prefix, rest))
}

fn ascii(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii).collect()
}

/// A record of an extended header, which begins with its own length.
fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_its_own_length() {
        assert_eq!(record("path", "a"), b"9 path=a\n");
        assert_eq!(record("path", ""), b"8 path=\n");
        let text = "a".repeat(91);
        assert_eq!(record("path", &text), format!("101 path={text}\n").as_bytes());
        let text = "a".repeat(90);
        assert_eq!(record("path", &text), format!("99 path={text}\n").as_bytes());
    }

    #[test]
    fn what_is_too_large_for_its_field_is_told_by_a_record() {
        let mut tar = TarWriter::new(Vec::new());
        tar.header("large", b'0', FILE_MODE, 1 << 33, 0).expect("memory");
        let bytes = tar.out;
        assert_eq!(bytes.len(), 3 * BLOCK);
        assert_eq!(&bytes[..20], b"PaxHeaders.0/large\0\0");
        assert_eq!(&bytes[BLOCK..BLOCK + 19], b"19 size=8589934592\n");
        assert_eq!(&bytes[2 * BLOCK + 124..2 * BLOCK + 136], b"00000000000\0");
    }

    #[test]
    fn names_with_a_nul_are_refused() {
        assert!(TarWriter::new(Vec::new()).directory("a\0b").is_err());
    }
}
