//! Functions on regular expressions.

use std::cell::RefCell;

use go_regexp::{ErrorKind, Regexp, Scan, quote_meta};
use gotmpl::{Context, FuncError, FuncMap, List, Str, Type};

pub(crate) fn register(functions: &mut FuncMap) {
    functions
        .add("regexMatch", |cx: &mut Context<'_>, pattern: Str, s: Str| {
            match compile(cx, &pattern, &s)? {
                // Go may compile it, so that there is no answer.
                Err(error) if error.kind() == ErrorKind::Large => Err(FuncError::limit(error.to_string())),
                compiled => Ok(compiled.is_ok_and(|re| re.is_match(&*s))),
            }
        })
        .add("mustRegexMatch", |cx: &mut Context<'_>, pattern: Str, s: Str| {
            must(cx, &pattern, &s).map(|re| re.is_match(&*s))
        })
        .add("regexQuoteMeta", |s: Str| Str::from(quote_meta(&s)));
    for (name, compile) in [("regexFind", plain as Compile), ("mustRegexFind", must)] {
        functions.add(name, move |cx: &mut Context<'_>, pattern: Str, s: Str| {
            Ok::<_, FuncError>(
                compile(cx, &pattern, &s)?
                    .find(&s)
                    .map_or_else(Str::default, |m| s.slice(m.start, m.end)),
            )
        });
    }
    for (name, compile) in [("regexFindAll", plain as Compile), ("mustRegexFindAll", must)] {
        functions.add(
            name,
            move |cx: &mut Context<'_>, pattern: Str, s: Str, n: isize| {
                let re = compile(cx, &pattern, &s)?;
                let most = within_limits(cx, n);
                let found = scanning(cx, |scan| re.find_all_within(&s, most, scan))?;
                cx.charge_items(found.len())?;
                if found.is_empty() {
                    return Ok(List::nil_of(Type::STRINGS));
                }
                Ok::<_, FuncError>(List::strings(found.into_iter().map(|m| s.slice(m.start, m.end))))
            },
        );
    }
    for (name, compile) in [
        ("regexReplaceAll", plain as Compile),
        ("mustRegexReplaceAll", must),
    ] {
        functions.add(
            name,
            move |cx: &mut Context<'_>, pattern: Str, s: Str, template: Str| {
                let re = compile(cx, &pattern, &s)?;
                bounded(cx, |max, scan| re.replace_all_within(&s, &template, max, scan))
            },
        );
    }
    for (name, compile) in [
        ("regexReplaceAllLiteral", plain as Compile),
        ("mustRegexReplaceAllLiteral", must),
    ] {
        functions.add(
            name,
            move |cx: &mut Context<'_>, pattern: Str, s: Str, replacement: Str| {
                let re = compile(cx, &pattern, &s)?;
                bounded(cx, |max, scan| {
                    re.replace_all_literal_within(&s, &replacement, max, scan)
                })
            },
        );
    }
    for (name, compile) in [("regexSplit", plain as Compile), ("mustRegexSplit", must)] {
        functions.add(
            name,
            move |cx: &mut Context<'_>, pattern: Str, s: Str, n: isize| {
                let re = compile(cx, &pattern, &s)?;
                if n == 0 {
                    return Ok(List::nil_of(Type::STRINGS));
                }
                let most = within_limits(cx, n);
                let parts = scanning(cx, |scan| re.split_within(&s, most, scan))?;
                cx.charge_items(parts.len())?;
                Ok::<_, FuncError>(List::strings(parts.into_iter().map(|part| s.subslice(part))))
            },
        );
    }
}

