//! A signature, as a packet.

use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use crate::VerifyError;
use crate::packets::Reader;

/// How deep signatures may be in signatures: that of a subkey over its owner is the only one.
const MAX_DEPTH: usize = 1;

/// What is signed by a signature, of those that count here.
pub(crate) mod kind {
    /// Names of keys, by how well they were checked.
    pub(crate) const NAMES: std::ops::RangeInclusive<u8> = 0x10..=0x13;
    pub(crate) const SUBKEY: u8 = 0x18;
    pub(crate) const OWNER_OF_SUBKEY: u8 = 0x19;
    pub(crate) const REVOKED_KEY: u8 = 0x20;
    pub(crate) const REVOKED_SUBKEY: u8 = 0x28;
    pub(crate) const REVOKED_NAME: u8 = 0x30;
}

/// A digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of_number(number: u8) -> Option<Self> {
        Some(match number {
            2 => Self::Sha1,
            8 => Self::Sha256,
            9 => Self::Sha384,
            10 => Self::Sha512,
            11 => Self::Sha224,
            _ => return None,
        })
    }

    /// The digest of all parts, one after the other.
    pub(crate) fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        fn of<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let all = parts.iter().fold(D::new(), sha2::Digest::chain_update);
            all.finalize().to_vec()
        }
        match self {
            Self::Sha1 => of::<Sha1>(parts),
            Self::Sha224 => of::<Sha224>(parts),
            Self::Sha256 => of::<Sha256>(parts),
            Self::Sha384 => of::<Sha384>(parts),
            Self::Sha512 => of::<Sha512>(parts),
        }
    }

    /// What RSA puts before the digest, in ASN.1.
    pub(crate) fn rsa_prefix(self) -> Vec<u8> {
        let (name, length): (&[u8], u8) = match self {
            Self::Sha1 => (&[0x2B, 0x0E, 0x03, 0x02, 0x1A], 20),
            Self::Sha224 => (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04], 28),
            Self::Sha256 => (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01], 32),
            Self::Sha384 => (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02], 48),
            Self::Sha512 => (&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03], 64),
        };
        let named = name.len() as u8;
        let mut prefix = vec![0x30, named + 8 + length, 0x30, named + 4, 0x06, named];
        prefix.extend_from_slice(name);
        prefix.extend_from_slice(&[0x05, 0x00, 0x04, length]);
        prefix
    }
}

/// A signature of version 4.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    pub(crate) kind: u8,
    pub(crate) algorithm: u8,
    pub(crate) hash: Hash,
    /// What of it is signed, too.
    pub(crate) trailer: Vec<u8>,
    /// The numbers, or the bytes, that it is made of.
    pub(crate) numbers: Vec<Vec<u8>>,
    pub(crate) created: u64,
    lifetime: u64,
    key_lifetime: u64,
    /// The key that has made it.
    pub(crate) issuer: Option<u64>,
    /// What the key may be used for, if that is told.
    pub(crate) flags: Option<u8>,
    pub(crate) is_primary: bool,
    pub(crate) reason: Option<u8>,
    /// The name of a note that must be understood.
    pub(crate) critical_note: Option<String>,
    /// That of a subkey over its owner.
    pub(crate) embedded: Option<Box<Signature>>,
}

impl Signature {
    /// Reads a packet; [`VerifyError::Unsupported`] for what others may understand.
    pub(crate) fn read(body: &[u8]) -> Result<Self, VerifyError> {
        Self::read_at(body, 0)
    }

    fn read_at(body: &[u8], depth: usize) -> Result<Self, VerifyError> {
        const CUT: VerifyError = VerifyError::Truncated;
        let unsupported = |what: String| Err(VerifyError::Unsupported(what));
        let mut reader = Reader(body);
        let version = reader.byte().ok_or(CUT)?;
        if version != 4 {
            return unsupported(format!("signature packet version {version}"));
        }
        let kind = reader.byte().ok_or(CUT)?;
        let algorithm = reader.byte().ok_or(CUT)?;
        if !matches!(algorithm, 1 | 3 | 17 | 19 | 22 | 27 | 28) {
            return unsupported(format!("public key algorithm {algorithm}"));
        }
        let number = reader.byte().ok_or(CUT)?;
        let Some(hash) = Hash::of_number(number) else {
            return unsupported(format!("hash function {number}"));
        };
        let length = reader.number(2).ok_or(CUT)? as usize;
        let hashed = reader.take(length).ok_or(CUT)?;
        let head = body.get(..6 + length).ok_or(CUT)?;
        let mut trailer = head.to_vec();
        trailer.extend_from_slice(&[4, 0xFF]);
        trailer.extend_from_slice(&(head.len() as u32).to_be_bytes());
        let mut signature = Self {
            kind,
            algorithm,
            hash,
            trailer,
            numbers: Vec::new(),
            created: 0,
            lifetime: 0,
            key_lifetime: 0,
            issuer: None,
            flags: None,
            is_primary: false,
            reason: None,
            critical_note: None,
            embedded: None,
        };
        signature.parts(hashed, true, depth)?;
        if signature.created == 0 {
            return Err(VerifyError::structure("no creation time in signature"));
        }
        let length = reader.number(2).ok_or(CUT)? as usize;
        signature.parts(reader.take(length).ok_or(CUT)?, false, depth)?;
        // Two bytes of the digest, for a quick look.
        reader.take(2).ok_or(CUT)?;
        match algorithm {
            27 => signature.numbers.push(reader.take(64).ok_or(CUT)?.to_vec()),
            28 => signature.numbers.push(reader.take(114).ok_or(CUT)?.to_vec()),
            _ => {
                let count = if matches!(algorithm, 1 | 3) { 1 } else { 2 };
                for _ in 0..count {
                    signature.numbers.push(reader.integer().ok_or(CUT)?.to_vec());
                }
            }
        }
        Ok(signature)
    }

