//! From text to a tree of variables and the text between them.
//!
//! The grammar is that of the drone/envsubst fork that Flux uses, with its corners: runs of `:` or `/` between
//! arguments count as one, a search pattern may hold `}`, and a default stops at the first `}` outside of `${`.

use crate::Error;
use crate::scan::{Scanner, Until};

/// A piece of a text or of an argument.
#[derive(Debug)]
pub(crate) enum Part<'a> {
    Text(&'a str),
    Variable(Variable<'a>),
}

/// One `${...}`.
#[derive(Debug)]
pub(crate) struct Variable<'a> {
    pub(crate) name: &'a str,
    pub(crate) operator: Operator,
    pub(crate) arguments: Vec<Argument<'a>>,
}

pub(crate) type Argument<'a> = Vec<Part<'a>>;

/// What is done with a variable's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Plain,
    Default,
    Length,
    LowerFirst,
    Lower,
    UpperFirst,
    Upper,
    Substring,
    ReplaceFirst,
    ReplaceAll,
    ReplacePrefix,
    ReplaceSuffix,
    TrimShortestPrefix,
    TrimLongestPrefix,
    TrimShortestSuffix,
    TrimLongestSuffix,
}

/// Parses a whole text. `max_depth` bounds how deep variables may be nested in arguments.
pub(crate) fn parse(text: &str, max_depth: usize) -> Result<Vec<Part<'_>>, Error> {
    let mut parser = Parser {
        scanner: Scanner::new(text),
        depth: 0,
        max_depth,
    };
    let mut parts = Vec::new();
    while !parser.scanner.at_end() {
        parser.scanner.take_text(|piece| parts.push(Part::Text(piece)));
        if parser.scanner.eat("${") {
            parts.push(Part::Variable(parser.variable()?));
        }
    }
    Ok(parts)
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    depth: usize,
    max_depth: usize,
}

impl<'a> Parser<'a> {
    /// Parses what follows a `${`, up to and with its `}`.
    fn variable(&mut self) -> Result<Variable<'a>, Error> {
        if self.depth == self.max_depth {
            return Err(Error::TooDeep(self.max_depth));
        }
        self.depth += 1;
        let variable = if self.scanner.eat("#") {
            self.length()?
        } else {
            self.named()?
        };
        self.depth -= 1;
        Ok(variable)
    }

    fn length(&mut self) -> Result<Variable<'a>, Error> {
        let name = self.scanner.take_while(|c, _| is_name(c));
        if name.is_empty() {
            return Err(Error::BadSubstitution);
        }
        self.close()?;
        Ok(Variable {
            name,
            operator: Operator::Length,
            arguments: Vec::new(),
        })
    }

    fn named(&mut self) -> Result<Variable<'a>, Error> {
        let name = self.scanner.take_while(|c, _| is_name(c));
        if name.is_empty() {
            return Err(Error::VariableName);
        }
        let (operator, arguments) = match self.scanner.peek() {
            Some(':') => self.default_or_substring()?,
            Some('=') => {
                self.scanner.eat("=");
                (Operator::Default, self.default()?)
            }
            Some(',' | '^') => self.casing()?,
            Some('/') => self.replace()?,
            Some('#') => self.trim('#', Operator::TrimShortestPrefix, Operator::TrimLongestPrefix)?,
            Some('%') => self.trim('%', Operator::TrimShortestSuffix, Operator::TrimLongestSuffix)?,
            Some('}') => {
                self.scanner.eat("}");
                (Operator::Plain, Vec::new())
            }
            _ => return Err(Error::MissingClosingBrace),
        };
        Ok(Variable {
            name,
            operator,
            arguments,
        })
    }

    fn default_or_substring(&mut self) -> Result<(Operator, Vec<Argument<'a>>), Error> {
        self.scanner.eat(":");
        match self.scanner.peek() {
            // Without the colon only `=` is a default; with it all four are, and all mean the same.
            Some('=' | '-' | '?' | '+') => {
                self.scanner.take_while(|_, count| count == 0);
                Ok((Operator::Default, self.default()?))
            }
            Some(c) if c.is_ascii() => Ok((Operator::Substring, self.substring()?)),
            _ => Err(Error::BadSubstitution),
        }
    }

    fn default(&mut self) -> Result<Vec<Argument<'a>>, Error> {
        let mut default = Vec::new();
        while !self.scanner.eat("}") {
            default.extend(self.argument(Until::Brace)?);
        }
        Ok(vec![default])
    }

    fn substring(&mut self) -> Result<Vec<Argument<'a>>, Error> {
        let position = self.argument(Until::ColonOrBrace)?;
        if self.scanner.eat("}") {
            return Ok(vec![position]);
        }
        if self.scanner.take_while(|c, _| c == ':').is_empty() {
            return Err(Error::BadSubstitution);
        }
        let length = self.argument(Until::Brace)?;
        self.close()?;
        Ok(vec![position, length])
    }

    fn casing(&mut self) -> Result<(Operator, Vec<Argument<'a>>), Error> {
        let operator = match self
            .scanner
            .take_while(|c, count| matches!(c, ',' | '^') && count < 2)
        {
            "," => Operator::LowerFirst,
            ",," => Operator::Lower,
            "^" => Operator::UpperFirst,
            "^^" => Operator::Upper,
            // `,^` and `^,` are taken and do nothing.
            _ => Operator::Plain,
        };
        self.close()?;
        Ok((operator, Vec::new()))
    }

    fn trim(
        &mut self,
        sign: char,
        shortest: Operator,
        longest: Operator,
    ) -> Result<(Operator, Vec<Argument<'a>>), Error> {
        let signs = self.scanner.take_while(|c, count| c == sign && count < 2);
        let operator = if signs.len() == 1 { shortest } else { longest };
        let pattern = self.argument(Until::Brace)?;
        self.close()?;
        Ok((operator, vec![pattern]))
    }

    fn replace(&mut self) -> Result<(Operator, Vec<Argument<'a>>), Error> {
        let operator = match self.scanner.take_while(|c, count| match count {
            0 => c == '/',
            1 => matches!(c, '/' | '#' | '%'),
            _ => false,
        }) {
            "//" => Operator::ReplaceAll,
            "/#" => Operator::ReplacePrefix,
            "/%" => Operator::ReplaceSuffix,
            _ => Operator::ReplaceFirst,
        };
        let mut arguments = vec![self.argument(Until::EscapedSlash)?];
        if self.scanner.take_while(|c, _| c == '/').is_empty() {
            return Err(Error::BadSubstitution);
        }
        if self.scanner.peek() != Some('}') {
            arguments.push(self.argument(Until::EscapedBrace)?);
        }
        self.close()?;
        Ok((operator, arguments))
    }

    /// Parses one argument: a nested variable, or text up to its end or to a nested variable.
    fn argument(&mut self, until: Until) -> Result<Argument<'a>, Error> {
        if self.scanner.eat("${") {
            return Ok(vec![Part::Variable(self.variable()?)]);
        }
        let mut parts = Vec::new();
        if self
            .scanner
            .take_argument(until, |piece| parts.push(Part::Text(piece)))
        {
            Ok(parts)
        } else {
            Err(Error::Argument)
        }
    }

    fn close(&mut self) -> Result<(), Error> {
        if self.scanner.eat("}") {
            Ok(())
        } else {
            Err(Error::BadSubstitution)
        }
    }
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
