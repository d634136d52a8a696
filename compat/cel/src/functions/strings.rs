//! The extension for texts: parts, searches, replacements and joins, counted in code points.

use super::{Library, Outcome, display};
use crate::error::Failure;
use crate::limits::Budget;
use crate::types::Type;
use crate::value::Value;

pub(super) fn declare(library: &mut Library) {
    let (text, int) = (Type::String, Type::Int);
    library.function("charAt").member(
        "string_char_at_int",
        &[text.clone(), int.clone()],
        text.clone(),
        char_at,
    );
    for (name, id, id_from, native) in [
        (
            "indexOf",
            "string_index_of_string",
            "string_index_of_string_int",
            index_of as super::Native,
        ),
        (
            "lastIndexOf",
            "string_last_index_of_string",
            "string_last_index_of_string_int",
            last_index_of,
        ),
    ] {
        library
            .function(name)
            .member(id, &[text.clone(), text.clone()], int.clone(), native)
            .member(
                id_from,
                &[text.clone(), text.clone(), int.clone()],
                int.clone(),
                native,
            );
    }
    for (name, id, native) in [
        ("lowerAscii", "string_lower_ascii", lower as super::Native),
        ("upperAscii", "string_upper_ascii", upper),
        ("trim", "string_trim", trim),
        ("reverse", "string_reverse", reverse),
    ] {
        library
            .function(name)
            .member(id, std::slice::from_ref(&text), text.clone(), native);
    }
    let three = [text.clone(), text.clone(), text.clone()];
    let four = [text.clone(), text.clone(), text.clone(), int.clone()];
    library
        .function("replace")
        .member("string_replace_string_string", &three, text.clone(), replace)
        .member("string_replace_string_string_int", &four, text.clone(), replace);
    let texts = Type::list(Type::String);
    library
        .function("split")
        .member(
            "string_split_string",
            &[text.clone(), text.clone()],
            texts.clone(),
            split,
        )
        .member(
            "string_split_string_int",
            &[text.clone(), text.clone(), int.clone()],
            texts.clone(),
            split,
        );
    library
        .function("substring")
        .member(
            "string_substring_int",
            &[text.clone(), int.clone()],
            text.clone(),
            substring,
        )
        .member(
            "string_substring_int_int",
            &[text.clone(), int.clone(), int],
            text.clone(),
            substring,
        );
    library.function("strings.quote").overload(
        "strings_quote",
        std::slice::from_ref(&text),
        text.clone(),
        quote,
    );
    library
        .function("join")
        .member("list_join", std::slice::from_ref(&texts), text.clone(), join)
        .member("list_join_string", &[texts, text.clone()], text, join);
}

fn made<'a>(budget: &Budget, text: String) -> Outcome<'a> {
    budget.bytes(text.len())?;
    Ok(Value::from(text))
}

fn out_of_range(index: i64) -> Failure {
    Failure::new(format!("index out of range: {index}"))
}

fn char_at<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let [Value::String(text), Value::Int(index)] = args else {
        return Err(Failure::no_overload());
    };
    let text = text.as_str();
    budget.steps(text.len() / 64)?;
    let count = text.chars().count();
    match usize::try_from(*index) {
        Ok(at) if at <= count => made(budget, text.chars().nth(at).map(String::from).unwrap_or_default()),
        _ => Err(out_of_range(*index)),
    }
}

/// The code points of a text and of a part of it, and where to begin.
type Search = (Vec<char>, Vec<char>, Option<i64>);

fn search(budget: &Budget, args: &[Value<'_>]) -> Result<Search, Failure> {
    let (text, part, from) = match args {
        [Value::String(text), Value::String(part)] => (text, part, None),
        [Value::String(text), Value::String(part), Value::Int(from)] => (text, part, Some(*from)),
        _ => return Err(Failure::no_overload()),
    };
    let (text, part) = (text.as_str(), part.as_str());
    budget.steps((text.len() / 16 + 1).saturating_mul(part.len() / 16 + 1))?;
    budget.bytes((text.len() + part.len()) / 8)?;
    Ok((text.chars().collect(), part.chars().collect(), from))
}

fn index_of<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let (text, part, from) = search(budget, args)?;
    let from = from.unwrap_or(0);
    if part.is_empty() {
        return Ok(Value::Int(from));
    }
    let start = usize::try_from(from).map_err(|_| out_of_range(from))?;
    let found = text
        .get(start..)
        .and_then(|rest| rest.windows(part.len()).position(|window| window == part));
    Ok(Value::Int(found.map_or(-1, |at| (start + at) as i64)))
}

