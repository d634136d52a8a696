//! What a request is answered: the rules of HTTP about methods, validators and ranges.

use std::fs::File;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::Place;
use crate::index::{Entry, Found};
use crate::store::Shared;
use crate::upkeep::LOOK_FIRST;

/// What is asked for.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
}

/// What is answered.
pub(super) struct Answer {
    pub(super) head: Response<()>,
    pub(super) body: Body,
}

/// The body of an answer, which a HEAD request does not get.
pub(super) enum Body {
    Text(&'static str),
    File { file: File, start: u64, length: u64 },
}

const CACHE: &str = "public, max-age=31536000, immutable";

impl Answer {
    pub(super) fn text(status: StatusCode, text: &'static str) -> Self {
        let mut head = Response::new(());
        *head.status_mut() = status;
        set(&mut head, header::CONTENT_TYPE, "text/plain; charset=utf-8");
        set(&mut head, header::CONTENT_LENGTH, &text.len().to_string());
        Self {
            head,
            body: Body::Text(text),
        }
    }

    /// Says that it may work later.
    fn later(seconds: &str) -> Self {
        let mut answer = Self::text(StatusCode::SERVICE_UNAVAILABLE, "not available at the moment\n");
        set(&mut answer.head, header::RETRY_AFTER, seconds);
        answer
    }
}

/// Answers a request from a store, if there is one yet; blocks.
pub(super) fn answer(store: Option<&Shared>, asked: &Asked) -> Answer {
    if asked.method != Method::GET && asked.method != Method::HEAD {
        let mut answer = Answer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        set(&mut answer.head, header::ALLOW, "GET, HEAD");
        return answer;
    }
    if matches!(asked.path.as_str(), "/" | "/healthz") {
        return Answer::text(StatusCode::OK, "ok\n");
    }
    let not_found = || Answer::text(StatusCode::NOT_FOUND, "404 page not found\n");
    let path = percent_decode_str(&asked.path).decode_utf8();
    let Some(path) = path.as_deref().ok().and_then(|path| path.strip_prefix('/')) else {
        return not_found();
    };
    let Some(store) = store else {
        return Answer::later("2");
    };
    // To be bound before the match, which must not hold the lock.
    let found = store.index.read().find(path);
    match found {
        Found::Unknown => not_found(),
        Found::Missing => Answer::later("5"),
        Found::File(found) => {
            let (place, name, entry) = *found;
            match open(store, &place, &name, &entry) {
                Some(file) => of_file(file, &name, &entry, &asked.headers),
                None => Answer::later("5"),
            }
        }
    }
}

/// Opens a file, if it is what its name says; a small one is read for that, once.
fn open(store: &Shared, place: &Place, name: &str, entry: &Entry) -> Option<File> {
    let verified = entry.verified || entry.record.size > LOOK_FIRST || store.verify(place, name);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let path = place.folder().join(name);
    let opened = verified.then(|| openat(&store.root, path, flags, Mode::empty()))?;
    if opened.as_ref().err() == Some(&Errno::NOENT) {
        // Otherwise nobody would make it anew before all files are looked at again.
        store.verify(place, name);
    }
    let file = File::from(opened.ok()?);
    let found = file.metadata().ok()?;
    if found.is_file() && found.len() == entry.record.size {
        return Some(file);
    }
    store.verify(place, name);
    None
}

fn of_file(file: File, name: &str, entry: &Entry, asked: &HeaderMap) -> Answer {
    let (size, etag) = (entry.record.size, format!("\"{}\"", entry.record.digest));
    let modified = modified(entry);
    let mut head = Response::new(());
    set(&mut head, header::ETAG, &etag);
    set(
        &mut head,
        header::LAST_MODIFIED,
        &httpdate::fmt_http_date(modified),
    );
    set(&mut head, header::CACHE_CONTROL, CACHE);
    set(&mut head, header::ACCEPT_RANGES, "bytes");
    if is_known(asked, &etag, modified) {
        *head.status_mut() = StatusCode::NOT_MODIFIED;
        let body = Body::Text("");
        return Answer { head, body };
    }
    set(&mut head, header::CONTENT_TYPE, "application/gzip");
    if let Some(digest) = repr_digest(&entry.record.digest) {
        set(&mut head, HeaderName::from_static("repr-digest"), &digest);
    }
    let (start, length) = match range(asked, &etag, modified, size) {
        Range::All => (0, size),
        Range::Part(first, last) => {
            *head.status_mut() = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {first}-{last}/{size}");
            set(&mut head, header::CONTENT_RANGE, &text);
            (first, last + 1 - first)
        }
        Range::Nothing => {
            let mut answer = Answer::text(StatusCode::RANGE_NOT_SATISFIABLE, "");
            let text = format!("bytes */{size}");
            set(&mut answer.head, header::CONTENT_RANGE, &text);
            return answer;
        }
    };
    tracing::trace!(file = name, start, length, "an artifact is served");
    set(&mut head, header::CONTENT_LENGTH, &length.to_string());
    let body = Body::File { file, start, length };
    Answer { head, body }
}

fn set(head: &mut Response<()>, name: HeaderName, value: &str) {
    // All of them are plain text of our own making.
    if let Ok(value) = HeaderValue::from_str(value) {
        head.headers_mut().insert(name, value);
    }
}

/// When the file was published, to the second.
fn modified(entry: &Entry) -> SystemTime {
    let seconds = u64::try_from(entry.record.published.as_second()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?).ok()
}

/// Whether the client has the file already.
fn is_known(asked: &HeaderMap, etag: &str, modified: SystemTime) -> bool {
    if asked.contains_key(header::IF_NONE_MATCH) {
        let all = asked.get_all(header::IF_NONE_MATCH).iter();
        let tags = all
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        return tags
            .map(str::trim)
            .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag);
    }
    date(asked, header::IF_MODIFIED_SINCE).is_some_and(|since| modified <= since)
}

