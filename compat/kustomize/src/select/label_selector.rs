//! Kubernetes label selectors, also used for annotations: `a=b,c!=d,e in (f,g),!h,i>1`.

use crate::Error;

/// A conjunction of requirements; an empty selector matches everything.
#[derive(Debug, Clone, Default)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    Exists,
    DoesNotExist,
    In(Vec<String>),
    NotIn(Vec<String>),
    GreaterThan(i64),
    LessThan(i64),
}

impl LabelSelector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parser = Parser {
            tokens: tokens(text),
            position: 0,
        };
        parser.selector().map_err(Error::invalid)
    }

    /// Whether labels satisfy every requirement; of a key given twice the last value counts.
    pub fn matches(&self, labels: &[(impl AsRef<str>, impl AsRef<str>)]) -> bool {
        let value = |key: &str| {
            labels
                .iter()
                .rev()
                .find(|(k, _)| k.as_ref() == key)
                .map(|(_, v)| v.as_ref())
        };
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(value(&requirement.key)))
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.operator {
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Operator::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
            Operator::GreaterThan(bound) => number().is_some_and(|n| n > *bound),
            Operator::LessThan(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

/// A symbol or a word; the end of the text is the empty word of kind [`Token::End`].
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token<'t> {
    Symbol(&'t str),
    Word(&'t str),
    End,
}

impl Token<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Symbol(text) | Self::Word(text) => text,
            Self::End => "",
        }
    }
}

const SYMBOLS: &[char] = &['=', '!', '(', ')', ',', '>', '<'];
const SPACES: &[char] = &[' ', '\t', '\r', '\n'];

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(SPACES);
        let Some(first) = rest.chars().next().filter(|c| *c != '\0') else {
            tokens.push(Token::End);
            return tokens;
        };
        let is_symbol = SYMBOLS.contains(&first);
        let length = if is_symbol {
            let two = rest.get(..2).filter(|two| ["==", "!="].contains(two));
            two.map_or(first.len_utf8(), str::len)
        } else {
            rest.find(|c| SYMBOLS.contains(&c) || SPACES.contains(&c) || c == '\0')
                .unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(length);
        tokens.push(if is_symbol {
            Token::Symbol(token)
        } else {
            Token::Word(token)
        });
        rest = after;
    }
}

struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    position: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Token<'t> {
        self.tokens.get(self.position).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token<'t> {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn selector(&mut self) -> Result<LabelSelector, String> {
        let mut requirements = Vec::new();
        let starts = |token: &Token<'_>| matches!(token, Token::Word(_) | Token::Symbol("!"));
        loop {
            match self.peek() {
                Token::End => return Ok(LabelSelector { requirements }),
                token if starts(&token) => {}
                token => {
                    let found = token.text();
                    return Err(format!(
                        "found '{found}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
            let requirement = self
                .requirement()
                .map_err(|e| format!("unable to parse requirement: {e}"))?;
            requirements.push(requirement);
            match self.next() {
                Token::End => return Ok(LabelSelector { requirements }),
                Token::Symbol(",") => {
                    let after = self.peek();
                    if !starts(&after) {
                        return Err(format!(
                            "found '{}', expected: identifier after ','",
                            after.text()
                        ));
                    }
                }
                other => {
                    return Err(format!(
                        "found '{}', expected: ',' or 'end of string'",
                        other.text()
                    ));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.next();
        let negated = token == Token::Symbol("!");
        if negated {
            token = self.next();
        }
        let Token::Word(key) = token else {
            return Err(format!("found '{}', expected: identifier", token.text()));
        };
        validate_key(key)?;
        let ends = matches!(self.peek(), Token::End | Token::Symbol(","));
        let operator = if negated {
            Operator::DoesNotExist
        } else if ends {
            Operator::Exists
        } else {
            self.operator(key)?
        };
        Ok(Requirement {
            key: key.to_owned(),
            operator,
        })
    }

    fn operator(&mut self, key: &str) -> Result<Operator, String> {
        match self.next() {
            Token::Word("in") => Ok(Operator::In(self.values(key)?)),
            Token::Word("notin") => Ok(Operator::NotIn(self.values(key)?)),
            Token::Symbol("=" | "==") => Ok(Operator::In(vec![self.value(key)?])),
            Token::Symbol("!=") => Ok(Operator::NotIn(vec![self.value(key)?])),
            Token::Symbol(">") => Ok(Operator::GreaterThan(number(&self.value(key)?)?)),
            Token::Symbol("<") => Ok(Operator::LessThan(number(&self.value(key)?)?)),
            other => Err(format!(
                "found '{}', expected: '=', '!=', '==', 'in', notin'",
                other.text()
            )),
        }
    }

    fn value(&mut self, key: &str) -> Result<String, String> {
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(String::new());
        }
        match self.next() {
            Token::Word(value) => validate_value(key, value).map(|()| value.to_owned()),
            other => Err(format!("found '{}', expected: identifier", other.text())),
        }
    }

    fn values(&mut self, key: &str) -> Result<Vec<String>, String> {
        let open = self.next();
        if open != Token::Symbol("(") {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        let mut values = vec![String::new()];
        match self.peek() {
            Token::Symbol(")" | ",") | Token::Word(_) => {}
            other => {
                return Err(format!(
                    "found '{}', expected: ',', ')' or identifier",
                    other.text()
                ));
            }
        }
        // Between two commas, and beside a parenthesis, stands the empty value.
        let mut pending = true;
        loop {
            match self.next() {
                Token::Symbol(")") => break,
                Token::Symbol(",") => {
                    values.push(String::new());
                    pending = true;
                }
                Token::Word(value) if pending => {
                    validate_value(key, value)?;
                    if let Some(last) = values.last_mut() {
                        value.clone_into(last);
                    }
                    pending = false;
                }
                other if pending => {
                    return Err(format!("found '{}', expected: ',', or identifier", other.text()));
                }
                other => return Err(format!("found '{}', expected: ',' or ')'", other.text())),
            }
        }
        Ok(values)
    }
}

fn number(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| "for 'Gt', 'Lt' operators, the value must be an integer".to_owned())
}

const NAME_RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const NAME_EXAMPLE: &str = "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

fn validate_key(key: &str) -> Result<(), String> {
    let wrong = |why: String| Err(format!("invalid label key {key:?}: {why}"));
    let (prefix, name) = match key.split('/').collect::<Vec<_>>()[..] {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            return wrong(format!(
                "a qualified name {NAME_RULE} {NAME_EXAMPLE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
        }
    };
    match prefix {
        Some("") => return wrong("prefix part must be non-empty".into()),
        Some(prefix) if !is_subdomain(prefix) => {
            return wrong("prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character".into());
        }
        _ => {}
    }
    if name.is_empty() {
        return wrong("name part must be non-empty".into());
    }
    if name.len() > 63 {
        return wrong("name part must be no more than 63 characters".into());
    }
    if !is_name(name) {
        return wrong(format!("name part {NAME_RULE} {NAME_EXAMPLE}"));
    }
    Ok(())
}

fn validate_value(key: &str, value: &str) -> Result<(), String> {
    let wrong = |why: String| Err(format!("invalid label value: {value:?}: at key: {key:?}: {why}"));
    if value.len() > 63 {
        return wrong("must be no more than 63 characters".into());
    }
    if !value.is_empty() && !is_name(value) {
        return wrong("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".into());
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let outer = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    outer(bytes.first()) && outer(bytes.last()) && bytes.iter().all(|b| inner(*b))
}

fn is_subdomain(text: &str) -> bool {
    let lower = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase();
    let label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|b| lower(*b))
            && bytes.last().is_some_and(|b| lower(*b))
            && bytes.iter().all(|b| lower(*b) || *b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_a_conjunction() {
        let labels = [("app", "web"), ("tier", "front"), ("n", "5"), ("e", "")];
        for (selector, expected) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("app=web", true),
            ("app==web, tier!=back", true),
            ("app in (web, api),tier notin (x)", true),
            ("app in (api)", false),
            ("missing notin (x)", true),
            ("missing!=x", true),
            ("n>4,n<6", true),
            ("app>4", false),
            ("e=", true),
            ("e in ()", true),
            ("e in (,a)", true),
            ("in in (in)", false),
        ] {
            assert_eq!(
                LabelSelector::parse(selector).unwrap().matches(&labels),
                expected,
                "{selector}"
            );
        }
    }

    #[test]
    fn errors_are_worded_as_upstream_words_them() {
        for (selector, error) in [
            (
                "a b",
                "unable to parse requirement: found 'b', expected: '=', '!=', '==', 'in', notin'",
            ),
            ("=a", "found '=', expected: !, identifier, or 'end of string'"),
            ("a,", "found '', expected: identifier after ','"),
            ("a in b", "unable to parse requirement: found 'b' expected: '('"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            (
                "a>x",
                "unable to parse requirement: for 'Gt', 'Lt' operators, the value must be an integer",
            ),
        ] {
            assert_eq!(
                LabelSelector::parse(selector).unwrap_err().to_string(),
                error,
                "{selector}"
            );
        }
    }
}
