//! `urlParse` and `urlJoin`: the rules of Go's net/url.

use std::collections::BTreeMap;

use gotmpl::{FuncError, FuncMap, Map, Str, Type, Value};

pub(crate) fn register(functions: &mut FuncMap) {
    functions
        .add("urlParse", |text: Str| parse_to_map(&text))
        .add("urlJoin", |map: Map| join(&map));
}

/// A URL in its parts; path and fragment are decoded, the query is not.
#[derive(Default)]
struct Url {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    user: Option<User>,
    host: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    fragment: Vec<u8>,
}

#[derive(Clone)]
struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// Where in a URL a character stands, which decides whether it is escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    Zone,
    UserPassword,
    Fragment,
}

fn parse_to_map(text: &Str) -> Result<Map, FuncError> {
    let url = parse(text).map_err(|message| FuncError::new(format!("unable to parse url: {message}")))?;
    let host_name = host_name(&url.host).to_vec();
    let user = url.user.as_ref().map(User::text).unwrap_or_default();
    let entries: BTreeMap<Str, Value> = [
        ("scheme", url.scheme),
        ("host", url.host),
        ("hostname", host_name),
        ("path", url.path),
        ("query", url.query),
        ("opaque", url.opaque),
        ("fragment", url.fragment),
        ("userinfo", user),
    ]
    .into_iter()
    .map(|(key, value)| (Str::from(key), Value::Str(value.into())))
    .collect();
    Ok(Map::typed(Type::MAP, entries))
}

fn join(map: &Map) -> Result<Str, FuncError> {
    let part = |key: &str| match map.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Str(text)) => Ok(text.to_vec()),
        Some(Value::Nil) => Err(crate::nil_dereference()),
        Some(other) => Err(FuncError::new(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind()
        ))),
    };
    let mut url = Url {
        scheme: part("scheme")?,
        host: part("host")?,
        path: part("path")?,
        query: part("query")?,
        opaque: part("opaque")?,
        fragment: part("fragment")?,
        ..Url::default()
    };
    let user = part("userinfo")?;
    if !user.is_empty() {
        let text = [b"proto://", user.as_slice(), b"@host"].concat();
        let parsed = parse(&text)
            .map_err(|message| FuncError::new(format!("unable to parse userinfo in dict: {message}")))?;
        url.user = parsed.user;
    }
    Ok(url.text().into())
}

fn parse(text: &[u8]) -> Result<Url, String> {
    // An error outside the fragment shows the URL without it.
    let explained = |url: &[u8], message: String| format!("parse {}: {message}", go_std::quote(url));
    let (rest, fragment) = cut(text, b'#').map_or((text, None), |(rest, fragment)| (rest, Some(fragment)));
    let mut url = parse_without_fragment(rest).map_err(|message| explained(rest, message))?;
    if let Some(fragment) = fragment {
        url.fragment = unescape(fragment, Part::Fragment).map_err(|message| explained(text, message))?;
    }
    Ok(url)
}

fn parse_without_fragment(text: &[u8]) -> Result<Url, String> {
    if text.iter().any(|&b| b < b' ' || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let mut url = Url::default();
    if text == b"*" {
        url.path = text.to_vec();
        return Ok(url);
    }
    let (scheme, mut rest) = scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    if let Some((before, query)) = cut(rest, b'?') {
        url.query = query.to_vec();
        rest = before;
    }
    if !rest.starts_with(b"/") {
        if !url.scheme.is_empty() {
            url.opaque = rest.to_vec();
            return Ok(url);
        }
        let segment = rest.split(|&b| b == b'/').next().unwrap_or_default();
        if segment.contains(&b':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    if (!url.scheme.is_empty() || !rest.starts_with(b"///"))
        && let Some(authority) = rest.strip_prefix(b"//")
    {
        let end = authority
            .iter()
            .position(|&b| b == b'/')
            .unwrap_or(authority.len());
        let (authority, path) = authority.split_at(end);
        rest = path;
        (url.user, url.host) = parse_authority(&url.scheme, authority)?;
    }
    url.path = unescape(rest, Part::Path)?;
    Ok(url)
}

/// Cuts a scheme off the front.
fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => {
                return Ok((
                    text.get(..index).unwrap_or_default(),
                    text.get(index + 1..).unwrap_or_default(),
                ));
            }
            _ => break,
        }
    }
    Ok((b"", text))
}

fn parse_authority(scheme: &[u8], authority: &[u8]) -> Result<(Option<User>, Vec<u8>), String> {
    let Some(at) = authority.iter().rposition(|&b| b == b'@') else {
        return Ok((None, parse_host(scheme, authority)?));
    };
    let (user, host) = authority.split_at(at);
    let host = parse_host(scheme, host.get(1..).unwrap_or_default())?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
    if !user.iter().all(|&b| allowed(b)) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let user = match cut(user, b':') {
        None => User {
            name: unescape(user, Part::UserPassword)?,
            password: None,
        },
        Some((name, password)) => User {
            name: unescape(name, Part::UserPassword)?,
            password: Some(unescape(password, Part::UserPassword)?),
        },
    };
    Ok((Some(user), host))
}

fn parse_host(scheme: &[u8], host: &[u8]) -> Result<Vec<u8>, String> {
    if let Some(open) = host.iter().rposition(|&b| b == b'[') {
        if open > 0 {
            return Err("invalid IP-literal".to_owned());
        }
        return parse_ip_literal(host);
    }
    if let Some(first) = host.iter().position(|&b| b == b':') {
        // Lists of hosts with ports are tolerated outside of the web.
        let last = host.iter().rposition(|&b| b == b':').unwrap_or(first);
        let strict = matches!(scheme, b"http" | b"https");
        check_port(host.get(if strict { first } else { last }..).unwrap_or_default())?;
    }
    unescape(host, Part::Host)
}

