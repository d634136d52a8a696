//! Functions on strings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gotmpl::{Context, FuncError, FuncMap, List, Map, Rest, Str, Type, Value};

use crate::environment::{Environment, Random};
use crate::{cast, runes, words, wrap};

pub(crate) fn register(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    functions
        .add("hello", || "Hello!")
        .add("abbrev", |width: isize, s: Str| {
            if width < 4 {
                s
            } else {
                wrap::abbreviate(&s, 0, width).unwrap_or_default().into()
            }
        })
        .add("abbrevboth", |left: isize, right: isize, s: Str| {
            if right < 4 || (left > 0 && right < 7) {
                s
            } else {
                wrap::abbreviate(&s, left, right).unwrap_or_default().into()
            }
        })
        .add("trunc", truncate)
        .add("trim", |s: Str| s.subslice(runes::trim(&s, char::is_whitespace)))
        .add("upper", |s: Str| {
            map_ascii_or(
                s,
                u8::is_ascii_lowercase,
                <[u8]>::to_ascii_uppercase,
                runes::to_upper,
            )
        })
        .add("lower", |s: Str| {
            map_ascii_or(
                s,
                u8::is_ascii_uppercase,
                <[u8]>::to_ascii_lowercase,
                runes::to_lower,
            )
        })
        .add("title", |s: Str| Str::from(title(&s)))
        .add("untitle", |s: Str| Str::from(untitle(&s)))
        .add("swapcase", |s: Str| Str::from(swap_case(&s)))
        .add("substr", substring)
        .add("repeat", |cx: &mut Context<'_>, count: isize, s: Str| {
            repeat(cx, count, &s)
        })
        .add("trimall", trim_all)
        .add("trimAll", trim_all)
        .add("trimSuffix", |suffix: Str, s: Str| {
            s.strip_suffix(&*suffix)
                .map_or_else(|| s.clone(), |part| s.subslice(part))
        })
        .add("trimPrefix", |prefix: Str, s: Str| {
            s.strip_prefix(&*prefix)
                .map_or_else(|| s.clone(), |part| s.subslice(part))
        })
        .add("nospace", |s: Str| Str::from(wrap::without_space(&s)))
        .add("initials", |s: Str| Str::from(wrap::initials(&s)))
        .add("snakecase", |cx: &mut Context<'_>, s: Str| {
            charge_runes(cx, &s).map(|()| Str::from(words::lower_words(&s, '_')))
        })
        .add("kebabcase", |cx: &mut Context<'_>, s: Str| {
            charge_runes(cx, &s).map(|()| Str::from(words::lower_words(&s, '-')))
        })
        .add("camelcase", |cx: &mut Context<'_>, s: Str| {
            charge_runes(cx, &s).map(|()| Str::from(words::pascal(&s)))
        })
        .add("wrap", |cx: &mut Context<'_>, width: isize, s: Str| {
            wrap_with(cx, width, b"", &s, false)
        })
        .add(
            "wrapWith",
            |cx: &mut Context<'_>, width: isize, separator: Str, s: Str| {
                wrap_with(cx, width, &separator, &s, true)
            },
        )
        .add("contains", |needle: Str, s: Str| {
            memchr::memmem::find(&s, &needle).is_some()
        })
        .add("hasPrefix", |prefix: Str, s: Str| s.starts_with(&prefix))
        .add("hasSuffix", |suffix: Str, s: Str| s.ends_with(&suffix))
        .add("quote", quote)
        .add("squote", single_quote)
        .add("cat", concatenate)
        .add("indent", |cx: &mut Context<'_>, spaces: isize, s: Str| {
            indent(cx, spaces, &s, false)
        })
        .add("nindent", |cx: &mut Context<'_>, spaces: isize, s: Str| {
            indent(cx, spaces, &s, true)
        })
        .add("replace", replace)
        .add(
            "plural",
            |one: Str, many: Str, count: isize| if count == 1 { one } else { many },
        )
        .add("toString", |cx: &mut Context<'_>, value: Value| {
            cast::text(cx, &value)
        })
        .add("toStrings", |cx: &mut Context<'_>, value: Value| {
            // Texts take more than what the list is counted for.
            cx.charge_items(value.as_list().map_or(0, List::len))?;
            strings_of(cx, &value)
        })
        .add("join", |cx: &mut Context<'_>, separator: Str, value: Value| {
            join(cx, &separator, &value)
        })
        .add("split", |cx: &mut Context<'_>, separator: Str, s: Str| {
            numbered(cx, &s, &separator, -1)
        })
        .add(
            "splitn",
            |cx: &mut Context<'_>, separator: Str, n: isize, s: Str| numbered(cx, &s, &separator, n),
        )
        .add("splitList", |cx: &mut Context<'_>, separator: Str, s: Str| {
            split(cx, &s, &separator, -1).map(List::strings)
        });
    register_random(functions, environment);
}

