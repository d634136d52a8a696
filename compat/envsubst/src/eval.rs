//! From a tree and variables to text.

use std::borrow::Cow;

use go_std::pattern::{Failure, matches_with_slashes};

use crate::parse::{Argument, Operator, Part, Variable, parse};
use crate::{Error, Variables};

/// What a variable that is not set stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// An error, unless the text gives a default. Flux does so since 2.9.
    #[default]
    Strict,
    /// The empty string.
    Lax,
}

/// How much work one text may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most levels of variables within arguments of variables. Default 64.
    pub depth: usize,
    /// The largest result, also of each variable, in bytes. Default 32 MiB.
    pub output: usize,
    /// The most steps that matching patterns may take. Default 20 million, about a tenth of a second.
    pub steps: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 64,
            output: 32 << 20,
            steps: 20_000_000,
        }
    }
}

/// Checked variables, ready to be put into texts.
#[derive(Clone, Debug)]
pub struct Substitution<'v> {
    variables: &'v Variables,
    mode: Mode,
    limits: Limits,
}

impl<'v> Substitution<'v> {
    /// Checks the names of the variables.
    pub fn new(variables: &'v Variables, mode: Mode, limits: Limits) -> Result<Self, Error> {
        match variables.invalid_name() {
            Some(name) => Err(Error::InvalidName(name.to_owned())),
            None => Ok(Self {
                variables,
                mode,
                limits,
            }),
        }
    }

    /// Replaces all variables in a text; one without a dollar sign comes back as it is.
    pub fn apply<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, Error> {
        if !text.contains('$') {
            return Ok(Cow::Borrowed(text));
        }
        let parts = parse(text, self.limits.depth)?;
        let mut run = Run {
            substitution: self,
            steps: self.limits.steps,
        };
        let mut output = String::with_capacity(text.len());
        run.write(&parts, &mut output)?;
        Ok(Cow::Owned(output))
    }
}

struct Run<'s> {
    substitution: &'s Substitution<'s>,
    steps: u64,
}

impl<'s> Run<'s> {
    fn write(&mut self, parts: &[Part<'_>], output: &mut String) -> Result<(), Error> {
        for part in parts {
            match part {
                Part::Text(text) => self.push(output, text)?,
                Part::Variable(variable) => {
                    let value = self.variable(variable)?;
                    self.push(output, &value)?;
                }
            }
        }
        Ok(())
    }

    fn push(&self, output: &mut String, text: &str) -> Result<(), Error> {
        self.check_size(output.len().saturating_add(text.len()))?;
        output.push_str(text);
        Ok(())
    }

    fn check_size(&self, size: usize) -> Result<(), Error> {
        let limit = self.substitution.limits.output;
        if size > limit {
            Err(Error::TooLarge(limit))
        } else {
            Ok(())
        }
    }

    fn variable(&mut self, variable: &Variable<'_>) -> Result<Cow<'s, str>, Error> {
        // Arguments come first, so that their errors do: that is the order in which Flux reports.
        let arguments = variable
            .arguments
            .iter()
            .map(|argument| self.argument(argument))
            .collect::<Result<Vec<_>, _>>()?;
        let value = match self.substitution.variables.get(variable.name) {
            Some(value) => value,
            None if self.substitution.mode == Mode::Lax || variable.operator == Operator::Default => "",
            None => return Err(Error::NotSet(variable.name.to_owned())),
        };
        self.operate(variable, value, &arguments)
    }

    fn argument(&mut self, argument: &Argument<'_>) -> Result<String, Error> {
        let mut text = String::new();
        self.write(argument, &mut text)?;
        Ok(text)
    }

    fn operate(
        &mut self,
        variable: &Variable<'_>,
        value: &'s str,
        arguments: &[String],
    ) -> Result<Cow<'s, str>, Error> {
        let first = arguments.first().map_or("", String::as_str);
        let second = arguments.get(1).map(String::as_str);
        Ok(match variable.operator {
            Operator::Plain => value.into(),
            Operator::Default if value.is_empty() => first.to_owned().into(),
            Operator::Default => value.into(),
            Operator::Length => value.len().to_string().into(),
            Operator::LowerFirst => map_first(value, lower),
            Operator::Lower => value.chars().map(lower).collect::<String>().into(),
            Operator::UpperFirst => map_first(value, upper),
            Operator::Upper => value.chars().map(upper).collect::<String>().into(),
            Operator::Substring => substring(value, first, second)
                .ok_or_else(|| Error::SplitsCharacter(variable.name.to_owned()))?
                .into(),
            Operator::ReplaceFirst => self.replace(value, first, second.unwrap_or(""), 1)?,
            Operator::ReplaceAll => self.replace(value, first, second.unwrap_or(""), usize::MAX)?,
            // Without a replacement these two do nothing, unlike the others.
            Operator::ReplacePrefix => match (value.strip_prefix(first), second) {
                (Some(rest), Some(with)) => [with, rest].concat().into(),
                _ => value.into(),
            },
            Operator::ReplaceSuffix => match (value.strip_suffix(first), second) {
                (Some(rest), Some(with)) => [rest, with].concat().into(),
                _ => value.into(),
            },
            Operator::TrimShortestPrefix => self.trim_shortest(value, first)?.into(),
            Operator::TrimLongestPrefix => self.trim_longest(value, first)?.into(),
            Operator::TrimShortestSuffix => {
                reversed(self.trim_shortest(&reversed(value), &reversed(first))?).into()
            }
            Operator::TrimLongestSuffix => {
                reversed(self.trim_longest(&reversed(value), &reversed(first))?).into()
            }
        })
    }

    fn replace(&self, value: &'s str, from: &str, to: &str, times: usize) -> Result<Cow<'s, str>, Error> {
        let found = value.matches(from).take(times).count();
        self.check_size(value.len().saturating_add(found.saturating_mul(to.len())))?;
        Ok(if found == 0 {
            value.into()
        } else {
            value.replacen(from, to, times).into()
        })
    }

    /// Removes the shortest prefix, other than the empty one, that a pattern matches.
    fn trim_shortest<'t>(&mut self, text: &'t str, pattern: &str) -> Result<&'t str, Error> {
        let mut rest = text;
        for end in ends(text) {
            match matches_with_slashes(pattern, &text[..end], &mut self.steps) {
                Ok(true) => rest = &text[end..],
                Ok(false) => {}
                Err(failure) => return self.untrimmed(text, failure),
            }
        }
        Ok(rest)
    }

