//! OpenPGP as text: what stands between lines of dashes, in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// More blocks than any text has.
const MAX_BLOCKS: usize = 256;

/// The kind of a block, and what is in it.
pub type Block<'t> = (&'t str, Zeroizing<Vec<u8>>);

/// Reads all blocks of a text; what stands around them does not count.
pub fn decode(text: &[u8]) -> Result<Vec<Block<'_>>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it is no text")?;
    let mut blocks = Vec::new();
    let mut lines = text.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let kind = line
            .strip_prefix("-----BEGIN PGP ")
            .and_then(|rest| rest.strip_suffix("-----"));
        let Some(kind) = kind else { continue };
        if blocks.len() == MAX_BLOCKS {
            return Err("it has too many parts");
        }
        // Headers end with an empty line.
        let mut body = Zeroizing::new(String::new());
        let mut checksum = None;
        let mut in_headers = true;
        let mut ended = false;
        for line in lines.by_ref() {
            if line.starts_with("-----END PGP ") {
                ended = true;
                break;
            }
            if in_headers {
                if line.is_empty() {
                    in_headers = false;
                    continue;
                }
                if line.contains(": ") || line.ends_with(':') {
                    continue;
                }
                return Err("the line that ends the headers of the armour is missing");
            }
            match line.strip_prefix('=') {
                Some(sum) if sum.len() == 4 => checksum = Some(sum),
                _ => body.push_str(line),
            }
        }
        if !ended {
            return Err("the end of the armour is missing");
        }
        let bytes = STANDARD.decode(body.as_bytes()).map_err(|_| "it is no base64")?;
        let bytes = Zeroizing::new(bytes);
        if let Some(sum) = checksum {
            let sum = STANDARD.decode(sum).map_err(|_| "the checksum is no base64")?;
            if sum != crc24(&bytes).to_be_bytes().get(1..).unwrap_or_default() {
                return Err("the checksum is wrong");
            }
        }
        blocks.push((kind, bytes));
    }
    if blocks.is_empty() {
        return Err("there is no armour in it");
    }
    Ok(blocks)
}

fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x00B7_04CE, |sum, byte| {
        let sum = sum ^ (u32::from(*byte) << 16);
        (0..8).fold(sum, |sum, _| {
            let shifted = sum << 1;
            if shifted & 0x0100_0000 == 0 {
                shifted
            } else {
                shifted ^ 0x0186_4CFB
            }
        }) & 0x00FF_FFFF
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_and_checked() {
        let text = "x\r\n-----BEGIN PGP MESSAGE-----\r\nComment: a\r\n\r\nYWJj\r\n=uhx7\r\n-----END PGP MESSAGE-----\r\n";
        let sum = STANDARD.encode(&crc24(b"abc").to_be_bytes()[1..]);
        let right = text.replace("uhx7", &sum);
        let blocks = decode(right.as_bytes()).unwrap();
        assert_eq!(blocks, [("MESSAGE", Zeroizing::new(b"abc".to_vec()))]);
        let wrong = text.replace("uhx7", "AAAA");
        assert_eq!(decode(wrong.as_bytes()), Err("the checksum is wrong"));
        let without = right.replace(&format!("={sum}\r\n"), "");
        assert!(decode(without.as_bytes()).is_ok());
        let indented = right.replace("-----BEGIN", "  -----BEGIN");
        assert_eq!(decode(indented.as_bytes()), Err("there is no armour in it"));
        let cut = right.replace("-----END", "");
        assert_eq!(decode(cut.as_bytes()), Err("the end of the armour is missing"));
    }
}
