//! Standard base64.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// Go looks neither at the bits behind the last byte, nor for other padding than the usual one.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Standard base64 with padding (`base64.StdEncoding.EncodeToString`).
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    ENGINE.encode(bytes)
}

/// Reads standard base64 with padding, and skips line breaks as Go does; nothing for other text.
///
/// ```
/// assert_eq!(go_std::base64::decode("Zm9v\nZg==").as_deref(), Some(&b"foof"[..]));
/// assert_eq!(go_std::base64::decode("Zm9"), None);
/// ```
pub fn decode(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    let text = text.as_ref();
    if text.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        let letters = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n'));
        return ENGINE.decode(letters.collect::<Vec<u8>>()).ok();
    }
    ENGINE.decode(text).ok()
}
