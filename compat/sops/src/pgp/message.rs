//! Encrypted messages.

use std::io::Read;

use zeroize::Zeroizing;

use super::PgpError;
use super::ciphers::{Cipher, open_ocb, open_protected};
use super::keys::Keys;
use openpgp::packets::{self, Packet, Reader};

/// Bytes of the largest data key, which has 32; a part of one has one more.
const MAX_PLAIN: usize = 1 << 10;
/// Bytes that a message may have in all of its layers.
const MAX_UNPACKED: usize = 64 << 10;
/// How many layers of compression there may be.
const MAX_LAYERS: usize = 4;
/// How many keys a message may be encrypted for.
const MAX_RECIPIENTS: usize = 32;

/// Opens a message.
pub(super) fn decrypt(message: &[u8], keys: &Keys) -> Result<Zeroizing<Vec<u8>>, PgpError> {
    let mut recipients = Vec::new();
    for Packet { tag, body } in packets::read(message).map_err(PgpError::Packet)? {
        match tag {
            1 if recipients.len() < MAX_RECIPIENTS => recipients.push(Recipient::read(&body)?),
            1 => return Err(PgpError::Packet("there are too many recipients")),
            // A passphrase that opens the message too, and what no longer means anything.
            3 | 10 => {}
            9 => return Err(PgpError::NotProtected),
            18 => {
                let [version, sealed @ ..] = body.as_slice() else {
                    return Err(PgpError::Packet("an encrypted packet is cut off"));
                };
                if *version != 1 {
                    return Err(PgpError::Unsupported(format!(
                        "an encrypted packet of version {version}"
                    )));
                }
                return open(&recipients, keys, |session| {
                    let plain = open_protected(session.cipher, &session.key, sealed)?;
                    literal(&plain, 0)
                });
            }
            20 => {
                return open(&recipients, keys, |session| {
                    let plain = open_ocb(&session.key, &body)?;
                    literal(&plain, 0)
                });
            }
            _ => return Err(PgpError::NotEncrypted),
        }
    }
    Err(PgpError::NotEncrypted)
}

/// A key that the message is encrypted for.
struct Recipient {
    key: u64,
    algorithm: u8,
    body: Vec<u8>,
}

impl Recipient {
    fn read(packet: &[u8]) -> Result<Self, PgpError> {
        const CUT: PgpError = PgpError::Packet("an encrypted session key is cut off");
        let mut reader = Reader(packet);
        let version = reader.byte().ok_or(CUT)?;
        if version != 3 {
            return Err(PgpError::Unsupported(format!(
                "an encrypted session key of version {version}"
            )));
        }
        Ok(Self {
            key: reader.number(8).ok_or(CUT)?,
            algorithm: reader.byte().ok_or(CUT)?,
            body: reader.0.to_vec(),
        })
    }
}

/// The key that the message itself is encrypted by.
struct Session {
    cipher: Cipher,
    key: Zeroizing<Vec<u8>>,
}

impl Session {
    /// Reads the number of the cipher, the key, and the sum of its bytes.
    fn read(opened: &[u8]) -> Result<Self, PgpError> {
        let (number, rest) = opened.split_first().ok_or(PgpError::Failed)?;
        let (key, sum) = rest.split_last_chunk::<2>().ok_or(PgpError::Failed)?;
        let computed = key
            .iter()
            .fold(0_u16, |sum, byte| sum.wrapping_add(u16::from(*byte)));
        if computed != u16::from_be_bytes(*sum) {
            return Err(PgpError::Failed);
        }
        let cipher = Cipher::of_number(*number)
            .ok_or_else(|| PgpError::Unsupported(format!("the cipher {number}")))?;
        if key.len() != cipher.key_size() {
            return Err(PgpError::Failed);
        }
        Ok(Self {
            cipher,
            key: Zeroizing::new(key.to_vec()),
        })
    }
}

/// Asks one recipient after the other, until one has what opens the message.
fn open(
    recipients: &[Recipient],
    keys: &Keys,
    with: impl Fn(&Session) -> Result<Zeroizing<Vec<u8>>, PgpError>,
) -> Result<Zeroizing<Vec<u8>>, PgpError> {
    let mut failed = None;
    for recipient in recipients {
        let opened = keys
            .open(recipient.key, recipient.algorithm, &recipient.body)
            .and_then(|session| Session::read(&session))
            .and_then(|session| with(&session));
        match opened {
            Ok(plain) => return Ok(plain),
            // That there is no key says less than that there is one which is of no use.
            Err(PgpError::NoKey(_)) => {}
            Err(error) => failed = Some(error),
        }
    }
    let wanted = || recipients.iter().map(|recipient| recipient.key).collect();
    Err(failed.unwrap_or_else(|| PgpError::NoKey(wanted())))
}

/// Finds the text of a message that was opened, below compression and beside signatures.
fn literal(bytes: &[u8], layer: usize) -> Result<Zeroizing<Vec<u8>>, PgpError> {
    for Packet { tag, body } in packets::read(bytes).map_err(PgpError::Packet)? {
        match tag {
            8 if layer < MAX_LAYERS => return literal(&unpack(&body)?, layer + 1),
            8 => return Err(PgpError::Packet("the message is compressed too often")),
            11 => {
                let mut reader = Reader(&body);
                let skipped = reader
                    .byte()
                    .and_then(|_| reader.byte())
                    .and_then(|length| reader.take(usize::from(length)))
                    .and_then(|_| reader.take(4));
                skipped.ok_or(PgpError::Packet("the text of the message is cut off"))?;
                if reader.0.len() > MAX_PLAIN {
                    return Err(PgpError::TooLarge);
                }
                if reader.0.is_empty() {
                    return Err(PgpError::Packet("zero bytes returned"));
                }
                return Ok(Zeroizing::new(reader.0.to_vec()));
            }
            // Signatures, and what no longer means anything.
            2 | 4 | 10 => {}
            _ => {
                return Err(PgpError::Packet(
                    "the message has something else than a text in it",
                ));
            }
        }
    }
    Err(PgpError::Packet("the message has no text in it"))
}

fn unpack(body: &[u8]) -> Result<Zeroizing<Vec<u8>>, PgpError> {
    let (algorithm, packed) = body
        .split_first()
        .ok_or(PgpError::Packet("compressed data is cut off"))?;
    match algorithm {
        0 => Ok(Zeroizing::new(packed.to_vec())),
        1 => read_to_end(flate2::read::DeflateDecoder::new(packed)),
        2 => read_to_end(flate2::read::ZlibDecoder::new(packed)),
        3 => read_to_end(bzip2_rs::DecoderReader::new(packed)),
        other => Err(PgpError::Unsupported(format!("the compression {other}"))),
    }
}

fn read_to_end(unpacking: impl Read) -> Result<Zeroizing<Vec<u8>>, PgpError> {
    let mut unpacked = Zeroizing::new(Vec::new());
    unpacking
        .take(MAX_UNPACKED as u64 + 1)
        .read_to_end(&mut unpacked)
        .map_err(|_| PgpError::Packet("compressed data is damaged"))?;
    if unpacked.len() > MAX_UNPACKED {
        return Err(PgpError::TooLarge);
    }
    Ok(unpacked)
}