type Compile = fn(&mut Context<'_>, &[u8], &[u8]) -> Result<Regexp, FuncError>;

/// Compiles a pattern for a text, with the error text of `regexp.Compile`.
fn must(cx: &mut Context<'_>, pattern: &[u8], text: &[u8]) -> Result<Regexp, FuncError> {
    compile(cx, pattern, text)?.map_err(|error| FuncError::new(error.to_string()))
}

/// Compiles a pattern for a text, with the error text of `regexp.MustCompile`.
fn plain(cx: &mut Context<'_>, pattern: &[u8], text: &[u8]) -> Result<Regexp, FuncError> {
    compile(cx, pattern, text)?.map_err(|error| {
        let quoted = if go_std::can_backquote(pattern) {
            format!("`{}`", String::from_utf8_lossy(pattern))
        } else {
            go_std::quote(pattern)
        };
        FuncError::new(format!("regexp: Compile({quoted}): {error}"))
    })
}

/// Compiles a pattern, and counts what that and matching a text with it may take towards the limits.
fn compile(
    cx: &mut Context<'_>,
    pattern: &[u8],
    text: &[u8],
) -> Result<Result<Regexp, go_regexp::Error>, FuncError> {
    /// Bytes of a compiled pattern that are made in one step.
    const MADE_PER_STEP: u64 = 4;
    /// Bytes of it that are gone through in one step, at worst for each part of the text of such a length.
    const READ_PER_STEP: u64 = 48;
    const PART: u64 = 1 << 10;
    cx.charge(pattern.len() as u64)?;
    Ok(match recent(pattern) {
        Ok((compiled, is_new)) => {
            let bytes = compiled.memory() as u64;
            if is_new {
                cx.charge(bytes / MADE_PER_STEP)?;
            }
            cx.charge((bytes / READ_PER_STEP).saturating_mul(text.len() as u64 / PART))?;
            Ok(compiled)
        }
        Err(error) => {
            if error.kind() == ErrorKind::Large {
                cx.charge(go_regexp::Limits::default().compiled_bytes as u64 / MADE_PER_STEP)?;
            }
            Err(error)
        }
    })
}

/// A compiled pattern, and whether it had to be compiled: charts match one pattern against many values, so the last few
/// are kept.
fn recent(pattern: &[u8]) -> Result<(Regexp, bool), go_regexp::Error> {
    const KEPT: usize = 16;
    const KEPT_BYTES: usize = 16 << 20;
    thread_local! {
        static RECENT: RefCell<Vec<Regexp>> = const { RefCell::new(Vec::new()) };
    }
    RECENT.with_borrow_mut(|recent| {
        if let Some(index) = recent.iter().position(|re| re.pattern() == pattern) {
            let found = recent.remove(index);
            recent.push(found.clone());
            return Ok((found, false));
        }
        let compiled = Regexp::new(pattern)?;
        let mut bytes = compiled.memory();
        let mut fits = |re: &Regexp| {
            bytes += re.memory();
            bytes <= KEPT_BYTES
        };
        let kept = recent
            .iter()
            .rev()
            .take(KEPT - 1)
            .take_while(|re| fits(re))
            .count();
        recent.drain(..recent.len() - kept);
        recent.push(compiled.clone());
        Ok((compiled, true))
    })
}

/// How many matches or parts to look for: `n`, all if it is negative, but at most one more than the limits allow.
fn within_limits(cx: &Context<'_>, n: isize) -> i64 {
    let most = i64::try_from(cx.items_left())
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    u64::try_from(n).map_or(most, |n| most.min(n as i64))
}

/// A replacement within the limits of the execution.
fn bounded(
    cx: &mut Context<'_>,
    replace: impl Fn(usize, &mut Scan) -> Option<Vec<u8>>,
) -> Result<Str, FuncError> {
    let limit = cx.limits().string_bytes;
    let mut ended = false;
    let replaced = scanning(cx, |scan| {
        let replaced = replace(limit, scan);
        // What is left of the scan tells which of the two limits it was.
        ended = replaced.is_none() && scan.left() > 0;
        replaced
    });
    if ended {
        let text = format!("exceeded maximum string size ({limit} bytes)");
        return Err(FuncError::limit(text));
    }
    let replaced = replaced?;
    cx.check_string(replaced.len())?;
    Ok(replaced.into())
}

/// Searches a text again and again, and counts what that looks at towards the limits.
fn scanning<T>(cx: &mut Context<'_>, search: impl FnOnce(&mut Scan) -> Option<T>) -> Result<T, FuncError> {
    const BYTES_PER_STEP: u64 = 6;
    let allowed = cx.steps_left().saturating_mul(BYTES_PER_STEP);
    let mut scan = Scan::new(allowed);
    let found = search(&mut scan);
    // Without an answer all that is left was looked at, and more.
    let steps = (allowed - scan.left()) / BYTES_PER_STEP + u64::from(found.is_none());
    cx.charge(steps)?;
    found.ok_or_else(|| FuncError::limit("exceeded maximum template steps"))
}
