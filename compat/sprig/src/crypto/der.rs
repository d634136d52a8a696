//! DER, as much as keys and certificates need.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const PRINTABLE_STRING: u8 = 0x13;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// An element of any tag.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let significant = bytes.iter().position(|&b| b != 0).unwrap_or(0);
        let bytes = bytes.get(significant..).unwrap_or_default();
        out.push(0x80 | bytes.len() as u8);
        out.extend_from_slice(bytes);
    }
    out.extend_from_slice(content);
    out
}

pub(super) fn sequence(elements: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, &elements.concat())
}

/// A non-negative integer from its big-endian bytes.
pub(super) fn integer(magnitude: &[u8]) -> Vec<u8> {
    let significant = magnitude.iter().position(|&b| b != 0).unwrap_or(magnitude.len());
    let magnitude = magnitude.get(significant..).unwrap_or_default();
    let sign: &[u8] = if magnitude.first().is_none_or(|b| b & 0x80 != 0) {
        &[0]
    } else {
        &[]
    };
    element(INTEGER, &[sign, magnitude].concat())
}

/// A bit string of whole bytes.
pub(super) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes].concat())
}

pub(super) fn octet_string(bytes: &[u8]) -> Vec<u8> {
    element(OCTET_STRING, bytes)
}

/// Takes elements off the front of DER text.
#[derive(Clone, Copy)]
pub(super) struct Reader<'d>(pub(super) &'d [u8]);

/// An element that was read.
#[derive(Clone, Copy)]
pub(super) struct Element<'d> {
    pub(super) tag: u8,
    pub(super) content: &'d [u8],
    /// Tag, length and content.
    pub(super) whole: &'d [u8],
}

impl<'d> Reader<'d> {
    /// The next element; nothing at the end or if what follows is no DER.
    pub(super) fn any(&mut self) -> Option<Element<'d>> {
        let input = self.0;
        let (&tag, rest) = input.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let mut length = usize::from(first);
        if first >= 0x80 {
            let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
            if bytes.is_empty() || bytes.len() > 4 {
                return None;
            }
            length = bytes
                .iter()
                .fold(0, |length, &byte| length << 8 | usize::from(byte));
            rest = after;
        }
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        let whole = input.get(..input.len() - after.len())?;
        Some(Element { tag, content, whole })
    }

    /// The next element, if it has the tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<Element<'d>> {
        let mut ahead = *self;
        let element = ahead.any().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    /// The elements of a sequence that stands here.
    pub(super) fn sequence(&mut self) -> Option<Reader<'d>> {
        self.expect(SEQUENCE).map(|element| Reader(element.content))
    }

    /// The magnitude of an integer that stands here, without leading zeros.
    pub(super) fn integer(&mut self) -> Option<&'d [u8]> {
        let content = self.expect(INTEGER)?.content;
        let significant = content.iter().position(|&b| b != 0).unwrap_or(content.len());
        content.get(significant..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_integers() {
        assert_eq!(element(SEQUENCE, &[0; 200]).get(..3).unwrap(), [0x30, 0x81, 200]);
        assert_eq!(
            element(SEQUENCE, &[0; 300]).get(..4).unwrap(),
            [0x30, 0x82, 1, 44]
        );
        assert_eq!(integer(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0]), [2, 1, 0]);
        let text = sequence(&[&integer(&[5]), &octet_string(b"x")]);
        let mut reader = Reader(&text);
        let mut inner = reader.sequence().unwrap();
        assert_eq!(inner.integer().unwrap(), [5]);
        assert_eq!(inner.expect(OCTET_STRING).unwrap().content, b"x");
        assert!(inner.any().is_none() && reader.any().is_none());
        assert!(Reader(&[0x30, 5, 0]).any().is_none());
    }
}