/// Reads `[fe80::1%25en0]:80`.
fn parse_ip_literal(host: &[u8]) -> Result<Vec<u8>, String> {
    let Some(close) = host.iter().rposition(|&b| b == b']') else {
        return Err("missing ']' in host".to_owned());
    };
    let (literal, port) = host.split_at(close);
    let (literal, port) = (
        literal.get(1..).unwrap_or_default(),
        port.get(1..).unwrap_or_default(),
    );
    check_port(port)?;
    let zone_start = literal
        .windows(3)
        .position(|w| w == b"%25")
        .unwrap_or(literal.len());
    let (address, zone) = literal.split_at(zone_start);
    let address = unescape(address, Part::Host)?;
    let zone = unescape(zone, Part::Zone)?;
    let text = String::from_utf8_lossy(&address);
    if text.parse::<std::net::Ipv4Addr>().is_ok() && zone.is_empty() {
        return Err("invalid IP-literal".to_owned());
    }
    let problem = match text.parse::<std::net::Ipv6Addr>() {
        Err(_) => Some("unable to parse IP"),
        Ok(_) if zone == b"%" => Some("zone must be a non-empty string"),
        Ok(_) => None,
    };
    if let Some(problem) = problem {
        let quoted = go_std::quote(&[address.as_slice(), &zone].concat());
        return Err(format!("invalid host: ParseAddr({quoted}): {problem}"));
    }
    Ok([b"[", address.as_slice(), &zone, b"]", port].concat())
}

fn check_port(port: &[u8]) -> Result<(), String> {
    if is_optional_port(port) {
        return Ok(());
    }
    Err(format!("invalid port {} after host", go_std::quote(port)))
}

fn is_optional_port(port: &[u8]) -> bool {
    match port.split_first() {
        None => true,
        Some((b':', digits)) => digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}

/// The host without port and without the brackets of an IPv6 address.
fn host_name(host: &[u8]) -> &[u8] {
    let colon = host.iter().rposition(|&b| b == b':');
    let host = match colon {
        Some(colon) if is_optional_port(host.get(colon..).unwrap_or_default()) => {
            host.get(..colon).unwrap_or_default()
        }
        _ => host,
    };
    host.strip_prefix(b"[")
        .and_then(|h| h.strip_suffix(b"]"))
        .unwrap_or(host)
}

fn cut(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&b| b == separator)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b'%' {
            let digits = text.get(at + 1..at + 3).unwrap_or_default();
            let value = match digits {
                [high, low] => char::from(*high).to_digit(16).zip(char::from(*low).to_digit(16)),
                _ => None,
            };
            let Some((high, low)) = value else {
                let wrong = text.get(at..(at + 3).min(text.len())).unwrap_or_default();
                return Err(format!("invalid URL escape {}", go_std::quote(wrong)));
            };
            let decoded = (high << 4 | low) as u8;
            let wrong = || {
                Err(format!(
                    "invalid URL escape {}",
                    go_std::quote(text.get(at..at + 3).unwrap_or_default())
                ))
            };
            // Only bytes beyond ASCII may be escaped in a host, but for the percent sign before a zone.
            if part == Part::Host && high < 8 && digits != b"25" {
                return wrong();
            }
            if part == Part::Zone && digits != b"25" && decoded != b' ' && should_escape(decoded, Part::Host)
            {
                return wrong();
            }
            out.push(decoded);
            at += 3;
            continue;
        }
        if matches!(part, Part::Host | Part::Zone) && byte < 0x80 && should_escape(byte, part) {
            let wrong = go_std::quote(&[byte]);
            return Err(format!("invalid character {wrong} in host name"));
        }
        out.push(byte);
        at += 1;
    }
    Ok(out)
}

fn should_escape(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return false;
    }
    let plain: &[u8] = match part {
        Part::Host | Part::Zone => b"!$&'()*+,;=:[]<>\"",
        Part::Path => b"$&+,/:;=@",
        Part::UserPassword => b"$&+,;=",
        Part::Fragment => b"$&+,/:;=?@!()*",
    };
    !plain.contains(&byte)
}

fn escape(text: &[u8], part: Part) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        if should_escape(byte, part) {
            out.push(b'%');
            out.extend(
                [byte >> 4, byte & 15].map(|digit| HEX.get(usize::from(digit)).copied().unwrap_or(b'0')),
            );
        } else {
            out.push(byte);
        }
    }
    out
}

impl User {
    fn text(&self) -> Vec<u8> {
        let mut out = escape(&self.name, Part::UserPassword);
        if let Some(password) = &self.password {
            out.push(b':');
            out.extend(escape(password, Part::UserPassword));
        }
        out
    }
}

impl Url {
    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.write_hierarchy(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(escape(&self.fragment, Part::Fragment));
        }
        out
    }

    fn write_hierarchy(&self, out: &mut Vec<u8>) {
        let has_authority = !self.host.is_empty() || self.user.is_some();
        if has_authority || (!self.scheme.is_empty() && !self.path.is_empty()) {
            out.extend_from_slice(b"//");
        }
        if let Some(user) = &self.user {
            out.extend(user.text());
            out.push(b'@');
        }
        out.extend(escape(&self.host, Part::Host));
        let path = if self.path == b"*" {
            self.path.clone()
        } else {
            escape(&self.path, Part::Path)
        };
        if !path.is_empty() && !path.starts_with(b"/") && !self.host.is_empty() {
            out.push(b'/');
        }
        // A colon in the first segment would be read as the end of a scheme.
        if out.is_empty()
            && path
                .split(|&b| b == b'/')
                .next()
                .is_some_and(|segment| segment.contains(&b':'))
        {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}