    /// Reads what is said with the signature; of what is not signed only who has made it counts.
    fn parts(&mut self, bytes: &[u8], is_signed: bool, depth: usize) -> Result<(), VerifyError> {
        let bad = |what: &str| Err(VerifyError::structure(what));
        let mut reader = Reader(bytes);
        while !reader.0.is_empty() {
            let Some(part) = part(&mut reader) else {
                return bad("signature subpacket truncated");
            };
            let Some((kind, content)) = part.split_first() else {
                return bad("zero length signature subpacket");
            };
            let (is_critical, kind) = (kind & 0x80 != 0, kind & 0x7F);
            if !is_signed && !matches!(kind, 16 | 32 | 33) {
                continue;
            }
            let number = || <[u8; 4]>::try_from(content).map(|bytes| u64::from(u32::from_be_bytes(bytes)));
            match kind {
                2 => match number() {
                    Ok(at) => self.created = at,
                    Err(_) => return bad("signature creation time not four bytes"),
                },
                3 => match number() {
                    Ok(seconds) => self.lifetime = seconds,
                    Err(_) => return bad("expiration subpacket with bad length"),
                },
                9 => match number() {
                    Ok(seconds) => self.key_lifetime = seconds,
                    Err(_) => return bad("key expiration subpacket with bad length"),
                },
                16 => match <[u8; 8]>::try_from(content) {
                    Ok(bytes) => self.issuer = Some(u64::from_be_bytes(bytes)),
                    Err(_) => return bad("issuer subpacket with bad length"),
                },
                20 if is_critical => {
                    let length = content.get(4..6).map_or(0, |bytes| {
                        bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
                    });
                    let name = content.get(8..8 + length).unwrap_or_default();
                    self.critical_note = Some(String::from_utf8_lossy(name).into_owned());
                }
                25 => self.is_primary = content.first().is_some_and(|byte| *byte > 0),
                27 => self.flags = Some(content.first().copied().unwrap_or_default()),
                29 => self.reason = content.first().copied(),
                32 => {
                    if depth == MAX_DEPTH || self.embedded.is_some() {
                        return bad("Cannot have multiple embedded signatures");
                    }
                    let embedded = Self::read_at(content, depth + 1)?;
                    if embedded.kind != kind::OWNER_OF_SUBKEY {
                        return bad(&format!("cross-signature has unexpected type {}", embedded.kind));
                    }
                    self.embedded = Some(Box::new(embedded));
                }
                33 => match content {
                    // The end of the fingerprint is the identifier.
                    [4, fingerprint @ ..] if fingerprint.len() == 20 => {
                        let end = fingerprint.iter().skip(12);
                        self.issuer = Some(end.fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
                    }
                    _ => return bad("bad fingerprint length"),
                },
                // What is said about preferences, exports and trust does not matter here.
                4..=7 | 10..=12 | 20..=24 | 26 | 28 | 30 | 31 | 34 | 35 | 39 => {}
                _ if is_critical => {
                    return Err(VerifyError::Unsupported(format!(
                        "unknown critical signature subpacket type {kind}"
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it does not count at a time, in seconds.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.created > now || (self.lifetime != 0 && now > self.created + self.lifetime)
    }

    /// Whether a key that was made at a time has expired, as this signature of its own says.
    pub(crate) fn expires_key(&self, created: u64, now: u64) -> bool {
        created > now || (self.key_lifetime != 0 && now > created + self.key_lifetime)
    }

    /// Whether it allows its key to sign.
    pub(crate) fn may_sign(&self) -> bool {
        self.flags.is_some_and(|flags| flags & 0x02 != 0)
    }
}

/// The next part of what is said with a signature.
fn part<'b>(reader: &mut Reader<'b>) -> Option<&'b [u8]> {
    let length = match reader.byte()? {
        first @ 0..192 => usize::from(first),
        255 => reader.number(4)? as usize,
        first => ((usize::from(first) - 192) << 8) + usize::from(reader.byte()?) + 192,
    };
    reader.take(length)
}
