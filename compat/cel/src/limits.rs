//! What an expression may cost.
//!
//! cel-go bounds the size and the nesting of an expression, and Flux sets no limit to what its evaluation costs, so that
//! nested loops over a large object hold a core until the reconciliation times out. Here steps and bytes are counted.

use std::cell::Cell;

use crate::error::Failure;
use crate::scan::{Scan, Token};

/// The bounds on one expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most code points of an expression; cel-go's bound.
    pub code_points: usize,
    /// Deepest nesting of each kind of rule; cel-go's bound.
    pub depth: usize,
    /// Most steps of one evaluation; default two million, about half a second.
    pub steps: u64,
    /// Most bytes that one evaluation may make; default 32 MiB.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            code_points: 100_000,
            depth: 250,
            steps: 2_000_000,
            bytes: 32 << 20,
        }
    }
}

/// What is left of the limits in an evaluation.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: Cell<u64>,
    bytes: Cell<usize>,
    limits: Limits,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            steps: Cell::new(limits.steps),
            bytes: Cell::new(limits.bytes),
            limits,
        }
    }

    /// Takes steps, as many as something looks at.
    pub(crate) fn steps(&self, steps: usize) -> Result<(), Failure> {
        match self.steps.get().checked_sub(steps as u64) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => Err(Failure::stop(format!(
                "operation interrupted: more than {} steps",
                self.limits.steps
            ))),
        }
    }

    /// Takes bytes for something that is made, and the steps to make it.
    pub(crate) fn bytes(&self, bytes: usize) -> Result<(), Failure> {
        self.steps(bytes / 64)?;
        match self.bytes.get().checked_sub(bytes) {
            Some(left) => {
                self.bytes.set(left);
                Ok(())
            }
            None => Err(Failure::stop(format!(
                "operation interrupted: more than {} bytes of values",
                self.limits.bytes
            ))),
        }
    }
}

/// Why an expression is too deep, as cel-go counts: brackets and conditions in each other, and rows of operators and of
/// selections, which are nested too.
pub(crate) fn too_deep(text: &str, depth: usize) -> Option<String> {
    let mut levels = vec![Level::default()];
    let mut rows = 0;
    let mut scan = Scan { rest: text };
    let mut before = Token::Other;
    while let Some(token) = scan.token() {
        let nested = levels.len();
        let level = levels.last_mut()?;
        let known = level.sum();
        match token {
            Token::Open(bracket) => level.member += usize::from(bracket == '[' && before.is_operand()),
            Token::Close => {}
            Token::Member => level.member += 1,
            Token::Calculation => {
                level.member = 0;
                level.calculation += 1;
            }
            Token::Relation => {
                (level.member, level.calculation) = (0, 0);
                level.relation += 1;
            }
            // A question mark behind a point, a bracket or a comma marks an optional.
            Token::Question if !before.is_before_optional() => {
                *level = Level {
                    condition: level.condition + 1,
                    ..Level::default()
                };
            }
            Token::Comma => *level = Level::default(),
            Token::Logic | Token::Colon => {
                *level = Level {
                    condition: level.condition,
                    ..Level::default()
                }
            }
            Token::Question | Token::Word | Token::Other => {}
        }
        rows = rows + level.sum() - known;
        let conditions = level.condition;
        match token {
            Token::Open(_) => levels.push(Level::default()),
            Token::Close if nested > 1 => {
                rows -= levels.pop().unwrap_or_default().sum();
            }
            _ => {}
        }
        if levels.len() + conditions > depth {
            return Some(format!("expression recursion limit exceeded: {depth}"));
        }
        if rows > depth {
            return Some("max recursion depth exceeded".to_owned());
        }
        before = token;
    }
    None
}

/// How long the rows are that go on between a pair of brackets.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    member: usize,
    calculation: usize,
    relation: usize,
    condition: usize,
}

impl Level {
    fn sum(self) -> usize {
        self.member + self.calculation + self.relation + self.condition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_brackets_are_counted() {
        let rows = Some("max recursion depth exceeded".to_owned());
        let brackets = Some("expression recursion limit exceeded: 250".to_owned());
        let of = |text: &str| too_deep(text, 250);
        assert_eq!(of(&format!("1{}", "+1".repeat(200))), None);
        assert_eq!(of(&format!("1{}", "+1".repeat(10_000))), rows);
        assert_eq!(of(&format!("a{}", ".b".repeat(300))), rows);
        assert_eq!(of(&format!("a{}", "[0]".repeat(300))), rows);
        assert_eq!(of(&"(".repeat(300)), brackets);
        assert_eq!(of(&"[".repeat(200)), None);
        assert_eq!(of(&format!("{}1", "a?b:".repeat(300))), brackets);
        assert_eq!(of(&format!("a{}", "||a.b".repeat(5_000))), None);
        assert_eq!(of(&format!("[{}]", "1+1,".repeat(5_000))), None);
        assert_eq!(
            of(&format!(
                "'{}' == r'\\' && \"\"\"(\"((\"\"\" == ''",
                "(".repeat(500)
            )),
            None
        );
    }
}
