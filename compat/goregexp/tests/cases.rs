//! Replays `cases/`, recorded from Go's regexp package by `cargo xtask record sprig`; or the folder named by `GO_REGEXP_CASES`, which is
//! how thousands of generated patterns are compared.
#![expect(clippy::unwrap_used, reason = "a broken case file may stop the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use go_regexp::Regexp;

#[test]
fn same_as_go() {
    let root = std::env::var_os("GO_REGEXP_CASES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"), Into::into);
    let mut folders: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert!(!folders.is_empty());
    let mut report = String::new();
    for folder in folders {
        let input = fs::read_to_string(folder.join("input.txt")).unwrap();
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
        assert_eq!(
            input.lines().count(),
            expected.lines().count(),
            "{}: record it again",
            folder.display()
        );
        for (line, expected) in input.lines().zip(expected.lines()) {
            let fields: Vec<Vec<u8>> = line.splitn(3, '\t').map(unquote).collect();
            let actual = describe(&fields[0], &fields[1], &fields[2]);
            if actual.as_bytes() != error_text(expected).as_slice() {
                let _ = writeln!(
                    report,
                    "{}: {line}\n  go   {expected}\n  ours {actual}",
                    folder.display()
                );
            }
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

/// The oracle's line about a pattern, a text and a replacement.
fn describe(pattern: &[u8], text: &[u8], replacement: &[u8]) -> String {
    let re = match Regexp::new(pattern) {
        Ok(re) => re,
        Err(error) => return format!("! {error}"),
    };
    let spans = |n| {
        let spans: Vec<_> = re
            .find_all(text, n)
            .iter()
            .map(|m| format!("[{} {}]", m.start, m.end))
            .collect();
        format!("[{}]", spans.join(" "))
    };
    let groups: Vec<String> = re
        .captures(text)
        .unwrap_or_default()
        .iter()
        .map(|group| {
            group
                .as_ref()
                .map_or("-1 -1".into(), |g| format!("{} {}", g.start, g.end))
        })
        .collect();
    let split = |n| {
        let pieces: Vec<_> = re.split(text, n).into_iter().map(ascii).collect();
        format!("[{}]", pieces.join(" "))
    };
    format!(
        "= all={} two={} groups=[{}] replaced={} literal={} split={} split2={}",
        spans(-1),
        spans(2),
        groups.join(" "),
        ascii(&re.replace_all(text, replacement)),
        ascii(&re.replace_all_literal(text, replacement)),
        split(-1),
        split(2)
    )
}

fn ascii(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for &b in text {
        if (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\' {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "\\x{b:02x}");
        }
    }
    out + "\""
}

/// The text of a recorded error with its quoting removed; other lines as they are.
fn error_text(line: &str) -> Vec<u8> {
    match line.strip_prefix("! ") {
        // What is not UTF-8 in an error is shown as U+FFFD.
        Some(quoted) => format!("! {}", String::from_utf8_lossy(&unquote(quoted))).into_bytes(),
        None => line.as_bytes().to_vec(),
    }
}

/// Reads a Go string literal.
fn unquote(literal: &str) -> Vec<u8> {
    if let Some(raw) = literal.strip_prefix('`') {
        return raw.strip_suffix('`').unwrap().as_bytes().to_vec();
    }
    let body = literal
        .strip_prefix('"')
        .and_then(|s| s.strip_suffix('"'))
        .unwrap();
    let mut out = Vec::new();
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next().unwrap() {
            'x' => out.push(u8::try_from(hex(&mut chars, 2)).unwrap()),
            'u' => push_char(&mut out, hex(&mut chars, 4)),
            'U' => push_char(&mut out, hex(&mut chars, 8)),
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            other => push_char(&mut out, u32::from(other)),
        }
    }
    out
}

fn hex(chars: &mut std::str::Chars<'_>, digits: usize) -> u32 {
    u32::from_str_radix(&chars.take(digits).collect::<String>(), 16).unwrap()
}

fn push_char(out: &mut Vec<u8>, code: u32) {
    out.extend_from_slice(char::from_u32(code).unwrap().encode_utf8(&mut [0; 4]).as_bytes());
}
