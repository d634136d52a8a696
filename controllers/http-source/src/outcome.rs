//! What goes wrong with a server before it answers, and what it says itself.

use artifact_producer::Failure;
use artifact_producer::answers::{FAILED, lasting, passing};
use controller_kit::http::HttpError;

/// No answer.
pub(crate) fn unanswered(url: &str, error: &HttpError, is_first: bool) -> Failure {
    let text = format!("GET {url}: {error}");
    match error {
        // What the spec says itself has to be edited; where a server leads to has to change there.
        HttpError::Refused(_) if is_first => Failure::edit("URLInvalid", text).as_condition(FAILED),
        HttpError::Refused(_) => lasting("URLInvalid", text),
        HttpError::Failed(error) if error.contains("which is not connected to") => {
            lasting("URLInvalid", text)
        }
        HttpError::Failed(error) if error.contains("invalid peer certificate") => lasting(
            "TLSFailed",
            format!("{text}; a certificate authority of its own belongs into spec.certSecretRef"),
        ),
        HttpError::Failed(_) => passing(text),
    }
}

/// What a server says about a failure, as far as it can be shown.
pub(crate) fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(200).collect::<String>().trim().to_owned()
}
