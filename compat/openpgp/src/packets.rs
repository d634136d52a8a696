//! Packets, which all of OpenPGP is made of.

use zeroize::Zeroizing;

/// More packets than any key or message has.
const MAX_PACKETS: usize = 4096;
/// What is said of more packets than are wanted.
pub const TOO_MANY: &str = "there are too many packets";

/// One packet.
#[derive(Debug)]
pub struct Packet {
    /// What kind of packet it is.
    pub tag: u8,
    /// What is in it, wiped when it is dropped: it may be a secret.
    pub body: Zeroizing<Vec<u8>>,
}

/// Reads all packets, of which the last may be without a length.
pub fn read(bytes: &[u8]) -> Result<Vec<Packet>, &'static str> {
    read_up_to(bytes, MAX_PACKETS)
}

/// Reads all packets, if there are not more.
pub fn read_up_to(bytes: &[u8], most: usize) -> Result<Vec<Packet>, &'static str> {
    let mut packets = Vec::new();
    let mut rest = Reader(bytes);
    while !rest.0.is_empty() {
        if packets.len() == most {
            return Err(TOO_MANY);
        }
        packets.push(rest.packet().ok_or("a packet is cut off, or is none")?);
    }
    Ok(packets)
}

/// Takes bytes from the front.
#[derive(Debug)]
pub struct Reader<'b>(
    /// What is left.
    pub &'b [u8],
);

impl<'b> Reader<'b> {
    /// The next byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// The next bytes.
    pub fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The number that the next bytes make up.
    pub fn number(&mut self, bytes: usize) -> Option<u64> {
        let taken = self.take(bytes)?;
        Some(taken.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// A number with its length in bits before it.
    pub fn integer(&mut self) -> Option<&'b [u8]> {
        let bits = self.number(2)? as usize;
        self.take(bits.div_ceil(8))
    }

    fn packet(&mut self) -> Option<Packet> {
        let head = self.byte()?;
        if head & 0x80 == 0 {
            return None;
        }
        if head & 0x40 == 0 {
            let length = match head & 3 {
                3 => self.0.len(),
                size => self.number(1 << size)? as usize,
            };
            return Some(Packet {
                tag: (head >> 2) & 0x0F,
                body: Zeroizing::new(self.take(length)?.to_vec()),
            });
        }
        let mut body = Zeroizing::new(Vec::new());
        loop {
            let first = self.byte()?;
            let length = match first {
                0..192 => usize::from(first),
                192..224 => ((usize::from(first) - 192) << 8) + usize::from(self.byte()?) + 192,
                255 => self.number(4)? as usize,
                _ => 1 << (first & 0x1F),
            };
            body.extend_from_slice(self.take(length)?);
            // Any other length is that of a part, behind which there are more.
            if !(224..255).contains(&first) {
                let tag = head & 0x3F;
                return Some(Packet { tag, body });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(bytes: &[u8]) -> Result<Vec<(u8, usize)>, &'static str> {
        Ok(read(bytes)?
            .iter()
            .map(|packet| (packet.tag, packet.body.len()))
            .collect())
    }

    #[test]
    fn lengths_are_read_in_all_their_forms() {
        let long = [&[0xCB, 192, 8][..], &[0; 200]].concat();
        assert_eq!(tags(&long), Ok(vec![(11, 200)]));
        assert_eq!(tags(&[0xCB, 255, 0, 0, 0, 1, 7]), Ok(vec![(11, 1)]));
        assert_eq!(tags(&[0xD2, 224, 1, 225, 2, 3, 1, 4]), Ok(vec![(18, 4)]));
        assert_eq!(tags(&[0xAC, 2, 1, 2, 0xAF, 1, 2, 3]), Ok(vec![(11, 2), (11, 3)]));
        for cut in [
            &[0xCB][..],
            &[0xCB, 2, 1],
            &[0xCB, 255, 0, 0],
            &[0x40],
            &[0xD2, 254],
        ] {
            assert!(tags(cut).is_err(), "{cut:?}");
        }
    }
}
