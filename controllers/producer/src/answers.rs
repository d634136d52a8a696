//! What goes wrong with a server, sorted: reasons, and when to try again. For authors who ask servers in their own ways, too.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use url::Url;

use crate::{Failure, Fate};

/// The condition of everything that goes wrong with a server.
pub const FAILED: &str = "FetchFailed";

/// A failure that passes by itself.
pub fn passing(message: impl Into<String>) -> Failure {
    Failure::retry(FAILED, message).as_condition(FAILED)
}

/// A failure that somebody has to do something about, elsewhere.
pub fn lasting(reason: &'static str, message: impl Into<String>) -> Failure {
    Failure::later(reason, message).as_condition(FAILED)
}

/// An answer that is no body; `said` is what there is of a text in it.
pub fn answered(url: &str, status: StatusCode, headers: &HeaderMap, said: &str) -> Failure {
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    };
    let text = format!("GET {url} answered {status}{said}");
    match status.as_u16() {
        401 | 403 | 407 => lasting("AuthenticationFailed", text),
        404 | 410 => lasting("NotFound", text),
        408 | 429 | 500..=599 => match retry_after(headers, SystemTime::now()) {
            Some(pause) => Failure::new(Fate::After(pause), FAILED, text).as_condition(FAILED),
            None => passing(text),
        },
        _ => lasting(FAILED, text),
    }
}

/// A URL as it may be shown: without its query, which may hold a signature, and without who asks.
pub fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // URLs that can have a host can have neither.
    let _ = (shown.set_username(""), shown.set_password(None));
    shown.to_string()
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
            (408, FAILED, Fate::After(Duration::from_secs(7))),
            (429, FAILED, Fate::After(Duration::from_secs(7))),
            (503, FAILED, Fate::After(Duration::from_secs(7))),
            (500, FAILED, Fate::After(Duration::from_secs(7))),
            (502, FAILED, Fate::After(Duration::from_secs(7))),
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
