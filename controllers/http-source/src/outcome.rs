//! What goes wrong with a server, sorted: reasons, and when to try again.

use std::time::{Duration, SystemTime};

use artifact_producer::{Failure, Fate};
use controller_kit::http::HttpError;
use http::{HeaderMap, StatusCode, header};

/// The condition of everything that goes wrong with a server.
const FAILED: &str = "FetchFailed";

/// A failure that passes by itself.
pub(crate) fn passing(message: impl Into<String>) -> Failure {
    Failure::retry(FAILED, message).as_condition(FAILED)
}

/// A failure that somebody has to do something about, elsewhere.
pub(crate) fn lasting(reason: &'static str, message: impl Into<String>) -> Failure {
    Failure::later(reason, message).as_condition(FAILED)
}

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

/// An answer that is no body.
pub(crate) fn answered(url: &str, status: StatusCode, headers: &HeaderMap, said: &str) -> Failure {
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    };
    let text = format!("GET {url} answered {status}{said}");
    match status.as_u16() {
        401 | 403 | 407 => lasting("AuthenticationFailed", text),
        404 | 410 => lasting("NotFound", text),
        429 | 503 => match retry_after(headers, SystemTime::now()) {
            Some(pause) => Failure::new(Fate::After(pause), FAILED, text).as_condition(FAILED),
            None => passing(text),
        },
        408 | 500..=599 => passing(text),
        _ => lasting(FAILED, text),
    }
}

/// How long a server asks to be left alone: a number of seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(now).unwrap_or_default()
    };
    Some(pause.max(Duration::from_secs(1)))
}

/// What a server says about a failure, as far as it can be shown.
pub(crate) fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(200).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_their_reason_and_their_next_look() {
        for (status, reason, fate) in [
            (401, "AuthenticationFailed", Fate::Later),
            (403, "AuthenticationFailed", Fate::Later),
            (404, "NotFound", Fate::Later),
            (410, "NotFound", Fate::Later),
            (408, FAILED, Fate::Retry),
            (429, FAILED, Fate::After(Duration::from_secs(7))),
            (503, FAILED, Fate::After(Duration::from_secs(7))),
            (500, FAILED, Fate::Retry),
            (400, FAILED, Fate::Later),
            (206, FAILED, Fate::Later),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, "7".parse().expect("a value"));
            let status = StatusCode::from_u16(status).expect("a status");
            let failure = answered("http://a/", status, &headers, "");
            assert_eq!((failure.reason(), failure.fate()), (reason, fate), "{status}");
        }
        let none = answered(
            "http://a/",
            StatusCode::TOO_MANY_REQUESTS,
            &HeaderMap::new(),
            "slow down",
        );
        assert_eq!(
            (none.fate(), none.message()),
            (
                Fate::Retry,
                "GET http://a/ answered 429 Too Many Requests: slow down"
            )
        );
    }

    #[test]
    fn a_pause_may_be_a_date() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::RETRY_AFTER,
            "Thu, 01 Jan 1970 00:01:00 GMT".parse().expect("a value"),
        );
        assert_eq!(
            retry_after(&headers, SystemTime::UNIX_EPOCH),
            Some(Duration::from_mins(1))
        );
        assert_eq!(
            retry_after(&headers, SystemTime::now()),
            Some(Duration::from_secs(1))
        );
        headers.insert(header::RETRY_AFTER, "soon".parse().expect("a value"));
        assert_eq!(retry_after(&headers, SystemTime::now()), None);
    }
}