fn last_index_of<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let (text, part, from) = search(budget, args)?;
    if part.is_empty() {
        return Ok(Value::Int(from.unwrap_or(text.len() as i64)));
    }
    let from = match from {
        Some(from) => from,
        None if text.len() < part.len() => return Ok(Value::Int(-1)),
        None => text.len() as i64 - 1,
    };
    let start = usize::try_from(from).map_err(|_| out_of_range(from))?;
    if start >= text.len() {
        return Ok(Value::Int(-1));
    }
    let end = text.len().min(start.saturating_add(part.len()));
    let found = text[..end].windows(part.len()).rposition(|window| window == part);
    Ok(Value::Int(found.map_or(-1, |at| at as i64)))
}

fn one<'t>(args: &'t [Value<'_>]) -> Result<&'t str, Failure> {
    match args {
        [Value::String(text)] => Ok(text.as_str()),
        _ => Err(Failure::no_overload()),
    }
}

fn lower<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    made(budget, one(args)?.to_ascii_lowercase())
}

fn upper<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    made(budget, one(args)?.to_ascii_uppercase())
}

fn trim<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    made(budget, one(args)?.trim().to_owned())
}

fn reverse<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    made(budget, one(args)?.chars().rev().collect())
}

fn replace<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let (text, old, new, count) = match args {
        [Value::String(text), Value::String(old), Value::String(new)] => (text, old, new, -1),
        [
            Value::String(text),
            Value::String(old),
            Value::String(new),
            Value::Int(count),
        ] => (text, old, new, *count),
        _ => return Err(Failure::no_overload()),
    };
    let (text, old, new) = (text.as_str(), old.as_str(), new.as_str());
    budget.steps(text.len() / 16)?;
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let matches = text.matches(old).count().min(count);
    budget.bytes(text.len().saturating_add(matches.saturating_mul(new.len())))?;
    Ok(Value::from(text.replacen(old, new, count)))
}

fn split<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let (text, separator, count) = match args {
        [Value::String(text), Value::String(separator)] => (text, separator, -1),
        [Value::String(text), Value::String(separator), Value::Int(count)] => (text, separator, *count),
        _ => return Err(Failure::no_overload()),
    };
    let (text, separator) = (text.as_str(), separator.as_str());
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count == 0 {
        return Ok(Value::list(Vec::new()));
    }
    budget.bytes(text.len())?;
    let mut parts: Vec<&str> = Vec::new();
    if separator.is_empty() {
        // Between all code points; what is left at the end stays together.
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if parts.len() + 1 == count {
                break;
            }
            let (part, behind) = rest.split_at(c.len_utf8());
            parts.push(part);
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(rest);
        }
    } else {
        parts.extend(text.splitn(count, separator));
    }
    budget.bytes(parts.len() * size_of::<Value<'_>>())?;
    Ok(Value::list(parts.into_iter().map(Value::from).collect()))
}

fn substring<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let (text, start, end) = match args {
        [Value::String(text), Value::Int(start)] => (text, *start, None),
        [Value::String(text), Value::Int(start), Value::Int(end)] => (text, *start, Some(*end)),
        _ => return Err(Failure::no_overload()),
    };
    let text = text.as_str();
    budget.steps(text.len() / 64)?;
    if let Some(end) = end.filter(|end| start > *end) {
        let words = format!("invalid substring range. start: {start}, end: {end}");
        return Err(Failure::new(words));
    }
    let count = text.chars().count();
    let within = |index: i64| {
        usize::try_from(index)
            .ok()
            .filter(|index| *index <= count)
            .ok_or_else(|| out_of_range(index))
    };
    let from = within(start)?;
    let to = end.map_or(Ok(count), within)?;
    made(budget, text.chars().skip(from).take(to - from).collect())
}

fn quote<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let text = one(args)?;
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out.push('"');
    made(budget, out)
}

fn join<'a>(budget: &Budget, args: &[Value<'a>]) -> Outcome<'a> {
    let (list, separator) = match args {
        [Value::List(list)] => (list, ""),
        [Value::List(list), Value::String(separator)] => (list, separator.as_str()),
        _ => return Err(Failure::no_overload()),
    };
    let mut out = String::new();
    for (at, item) in list.iter().enumerate() {
        let Value::String(text) = &item else {
            return Err(Failure::new(format!("join: invalid input: {}", display(&item))));
        };
        budget.bytes(text.as_str().len() + separator.len())?;
        if at > 0 {
            out.push_str(separator);
        }
        out.push_str(text.as_str());
    }
    Ok(Value::from(out))
}
