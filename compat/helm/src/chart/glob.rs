//! The patterns of `.Files.Glob`.

/// A pattern: `*` and `?` stop at slashes, `**` does not, `[a-z]`, `[!a]`, `{a,b}`, and `\` quotes.
#[derive(Debug)]
pub(crate) struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`
    Run,
    /// `**`
    Everything,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    Alternatives(Vec<Vec<Token>>),
}

/// A pattern that does not compile; Helm then matches everything.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadGlob;

/// How deeply braces may nest.
const MAX_DEPTH: usize = 32;

impl Glob {
    pub(crate) fn compile(pattern: &str) -> Result<Self, BadGlob> {
        let mut chars = pattern.chars().peekable();
        let (tokens, _) = sequence(&mut chars, 0)?;
        Ok(Self { tokens })
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let mut positions = vec![false; name.len() + 1];
        positions[0] = true;
        advance(&self.tokens, &name, positions)
            .last()
            .copied()
            .unwrap_or_default()
    }
}

type Chars<'p> = std::iter::Peekable<std::str::Chars<'p>>;

/// Reads tokens up to the end, or inside braces up to a `,` or `}`, which it returns.
fn sequence(chars: &mut Chars<'_>, depth: usize) -> Result<(Vec<Token>, Option<char>), BadGlob> {
    let mut tokens = Vec::new();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            ',' | '}' if depth > 0 => return Ok((tokens, Some(c))),
            '\\' => Token::Char(chars.next().ok_or(BadGlob)?),
            '?' => Token::One,
            '*' if chars.next_if_eq(&'*').is_some() => Token::Everything,
            '*' => Token::Run,
            '[' => class(chars)?,
            '{' => alternatives(chars, depth + 1)?,
            c => Token::Char(c),
        });
    }
    Ok((tokens, None))
}

fn alternatives(chars: &mut Chars<'_>, depth: usize) -> Result<Token, BadGlob> {
    if depth > MAX_DEPTH {
        return Err(BadGlob);
    }
    let mut all = Vec::new();
    loop {
        let (tokens, end) = sequence(chars, depth)?;
        all.push(tokens);
        match end {
            Some(',') => {}
            Some(_) => return Ok(Token::Alternatives(all)),
            // Braces that do not close match nothing.
            None => return Ok(Token::Alternatives(Vec::new())),
        }
    }
}

fn class(chars: &mut Chars<'_>) -> Result<Token, BadGlob> {
    let negated = chars.next_if_eq(&'!').is_some();
    let mut text = Vec::new();
    loop {
        match chars.next().ok_or(BadGlob)? {
            ']' => break,
            '\\' => text.push(chars.next().ok_or(BadGlob)?),
            c => text.push(c),
        }
    }
    let ranges = match text.as_slice() {
        [] | [_, '-'] => return Err(BadGlob),
        [low, '-', high] if low > high => return Err(BadGlob),
        [low, '-', high] => vec![(*low, *high)],
        list => list.iter().map(|c| (*c, *c)).collect(),
    };
    Ok(Token::Class { negated, ranges })
}

/// Moves all positions in the name at once past the tokens, so that no pattern takes more than tokens times characters.
fn advance(tokens: &[Token], name: &[char], mut positions: Vec<bool>) -> Vec<bool> {
    for token in tokens {
        positions = match token {
            Token::Char(want) => step(name, &positions, |c| c == *want),
            Token::One => step(name, &positions, |c| c != '/'),
            Token::Class { negated, ranges } => step(name, &positions, |c| {
                ranges.iter().any(|(low, high)| *low <= c && c <= *high) != *negated
            }),
            Token::Run => spread(name, positions, |c| c != '/'),
            Token::Everything => spread(name, positions, |_| true),
            Token::Alternatives(all) => {
                let mut reached = vec![false; positions.len()];
                for alternative in all {
                    for (to, from) in reached
                        .iter_mut()
                        .zip(advance(alternative, name, positions.clone()))
                    {
                        *to |= from;
                    }
                }
                reached
            }
        };
    }
    positions
}

fn step(name: &[char], positions: &[bool], accepts: impl Fn(char) -> bool) -> Vec<bool> {
    let moved = name.iter().zip(positions).map(|(c, here)| *here && accepts(*c));
    std::iter::once(false).chain(moved).collect()
}

fn spread(name: &[char], mut positions: Vec<bool>, accepts: impl Fn(char) -> bool) -> Vec<bool> {
    let mut reached = false;
    for (at, here) in positions.iter_mut().enumerate() {
        reached = *here || (reached && at > 0 && name.get(at - 1).is_some_and(|c| accepts(*c)));
        *here = reached;
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_like_gobwas() {
        for (pattern, name, want) in [
            ("*.txt", "a.txt", true),
            ("*.txt", "d/a.txt", false),
            ("**.txt", "d/a.txt", true),
            ("d/**", "d/e/a.txt", true),
            ("d/?.txt", "d/a.txt", true),
            ("?", "/", false),
            ("[abc]", "b", true),
            ("[a-c]", "b", true),
            ("[!a-c]", "b", false),
            ("[^a]", "a", true),
            ("*.{sh,sql}", "a.sql", true),
            ("{a,b{c,d}}", "bd", true),
            ("\\*", "*", true),
            ("{a", "a", false),
            ("", "a", false),
            ("*", ".hidden", true),
        ] {
            assert_eq!(
                Glob::compile(pattern).unwrap().matches(name),
                want,
                "{pattern:?} {name:?}"
            );
        }
        for pattern in ["[", "[]", "[a-]", "[b-a]"] {
            assert_eq!(Glob::compile(pattern).unwrap_err(), BadGlob, "{pattern:?}");
        }
    }
}
