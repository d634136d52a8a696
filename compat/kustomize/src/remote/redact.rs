//! Takes secrets out of URLs before they are shown.

/// Parameters of a git reference, which are no secrets.
const HARMLESS: [&str; 4] = ["ref", "version", "timeout", "submodules"];

/// The schemes of URLs that may carry credentials; the user of `ssh` is part of the address.
const SCHEMES: [&str; 7] = ["http", "https", "ftp", "ftps", "git", "oci", "ssh"];

/// The text with user names, passwords, unknown query parameters and fragments of its URLs replaced by `xxxxx`, as Go
/// does it for passwords.
///
/// A URL may carry a token in any of these places (`https://token@host/`, `https://host/file?token=...`). The user of an
/// `ssh` URL is part of the address and stays.
pub fn redact_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // One slash will do: a path that is made of a URL has lost the other.
    while let Some(at) = rest.find(":/") {
        let scheme = rest[..at]
            .rfind(|c: char| !c.is_ascii_alphanumeric())
            .map_or(&rest[..at], |before| &rest[before..at]);
        let scheme = scheme.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_ssh = scheme.eq_ignore_ascii_case("ssh");
        let is_url = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
        let slashes = rest[at + 1..].len() - rest[at + 1..].trim_start_matches('/').len();
        let start = at + 1 + slashes;
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        if !is_url {
            continue;
        }
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        let after = |start: usize| {
            let quote = word[start..].find(['\'', '"', '`', '\\']);
            quote.map_or(word.len(), |at| start + at)
        };
        // A quote may be a part of a password, too.
        let end = after(credentials_end(&word[..after(0)]).max(hidden_end(word)));
        redact_url(&rest[..end], is_ssh, &mut out);
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// A URL without its scheme.
fn redact_url(url: &str, is_ssh: bool, out: &mut String) {
    let (credentials, location) = url.split_at(credentials_end(url));
    if !credentials.is_empty() {
        let user = credentials.trim_end_matches('@');
        let (user, password) = user
            .split_once(':')
            .map_or((user, None), |(user, password)| (user, Some(password)));
        out.push_str(if is_ssh { user } else { "xxxxx" });
        if password.is_some() {
            out.push_str(":xxxxx");
        }
        out.push('@');
    }
    let (location, fragment) = match location.split_once('#') {
        Some((location, fragment)) => (location, Some(fragment)),
        None => (location, None),
    };
    let (location, query) = match location.split_once('?') {
        Some((location, query)) => (location, Some(query)),
        None => (location, None),
    };
    out.push_str(location);
    let mut separator = '?';
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        out.push(separator);
        separator = '&';
        match pair.split_once('=') {
            Some((key, _)) if !HARMLESS.contains(&key) => {
                out.push_str(key);
                out.push_str("=xxxxx");
            }
            // It has no name that tells what it is.
            None if !pair.is_empty() => out.push_str("xxxxx"),
            _ => out.push_str(pair),
        }
    }
    if fragment.is_some() {
        out.push_str("#xxxxx");
    }
}

/// Where the user and the password of a URL without its scheme end, behind the `@`; 0 when it has none.
fn credentials_end(url: &str) -> usize {
    let authority = &url[..url.find(['/', '?', '#']).unwrap_or(url.len())];
    match authority.rfind('@') {
        Some(at) => at + 1,
        None => hidden_end(url),
    }
}

/// The same for a password with `/`, `?`, `#` or a quote as it is.
///
/// That makes a URL that nothing accepts, and every error repeats it. Its authority seems to end in a port that is none.
fn hidden_end(url: &str) -> usize {
    let end = url.find(['/', '?', '#', '\'', '"', '`', '\\', '@']);
    let (authority, rest) = url.split_at(end.unwrap_or(url.len()));
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) || authority.ends_with(']');
    if is_port || rest.starts_with('@') {
        0
    } else {
        url.rfind('@').map_or(0, |at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::redact_urls;

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
            (
                "https://host:8080/p@th https://[::1]/p@th",
                "https://host:8080/p@th https://[::1]/p@th",
            ),
            (
                "'https://user:se/cr@et@host/r', 'https://user:se?cr#e't@host/r?x#y': no",
                "'https://xxxxx:xxxxx@host/r', 'https://xxxxx:xxxxx@host/r?xxxxx#xxxxx': no",
            ),
            (
                "ftp://user:secret@host git::https://token@host//a?ref=v1&",
                "ftp://xxxxx:xxxxx@host git::https://xxxxx@host//a?ref=v1&",
            ),
            ("ends with ://", "ends with ://"),
        ] {
            assert_eq!(redact_urls(text), shown);
        }
    }
}