/// Counts the work on a text whose characters are looked at one by one, several times each.
fn charge_runes(cx: &mut Context<'_>, text: &[u8]) -> Result<(), FuncError> {
    cx.charge(text.len() as u64)
}

fn register_random(functions: &mut FuncMap, environment: &Arc<dyn Environment>) {
    const DIGITS: &[u8] = b"0123456789";
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letters_and_digits = [LETTERS, DIGITS].concat();
    let ascii: Vec<u8> = (b' '..=b'~').collect();
    for (name, alphabet) in [
        ("randAlpha", LETTERS.to_vec()),
        ("randNumeric", DIGITS.to_vec()),
        ("randAlphaNum", letters_and_digits),
        ("randAscii", ascii),
    ] {
        let environment = Arc::clone(environment);
        functions.add(name, move |cx: &mut Context<'_>, count: isize| {
            let count = usize::try_from(count).unwrap_or(0);
            cx.check_string(count)?;
            cx.charge(Random::STEPS + count as u64 + count as u64 / 4)?;
            let mut random = Random::new(&*environment);
            let pick = |_| {
                let index = random.below(alphabet.len() as u64) as usize;
                alphabet.get(index).copied().unwrap_or(b'0')
            };
            Ok::<_, FuncError>(Str::from((0..count).map(pick).collect::<Vec<u8>>()))
        });
    }
    let environment = Arc::clone(environment);
    functions.add("shuffle", move |cx: &mut Context<'_>, s: Str| {
        cx.charge(Random::STEPS + 2 * s.len() as u64)?;
        let mut random = Random::new(&*environment);
        let mut shuffled: Vec<char> = runes::runes(&s).collect();
        for index in (1..shuffled.len()).rev() {
            shuffled.swap(index, random.below(index as u64 + 1) as usize);
        }
        Ok::<_, FuncError>(shuffled.into_iter().collect::<String>())
    });
}

fn truncate(length: isize, s: Str) -> Str {
    if length < 0 {
        let keep = length.unsigned_abs();
        if keep < s.len() {
            s.slice(s.len() - keep, s.len())
        } else {
            s
        }
    } else {
        s.slice(0, length as usize)
    }
}

/// Maps ASCII text the short way, and returns text that would not change as it is.
fn map_ascii_or(
    s: Str,
    changes: fn(&u8) -> bool,
    ascii: fn(&[u8]) -> Vec<u8>,
    each: fn(char) -> char,
) -> Str {
    if !s.is_ascii() {
        return runes::map(&s, each).into();
    }
    if s.iter().any(changes) {
        ascii(&s).into()
    } else {
        s
    }
}

fn title(s: &[u8]) -> Vec<u8> {
    let mut previous = ' ';
    runes::map(s, |c| {
        let starts_word = if previous.is_ascii() {
            !(previous.is_ascii_alphanumeric() || previous == '_')
        } else {
            !runes::is_letter(previous) && !runes::is_digit(previous) && previous.is_whitespace()
        };
        previous = c;
        if starts_word { runes::to_title(c) } else { c }
    })
}

fn untitle(s: &[u8]) -> Vec<u8> {
    let mut at_start = true;
    runes::map(s, |c| {
        if c.is_whitespace() {
            at_start = true;
            c
        } else if std::mem::take(&mut at_start) {
            runes::to_lower(c)
        } else {
            c
        }
    })
}

