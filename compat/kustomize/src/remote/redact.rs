//! Takes secrets out of URLs before they are shown.

/// Parameters of a git reference, which are no secrets.
const HARMLESS: [&str; 4] = ["ref", "version", "timeout", "submodules"];

/// The text with user names, passwords and unknown query parameters of its URLs replaced by `xxxxx`, as Go does it for
/// passwords.
///
/// A URL may carry a token in any of these places (`https://token@host/`, `https://host/file?token=...`). The user of an
/// `ssh` URL is part of the address and stays.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // One slash will do: a path that is made of a URL has lost the other.
    while let Some(at) = rest.find(":/") {
        let scheme = rest[..at]
            .rfind(|c: char| !c.is_ascii_alphanumeric())
            .map_or(&rest[..at], |before| &rest[before..at]);
        let scheme = scheme.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_ssh = scheme.eq_ignore_ascii_case("ssh");
        let is_url = is_ssh || scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let slashes = rest[at + 1..].len() - rest[at + 1..].trim_start_matches('/').len();
        let start = at + 1 + slashes;
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        if !is_url {
            continue;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | '\\'))
            .unwrap_or(rest.len());
        redact_url(&rest[..end], is_ssh, &mut out);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// A URL without its scheme.
fn redact_url(url: &str, is_ssh: bool, out: &mut String) {
    let (location, query) = match url.split_once('?') {
        Some((location, query)) => (location, Some(query)),
        None => (url, None),
    };
    let authority_end = location.find('/').unwrap_or(location.len());
    match location[..authority_end].rfind('@') {
        Some(at) => {
            let (user, password) = location[..at]
                .split_once(':')
                .map_or((&location[..at], None), |(user, password)| (user, Some(password)));
            out.push_str(if is_ssh { user } else { "xxxxx" });
            if password.is_some() {
                out.push_str(":xxxxx");
            }
            out.push_str(&location[at..]);
        }
        None => out.push_str(location),
    }
    let mut separator = '?';
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        out.push(separator);
        separator = '&';
        match pair.split_once('=') {
            Some((key, _)) if !HARMLESS.contains(&key) => {
                out.push_str(key);
                out.push_str("=xxxxx");
            }
            _ => out.push_str(pair),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn tokens_in_urls_are_not_shown() {
        for (text, shown) in [
            ("no url: at all", "no url: at all"),
            (
                "from 'https://host/a.yaml': failed",
                "from 'https://host/a.yaml': failed",
            ),
            (
                "'https://user:secret@host/r.git?ref=v1': and https://token@host/x",
                "'https://xxxxx:xxxxx@host/r.git?ref=v1': and https://xxxxx@host/x",
            ),
            (
                "Get \"https://host/f?token=abc&ref=x&sig=d\": EOF",
                "Get \"https://host/f?token=xxxxx&ref=x&sig=xxxxx\": EOF",
            ),
            (
                "'ssh://git@host/r' 'ssh://git:secret@host/r'",
                "'ssh://git@host/r' 'ssh://git:xxxxx@host/r'",
            ),
            (
                "on '/srv/https:/user:secret@host/r' : no",
                "on '/srv/https:/xxxxx:xxxxx@host/r' : no",
            ),
            ("https://host/p@th", "https://host/p@th"),
            ("ends with ://", "ends with ://"),
        ] {
            assert_eq!(redact(text), shown);
        }
    }
}