    /// Removes the longest prefix that a pattern matches.
    fn trim_longest<'t>(&mut self, text: &'t str, pattern: &str) -> Result<&'t str, Error> {
        for end in ends(text) {
            match matches_with_slashes(pattern, &text[..end], &mut self.steps) {
                Ok(true) => return Ok(&text[end..]),
                Ok(false) => {}
                Err(failure) => return self.untrimmed(text, failure),
            }
        }
        Ok(text)
    }

    /// A bad pattern leaves the value as it is.
    fn untrimmed<'t>(&self, text: &'t str, failure: Failure) -> Result<&'t str, Error> {
        match failure {
            Failure::BadPattern => Ok(text),
            Failure::OutOfSteps => Err(Error::TooManySteps(self.substitution.limits.steps)),
        }
    }
}

/// The ends of the prefixes of a text, longest first, without the empty one.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().rev().map(|(at, c)| at + c.len_utf8())
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

/// Cuts out bytes. A number that is none leaves the value whole, as in bash; `None` means a cut within a character.
fn substring<'v>(value: &'v str, position: &str, length: Option<&str>) -> Option<&'v str> {
    let Ok(position) = position.parse::<i64>() else {
        return Some(value);
    };
    let size = value.len() as i64;
    let start = if position < 0 {
        size.saturating_add(position).max(0)
    } else {
        position
    };
    let end = match length.map(str::parse::<i64>) {
        None => size,
        Some(Err(_)) => return Some(value),
        Some(Ok(length)) if length < 0 => size.saturating_add(length),
        Some(Ok(length)) => start.saturating_add(length).min(size),
    };
    if start >= end {
        return Some("");
    }
    value.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
}

fn map_first(value: &str, map: fn(char) -> char) -> Cow<'_, str> {
    let mut chars = value.chars();
    match chars.next() {
        Some(first) => {
            let mut mapped = String::with_capacity(value.len());
            mapped.push(map(first));
            mapped.push_str(chars.as_str());
            mapped.into()
        }
        None => value.into(),
    }
}

/// Go maps one character to one, where Rust may map it to several: then it stays, but for Greek and the dotted I.
fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => match c {
            '\u{1f80}'..='\u{1faf}' => char::from_u32(u32::from(c) | 8).unwrap_or(c),
            '\u{1fb3}' => '\u{1fbc}',
            '\u{1fc3}' => '\u{1fcc}',
            '\u{1ff3}' => '\u{1ffc}',
            _ => c,
        },
    }
}

fn lower(c: char) -> char {
    let mut mapped = c.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        (Some(first), Some(_)) if c == '\u{130}' => first,
        _ => c,
    }
}