fn swap_case(s: &[u8]) -> Vec<u8> {
    let mut at_start = true;
    runes::map(s, |c| {
        if runes::is_upper(c) || runes::is_title(c) {
            at_start = false;
            runes::to_lower(c)
        } else if runes::is_lower(c) {
            if std::mem::take(&mut at_start) {
                runes::to_title(c)
            } else {
                runes::to_upper(c)
            }
        } else {
            at_start = c.is_whitespace();
            c
        }
    })
}

fn substring(start: isize, end: isize, s: Str) -> Result<Str, FuncError> {
    let length = s.len() as isize;
    let out_of_range = |bounds: String| {
        Err(FuncError::new(format!(
            "runtime error: slice bounds out of range {bounds}"
        )))
    };
    if start < 0 {
        return match usize::try_from(end) {
            Err(_) => out_of_range(format!("[:{end}]")),
            Ok(_) if end > length => out_of_range(format!("[:{end}] with length {length}")),
            Ok(end) => Ok(s.slice(0, end)),
        };
    }
    if end < 0 || end > length {
        if start > length {
            return out_of_range(format!("[{start}:{length}]"));
        }
        return Ok(s.slice(start as usize, s.len()));
    }
    if start > end {
        return out_of_range(format!("[{start}:{end}]"));
    }
    Ok(s.slice(start as usize, end as usize))
}

/// `strings.Repeat`.
fn repeat(cx: &mut Context<'_>, count: isize, s: &Str) -> Result<Str, FuncError> {
    let count = usize::try_from(count).map_err(|_| FuncError::new("strings: negative Repeat count"))?;
    let bytes = s
        .len()
        .checked_mul(count)
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or_else(|| FuncError::new("strings: Repeat output length overflow"))?;
    cx.check_string(bytes)?;
    Ok(s.repeat(count).into())
}

fn trim_all(cx: &mut Context<'_>, cut: Str, s: Str) -> Result<Str, FuncError> {
    charge_runes(cx, &cut)?;
    let cut: BTreeSet<char> = runes::runes(&cut).collect();
    Ok(s.subslice(runes::trim(&s, |c| cut.contains(&c))))
}

fn wrap_with(
    cx: &mut Context<'_>,
    width: isize,
    separator: &[u8],
    s: &[u8],
    cut_words: bool,
) -> Result<Str, FuncError> {
    // At worst there is a separator behind every byte.
    let lines = s.len() / width.max(1) as usize + 1;
    cx.check_string(
        s.len()
            .saturating_add(lines.saturating_mul(separator.len().max(1))),
    )?;
    Ok(wrap::wrap(s, width, separator, cut_words).into())
}

fn quote(cx: &mut Context<'_>, values: Rest<Value>) -> Result<Str, FuncError> {
    let mut out = Vec::new();
    let max = cx.limits().string_bytes;
    for value in values.0.iter().filter(|value| !value.is_nil()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        let text = &cast::text(cx, value)?;
        if !go_std::append_quote_within(&mut out, text, max) {
            cx.check_length(out.len())?;
        }
    }
    Ok(out.into())
}

/// Appends a text, unless all is too long then: one value may be given many times over.
fn append(cx: &Context<'_>, out: &mut Vec<u8>, text: &[u8]) -> Result<(), FuncError> {
    cx.check_length(out.len() + text.len())?;
    out.extend_from_slice(text);
    Ok(())
}

fn single_quote(cx: &mut Context<'_>, values: Rest<Value>) -> Result<Str, FuncError> {
    let mut out = Vec::new();
    for value in values.0.iter().filter(|value| !value.is_nil()) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.push(b'\'');
        let text = cast::printed(cx, value)?;
        append(cx, &mut out, &text)?;
        out.push(b'\'');
    }
    Ok(out.into())
}

/// `cat`: all values but nil, separated by blanks.
fn concatenate(cx: &mut Context<'_>, values: Rest<Value>) -> Result<Str, FuncError> {
    let mut out = Vec::new();
    for (index, value) in values.0.iter().filter(|value| !value.is_nil()).enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        let text = cast::printed(cx, value)?;
        append(cx, &mut out, &text)?;
    }
    Ok(out.into())
}

