//! Where the keys and values of generated objects come from.

use crate::Error;
use crate::budget::Budget;
use crate::error::Context;
use crate::load::kustomization::GeneratorArgs;
use crate::load::loader::Loader;
use go_std::path;

type Pair = (String, Vec<u8>);

/// The longest line of an env file that Go's line scanner takes; a longer one ends the file without a word.
const LONGEST_LINE: usize = 65_535;

/// All pairs: from env files, then literals, then files.
pub(super) fn load(args: &GeneratorArgs, loader: &Loader<'_>) -> Result<Vec<Pair>, Error> {
    let list = |sources: &[String]| format!("[{}]", sources.join(" "));
    let mut pairs = Vec::new();
    for source in &args.envs {
        let budget = &loader.session.budget;
        let content = loader
            .load(source)
            .and_then(|content| env_pairs(&content, budget));
        pairs.extend(content.with_context(|| format!("env source files: {}", list(&args.envs)))?);
    }
    for source in &args.literals {
        let pair =
            literal_pair(source).with_context(|| format!("literal sources {}", list(&args.literals)))?;
        pairs.push(pair);
    }
    for source in &args.files {
        let pair = file_source(source).and_then(|(key, path)| Ok((key.to_owned(), loader.load(path)?)));
        pairs.push(pair.with_context(|| format!("file sources: {}", list(&args.files)))?);
    }
    Ok(pairs)
}

fn literal_pair(source: &str) -> Result<Pair, Error> {
    match source.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), unquote(value).into())),
        _ => Err(Error::invalid(format!(
            "invalid literal source {source}, expected key=value"
        ))),
    }
}

/// Takes off one pair of equal quotes around the value.
fn unquote(value: &str) -> &str {
    let quoted = |quote| {
        value
            .strip_prefix(quote)
            .and_then(|rest: &str| rest.strip_suffix(quote))
    };
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

fn file_source(source: &str) -> Result<(&str, &str), Error> {
    match source.split_once('=') {
        None => Ok((path::base(source), source)),
        Some((_, rest)) if rest.contains('=') => Err(Error::invalid(format!(
            "source {source:?} key name or file path contains '='"
        ))),
        Some(("", file)) => Err(Error::invalid(format!(
            "missing key name for file path {file:?} in source {source:?}"
        ))),
        Some((key, "")) => Err(Error::invalid(format!(
            "missing file path for key name {key:?} in source {source:?}"
        ))),
        Some(pair) => Ok(pair),
    }
}

fn env_pairs(content: &[u8], budget: &Budget) -> Result<Vec<Pair>, Error> {
    /// Bytes that a pair takes where keys are sorted, besides its texts.
    const EACH: usize = 160;
    let mut pairs = Vec::new();
    for (number, line) in content.split(|b| *b == b'\n').enumerate() {
        if line.len() > LONGEST_LINE {
            break;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| {
            let bytes: Vec<_> = line.iter().map(u8::to_string).collect();
            let text = String::from_utf8_lossy(line);
            Error::invalid(format!(
                "line [{}] has invalid utf8 bytes : {text}",
                bytes.join(" ")
            ))
        })?;
        let text = if number == 0 {
            text.strip_prefix('\u{feff}').unwrap_or(text)
        } else {
            text
        };
        let text = text.trim_start();
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if !key.is_empty() && !text.starts_with('#') {
            budget.make(EACH + text.len())?;
            pairs.push((key.to_owned(), value.into()));
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn env_files_are_read_line_by_line() {
        let text = "\u{feff}A=1\r\n  # no\n\nB\n C= x \nexport D=\"q\"\n=lost\n";
        let budget = Budget::within(&crate::Limits::default());
        let pairs = env_pairs(text.as_bytes(), &budget).unwrap_or_default();
        let seen: Vec<_> = pairs
            .iter()
            .map(|(k, v)| (k.as_str(), String::from_utf8_lossy(v)))
            .collect();
        let expected = [("A", "1"), ("B", ""), ("C", " x "), ("export D", "\"q\"")];
        assert_eq!(seen, expected.map(|(k, v)| (k, v.into())));
    }

    #[test]
    fn sources_name_keys_and_files() {
        assert_eq!(file_source("dir/a.txt"), Ok(("a.txt", "dir/a.txt")));
        assert_eq!(file_source("k=dir/a.txt"), Ok(("k", "dir/a.txt")));
        assert!(file_source("a=b=c").is_err());
        assert_eq!(unquote("'a'"), "a");
        assert_eq!(unquote("\""), "\"");
    }
}
