//! Functions on regular expressions.

use std::cell::RefCell;

use go_regexp::{Regexp, quote_meta};
use gotmpl::{Context, FuncError, FuncMap, List, Str, Type};

pub(crate) fn register(functions: &mut FuncMap) {
    functions
        .add("regexMatch", |pattern: Str, s: Str| {
            compile(&pattern).is_ok_and(|re| re.is_match(&*s))
        })
        .add("mustRegexMatch", |pattern: Str, s: Str| {
            must(&pattern).map(|re| re.is_match(&*s))
        })
        .add("regexQuoteMeta", |s: Str| Str::from(quote_meta(&s)));
    for (name, compile) in [("regexFind", plain as Compile), ("mustRegexFind", must)] {
        functions.add(name, move |pattern: Str, s: Str| {
            Ok::<_, FuncError>(
                compile(&pattern)?
                    .find(&s)
                    .map_or_else(Str::default, |m| s.slice(m.start, m.end)),
            )
        });
    }
    for (name, compile) in [("regexFindAll", plain as Compile), ("mustRegexFindAll", must)] {
        functions.add(
            name,
            move |cx: &mut Context<'_>, pattern: Str, s: Str, n: isize| {
                let found = compile(&pattern)?.find_all(&s, within_limits(cx, n));
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
                let re = compile(&pattern)?;
                bounded(cx, |max| re.replace_all_within(&s, &template, max))
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
                let re = compile(&pattern)?;
                bounded(cx, |max| re.replace_all_literal_within(&s, &replacement, max))
            },
        );
    }
    for (name, compile) in [("regexSplit", plain as Compile), ("mustRegexSplit", must)] {
        functions.add(
            name,
            move |cx: &mut Context<'_>, pattern: Str, s: Str, n: isize| {
                let re = compile(&pattern)?;
                if n == 0 {
                    return Ok(List::nil_of(Type::STRINGS));
                }
                let parts = re.split(&s, within_limits(cx, n));
                cx.charge_items(parts.len())?;
                Ok::<_, FuncError>(List::strings(parts.into_iter().map(|part| s.subslice(part))))
            },
        );
    }
}

type Compile = fn(&[u8]) -> Result<Regexp, FuncError>;

/// Compiles a pattern with the error text of `regexp.Compile`.
fn must(pattern: &[u8]) -> Result<Regexp, FuncError> {
    compile(pattern).map_err(|error| FuncError::new(error.to_string()))
}

/// Compiles a pattern with the error text of `regexp.MustCompile`.
fn plain(pattern: &[u8]) -> Result<Regexp, FuncError> {
    compile(pattern).map_err(|error| {
        let quoted = if gotmpl::can_backquote(pattern) {
            format!("`{}`", String::from_utf8_lossy(pattern))
        } else {
            gotmpl::quote(pattern)
        };
        FuncError::new(format!("regexp: Compile({quoted}): {error}"))
    })
}

/// Charts match one pattern against many values, so the last few compiled ones are kept.
fn compile(pattern: &[u8]) -> Result<Regexp, go_regexp::Error> {
    const KEPT: usize = 16;
    thread_local! {
        static RECENT: RefCell<Vec<Regexp>> = const { RefCell::new(Vec::new()) };
    }
    RECENT.with_borrow_mut(|recent| {
        if let Some(index) = recent.iter().position(|re| re.pattern() == pattern) {
            let found = recent.remove(index);
            recent.push(found.clone());
            return Ok(found);
        }
        let compiled = Regexp::new(pattern)?;
        if recent.len() >= KEPT {
            recent.remove(0);
        }
        recent.push(compiled.clone());
        Ok(compiled)
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
fn bounded(cx: &mut Context<'_>, replace: impl Fn(usize) -> Option<Vec<u8>>) -> Result<Str, FuncError> {
    let limit = cx.limits().string_bytes;
    let replaced = replace(limit)
        .ok_or_else(|| FuncError::limit(format!("exceeded maximum string size ({limit} bytes)")))?;
    cx.check_string(replaced.len())?;
    Ok(replaced.into())
}