fn indent(cx: &mut Context<'_>, spaces: isize, s: &[u8], on_new_line: bool) -> Result<Str, FuncError> {
    let spaces = usize::try_from(spaces).map_err(|_| FuncError::new("strings: negative Repeat count"))?;
    let lines = memchr::memchr_iter(b'\n', s).count() + 1;
    let bytes = lines.saturating_mul(spaces).saturating_add(s.len() + 1);
    cx.check_string(bytes)?;
    let mut out = Vec::with_capacity(bytes);
    if on_new_line {
        out.push(b'\n');
    }
    for line in s.split_inclusive(|&b| b == b'\n') {
        out.resize(out.len() + spaces, b' ');
        out.extend_from_slice(line);
    }
    // The text after a final newline is a line too, and so is an empty text.
    if s.last().is_none_or(|&b| b == b'\n') {
        out.resize(out.len() + spaces, b' ');
    }
    Ok(out.into())
}

fn replace(cx: &mut Context<'_>, old: Str, new: Str, s: Str) -> Result<Str, FuncError> {
    let mut out = Vec::with_capacity(s.len());
    if old.is_empty() {
        cx.check_string(s.len().saturating_add(new.len().saturating_mul(s.len() + 1)))?;
        out.extend_from_slice(&new);
        let mut at = 0;
        for (_, width) in runes::widths(&s) {
            out.extend_from_slice(s.get(at..at + width).unwrap_or_default());
            out.extend_from_slice(&new);
            at += width;
        }
        return Ok(out.into());
    }
    let mut copied = 0;
    for at in memchr::memmem::find_iter(&s, &*old) {
        out.extend_from_slice(s.get(copied..at).unwrap_or_default());
        out.extend_from_slice(&new);
        copied = at + old.len();
        if out.len() > cx.limits().string_bytes {
            break;
        }
    }
    if copied == 0 {
        return Ok(s);
    }
    out.extend_from_slice(s.get(copied..).unwrap_or_default());
    cx.check_string(out.len())?;
    Ok(out.into())
}

/// `toStrings`; a `[]string` is returned as it is, not copied.
pub(crate) fn strings_of(cx: &mut Context<'_>, value: &Value) -> Result<List, FuncError> {
    match value {
        Value::List(list) if list.ty() == Type::STRINGS => Ok(list.clone()),
        other => Ok(List::strings(cast::texts(cx, other)?)),
    }
}

fn join(cx: &mut Context<'_>, separator: &Str, value: &Value) -> Result<Str, FuncError> {
    let texts = cast::texts(cx, value)?;
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    cx.check_string(bytes.saturating_add(separator.len().saturating_mul(texts.len())))?;
    let mut out = Vec::with_capacity(bytes + separator.len() * texts.len());
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(text);
    }
    Ok(out.into())
}

/// `strings.SplitN`: at most `n` parts, all if `n` is negative; an empty separator cuts between runes.
fn split(cx: &mut Context<'_>, s: &Str, separator: &[u8], n: isize) -> Result<Vec<Str>, FuncError> {
    let most = usize::try_from(n).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    if most == 0 {
        return Ok(parts);
    }
    let mut at = 0;
    if separator.is_empty() {
        for (_, width) in runes::widths(s) {
            if parts.len() + 1 >= most {
                break;
            }
            cx.charge_items(1)?;
            parts.push(s.slice(at, at + width));
            at += width;
        }
        if at < s.len() {
            parts.push(s.slice(at, s.len()));
        }
        return Ok(parts);
    }
    for found in memchr::memmem::find_iter(s, separator).take(most - 1) {
        cx.charge_items(1)?;
        parts.push(s.slice(at, found));
        at = found + separator.len();
    }
    parts.push(s.slice(at, s.len()));
    Ok(parts)
}

/// Parts under the keys `_0`, `_1`, ...
fn numbered(cx: &mut Context<'_>, s: &Str, separator: &[u8], n: isize) -> Result<Map, FuncError> {
    let parts = split(cx, s, separator, n)?;
    // Each key is a text of its own.
    cx.charge_items(parts.len())?;
    let entries: BTreeMap<Str, Value> = parts
        .into_iter()
        .enumerate()
        .map(|(index, part)| (Str::from(format!("_{index}")), Value::Str(part)))
        .collect();
    Ok(Map::typed(Type::STRING_MAP, entries))
}
