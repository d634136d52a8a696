//! Text with a signature behind it.

use zeroize::Zeroizing;

use crate::armor;

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";
/// The digests that a message may name.
const HASHES: [&str; 6] = ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "SHA3-256"];

/// A text that was signed so that people can read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearSigned {
    /// The text, its lines ended as here, without what stands at their ends.
    pub text: Vec<u8>,
    /// The text as it was signed.
    pub(crate) signed: Vec<u8>,
    /// The packets of the signature.
    pub(crate) signature: Zeroizing<Vec<u8>>,
}

impl ClearSigned {
    /// Finds the first signed text in a file; nothing if there is none that is whole.
    pub fn decode(file: &[u8]) -> Option<Self> {
        let mut lines = Lines(file);
        while lines.next()? != BEGIN.as_bytes() {}
        loop {
            let line = lines.next()?;
            if line.trim_ascii().is_empty() {
                break;
            }
            let (name, values) = std::str::from_utf8(line).ok()?.split_once(':')?;
            let mut values = values.split(',').map(|value| value.trim().to_ascii_uppercase());
            if name.trim() != "Hash" || !values.all(|value| is_hash(&value)) {
                return None;
            }
        }
        let (mut text, mut signed) = (Vec::new(), Vec::new());
        let armored = loop {
            let before = lines.0;
            let line = lines.next()?;
            if line == SIGNATURE.as_bytes() {
                break before;
            }
            if !text.is_empty() {
                signed.extend_from_slice(b"\r\n");
            }
            let line = line.strip_prefix(b"- ").unwrap_or(line);
            let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t'));
            let line = line.get(..end.map_or(0, |last| last + 1)).unwrap_or_default();
            signed.extend_from_slice(line);
            text.extend_from_slice(line);
            text.push(b'\n');
        };
        text.pop();
        let end = armored
            .windows(END.len())
            .position(|window| window == END.as_bytes())?;
        let armored = armored.get(..end + END.len())?;
        let [(_, signature)]: [_; 1] = armor::decode(armored).ok()?.try_into().ok()?;
        Some(Self {
            text,
            signed,
            signature,
        })
    }
}

fn is_hash(name: &str) -> bool {
    HASHES.contains(&name) || name == "SHA3-512"
}

/// The lines of a file, without what ends them.
struct Lines<'f>(&'f [u8]);

impl<'f> Lines<'f> {
    fn next(&mut self) -> Option<&'f [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let (line, rest) = match end {
            Some(end) => (self.0.get(..end)?, self.0.get(end + 1..)?),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "before\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\na: b \n- - c\n\n...\nd\n-----BEGIN PGP SIGNATURE-----\n\nYWJj\n-----END PGP SIGNATURE-----\nafter\n";

    #[test]
    fn the_text_and_what_was_signed_are_told_apart() {
        let message = ClearSigned::decode(MESSAGE.as_bytes()).unwrap();
        assert_eq!(message.text, b"a: b\n- c\n\n...\nd");
        assert_eq!(message.signed, b"a: b\r\n- c\r\n\r\n...\r\nd");
        assert_eq!(*message.signature, b"abc");
        let windows = MESSAGE.replace('\n', "\r\n");
        assert_eq!(ClearSigned::decode(windows.as_bytes()), Some(message));
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        for changed in [
            MESSAGE.replace("-----BEGIN PGP SIGNED", "----BEGIN PGP SIGNED"),
            MESSAGE.replace("Hash: SHA512", "Hash: MD5"),
            MESSAGE.replace("Hash: SHA512", "Comment: a"),
            MESSAGE.replace("-----END", "----END"),
            MESSAGE.replace("YWJj", "%"),
            MESSAGE.replace("-----BEGIN PGP SIGNATURE", "-----BEGIN"),
            String::new(),
        ] {
            assert_eq!(ClearSigned::decode(changed.as_bytes()), None, "{changed}");
        }
    }
}
