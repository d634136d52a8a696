//! Records as bytes: JSON, packed by gzip, in base64.

use std::io::{self, BufWriter, Read};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::Release;
use crate::go_json;

/// The most bytes that a record may unpack to: a Secret of a MiB holds no more of any real chart, and a bomb stops here.
pub const MAX_RECORD_BYTES: u64 = 256 << 20;

/// Go reads base64 with bits left over in its last letter.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not base64.
    #[error("illegal base64 data at input byte {0}")]
    Base64(usize),
    /// It cannot be unpacked.
    #[error("{0}")]
    Gzip(&'static str),
    /// It unpacks to more than [`MAX_RECORD_BYTES`].
    #[error("the release unpacks to more than {MAX_RECORD_BYTES} bytes")]
    TooLarge,
    /// There is nothing in it.
    #[error("unexpected end of JSON input")]
    Empty,
    /// What it unpacks to is not the JSON of a release.
    #[error("json: {0}")]
    Json(#[from] serde_json::Error),
}

/// A record that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the release as JSON: {0}")]
pub struct EncodeError(#[from] serde_json::Error);

/// Writes a record as the value of `release` in its Secret, before Kubernetes writes that in base64 once more.
pub(super) fn encode(release: &Release) -> Result<String, EncodeError> {
    let mut json = BufWriter::new(GzEncoder::new(Vec::new(), Compression::best()));
    go_json::write(&mut json, release)?;
    let gzip = json
        .into_inner()
        .map_err(io::IntoInnerError::into_error)
        .and_then(GzEncoder::finish)
        .map_err(serde_json::Error::io)?;
    Ok(BASE64.encode(gzip))
}

/// Reads a record; one that is not packed is read, too.
pub(super) fn decode(text: &[u8]) -> Result<Release, DecodeError> {
    let bytes = decode_base64(text)?;
    if !(bytes.len() > 3 && bytes.starts_with(&[0x1F, 0x8B, 0x08])) {
        return read(&bytes);
    }
    let mut release = read(&unpack(&bytes)?)?;
    if let Some(chart) = &mut release.chart {
        chart.keep_in(bytes);
    }
    Ok(release)
}

fn read(json: &[u8]) -> Result<Release, DecodeError> {
    if json.trim_ascii().is_empty() {
        return Err(DecodeError::Empty);
    }
    Ok(serde_json::from_slice::<Option<Release>>(json)?.unwrap_or_default())
}

fn decode_base64(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let without_breaks: Vec<u8>;
    let text = if memchr::memchr2(b'\r', b'\n', text).is_some() {
        without_breaks = text
            .iter()
            .copied()
            .filter(|byte| !matches!(byte, b'\r' | b'\n'))
            .collect();
        &without_breaks
    } else {
        text
    };
    BASE64.decode(text).map_err(|error| {
        DecodeError::Base64(match error {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => text.len(),
        })
    })
}

/// Unpacks the JSON of a record.
pub(super) fn unpack(bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut json = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(MAX_RECORD_BYTES + 1)
        .read_to_end(&mut json)
        .map_err(|error| {
            DecodeError::Gzip(match error.kind() {
                io::ErrorKind::UnexpectedEof => "unexpected EOF",
                io::ErrorKind::InvalidInput => "gzip: invalid checksum",
                _ => "gzip: invalid header",
            })
        })?;
    if json.len() as u64 > MAX_RECORD_BYTES {
        return Err(DecodeError::TooLarge);
    }
    Ok(json)
}