/// What part of the file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    All,
    Part(u64, u64),
    Nothing,
}

/// Reads `Range`; one that is not understood, or has several parts, means everything.
fn range(asked: &HeaderMap, etag: &str, modified: SystemTime, size: u64) -> Range {
    let part = text(asked, header::RANGE).and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = part.and_then(|part| part.trim().split_once('-')) else {
        return Range::All;
    };
    if let Some(condition) = text(asked, header::IF_RANGE) {
        let unchanged =
            condition == etag || httpdate::parse_http_date(condition).is_ok_and(|date| date == modified);
        if !unchanged {
            return Range::All;
        }
    }
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // One that is too large for any file is as good as the largest.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (Some(first), _) if first >= size && (last.is_empty() || number(last).is_some()) => Range::Nothing,
        (Some(first), None) if last.is_empty() => Range::Part(first, size - 1),
        (Some(first), Some(last)) if first <= last => Range::Part(first, last.min(size - 1)),
        (None, Some(0)) if first.is_empty() => Range::Nothing,
        (None, Some(_)) if first.is_empty() && size == 0 => Range::Nothing,
        (None, Some(count)) if first.is_empty() => Range::Part(size.saturating_sub(count), size - 1),
        _ => Range::All,
    }
}

/// The digest in the form of RFC 9530, for the algorithms that it knows.
fn repr_digest(digest: &str) -> Option<String> {
    let (algorithm, hex) = digest.split_once(':')?;
    let name = match algorithm {
        "sha256" => "sha-256",
        "sha512" => "sha-512",
        _ => return None,
    };
    let bytes: Option<Vec<u8>> = (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok())
        .collect();
    Some(format!("{name}=:{}:", STANDARD.encode(bytes?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range_header: &str, expected: Range) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range_header.parse().expect("a value"));
        assert_eq!(
            range(&headers, "\"e\"", SystemTime::UNIX_EPOCH, 100),
            expected,
            "{range_header}"
        );
    }

    #[test]
    fn one_range_is_served_and_others_mean_everything() {
        check("bytes=0-9", Range::Part(0, 9));
        check("bytes=90-", Range::Part(90, 99));
        check("bytes=90-1000", Range::Part(90, 99));
        check("bytes=-10", Range::Part(90, 99));
        check("bytes=-1000", Range::Part(0, 99));
        check("bytes=0-99999999999999999999999", Range::Part(0, 99));
        for nothing in [
            "bytes=100-",
            "bytes=100-200",
            "bytes=-0",
            "bytes=99999999999999999999999-",
        ] {
            check(nothing, Range::Nothing);
        }
        for all in [
            "bytes=9-1",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "bytes=-",
            "lines=0-1",
            "bytes=1",
            "bytes=+1-2",
        ] {
            check(all, Range::All);
        }
    }

    #[test]
    fn a_range_of_something_else_means_everything() {
        for (condition, expected) in [
            ("\"e\"", Range::Part(0, 9)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Range::Part(0, 9)),
            ("\"other\"", Range::All),
            ("W/\"e\"", Range::All),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-9"));
            headers.insert(header::IF_RANGE, condition.parse().expect("a value"));
            assert_eq!(range(&headers, "\"e\"", SystemTime::UNIX_EPOCH, 100), expected);
        }
    }

    #[test]
    fn digests_are_told_as_http_has_them() {
        let digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let expected = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
        assert_eq!(repr_digest(digest).as_deref(), Some(expected));
        assert_eq!(repr_digest("blake3:00"), None);
    }
}
