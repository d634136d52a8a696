//! From text to a tree: the grammar is that of the crate `cel`, the macros are cel-go's.

mod macros;

use std::borrow::Cow;
use std::sync::Arc;

use cel::Env;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue};

use crate::ast::{Entry, Kind, Node};
use crate::limits::{Limits, too_deep};
use crate::scan::expected;
use crate::source::{Issues, NOWHERE, Source};
use crate::value::{Text, Value};

/// Enough for the parser at the deepest nesting that is let through.
const STACK: usize = 64 << 20;

/// Reads an expression; what is wrong with it is added to the issues.
pub(crate) fn parse(text: &str, limits: &Limits, issues: &mut Issues) -> (Source, Option<Node>) {
    let mut source = Source::new(text);
    let size = text.chars().count();
    if size > limits.code_points {
        let message = format!(
            "expression code point size exceeds limit: size: {size}, limit {}",
            limits.code_points
        );
        issues.add(NOWHERE, message);
        return (source, None);
    }
    if let Some(message) = too_deep(text, limits.depth) {
        issues.add(NOWHERE, message);
        return (source, None);
    }
    let root = stacker::grow(STACK, || {
        let parser = Env::default().parser().max_recursion_depth(u16::MAX);
        let (expr, info) = match parser.parse_with_source_info(text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                let mut is_first = true;
                for error in errors.errors.iter().filter(|error| !is_follow_up(&error.msg)) {
                    let (line, column) = (error.pos.0 as i64, error.pos.1 as i64 - 1);
                    let column = match error.msg.as_str() {
                        // Nothing is before its first column.
                        _ if text.is_empty() => -1,
                        BACKTICK => column + to_backtick(text, line, column),
                        _ => column,
                    };
                    let before = is_first.then(|| before(text, line, column));
                    is_first &= !error.msg.starts_with(SYNTAX);
                    issues.add((line, column), reword(&error.msg, before).into_owned());
                }
                return None;
            }
        };
        let mut lower = Lower {
            source: &mut source,
            issues,
            info: &info,
            too_large: false,
        };
        let root = lower.node(expr);
        issues.is_empty().then_some(root)
    });
    (source, root)
}

/// How mistakes of syntax begin.
const SYNTAX: &str = "Syntax error: ";

/// The text before a place.
fn before(text: &str, line: i64, column: i64) -> &str {
    let number = |number: i64| usize::try_from(number).unwrap_or_default();
    let start: usize = text
        .split_inclusive('\n')
        .take(number(line - 1))
        .map(str::len)
        .sum();
    let in_line = text.get(start..).unwrap_or_default().chars().take(number(column));
    let end = start + in_line.map(char::len_utf8).sum::<usize>();
    text.get(..end).unwrap_or(text)
}

/// The syntax that is not enabled, which is marked where it is and not before it.
const BACKTICK: &str = "unsupported syntax: '`'";

fn to_backtick(text: &str, line: i64, column: i64) -> i64 {
    let number = |number: i64| usize::try_from(number).unwrap_or_default();
    let line = text.split('\n').nth(number(line - 1)).unwrap_or_default();
    let behind = line.chars().skip(number(column));
    behind.take_while(|c| *c != '`').count() as i64
}

/// Whether a message only says that a part is missing after a mistake of syntax, which has a message of its own.
fn is_follow_up(message: &str) -> bool {
    message.starts_with("Incomplete ") || message.starts_with("No `")
}

/// What may follow any operand, which cel-go's parser does not list where a certain token is missing.
const AFTER_OPERANDS: [&str; 17] = [
    "'=='", "'!='", "'in'", "'<'", "'<='", "'>='", "'>'", "'&&'", "'||'", "'['", "'.'", "'-'", "'?'", "'+'",
    "'*'", "'/'", "'%'",
];

/// cel-go's words for a mistake of syntax, which is the first one where what is `before` it is given: what brackets are open
/// says then what is missing.
fn reword<'m>(message: &'m str, before: Option<&str>) -> Cow<'m, str> {
    const NO_VIABLE: &str = "no viable alternative at input '";
    if let Some((begin, input)) = message.split_once(NO_VIABLE) {
        // A keyword where a name is needed has a message of its own.
        let keyword = ["true", "false", "null"].into_iter().find(|keyword| {
            let sign = input
                .strip_suffix('\'')
                .and_then(|input| input.strip_suffix(keyword));
            sign.is_some_and(|sign| sign.chars().count() == 1)
        });
        if let Some(keyword) = keyword {
            return Cow::Owned(format!(
                "{begin}mismatched input '{keyword}' expecting IDENTIFIER"
            ));
        }
    }
    if let Some((begin, tokens)) = message.split_once(" expecting {") {
        let tokens: Vec<_> = tokens.trim_end_matches('}').split(", ").collect();
        if tokens.contains(&"'=='") {
            if let Some(before) = before {
                return Cow::Owned(format!("{begin} expecting {}", expected(before)));
            }
            let left: Vec<_> = tokens
                .into_iter()
                .filter(|token| !AFTER_OPERANDS.contains(token))
                .collect();
            return Cow::Owned(match left.as_slice() {
                [one] => format!("{begin} expecting {one}"),
                several => format!("{begin} expecting {{{}}}", several.join(", ")),
            });
        }
    }
    Cow::Borrowed(message)
}

/// Turns the tree of the parser into ours.
pub(crate) struct Lower<'l> {
    pub(crate) source: &'l mut Source,
    pub(crate) issues: &'l mut Issues,
    info: &'l cel::common::ast::SourceInfo,
    too_large: bool,
}

impl Lower<'_> {
    fn node(&mut self, expr: IdedExpr) -> Node {
        let id = expr.id;
        self.place(id);
        let kind = match expr.expr {
            Expr::Unspecified => Kind::Literal(Value::Null),
            Expr::Literal(literal) => {
                let value = value(&literal);
                self.place_sign(id, &value);
                Kind::Literal(value)
            }
            Expr::Ident(name) => Kind::Ident(name),
            Expr::Select(select) => Kind::Select {
                operand: Box::new(self.node(*select.operand)),
                field: select.field,
                test: select.test,
            },
            Expr::Call(call) => {
                let target = call.target.map(|target| Box::new(self.node(*target)));
                let args = call.args.into_iter().map(|arg| self.node(arg)).collect();
                return macros::expand(self, id, &call.func_name, target, args);
            }
            Expr::List(list) => {
                let mut optional = vec![false; list.elements.len()];
                for index in list.optional_indices {
                    if let Some(flag) = optional.get_mut(index) {
                        *flag = true;
                    }
                }
                Kind::List {
                    items: list.elements.into_iter().map(|item| self.node(item)).collect(),
                    optional,
                }
            }
            Expr::Map(map) => {
                let entries = map.entries.into_iter().filter_map(|entry| match entry.expr {
                    EntryExpr::MapEntry(entry) => Some(Entry {
                        key: self.node(entry.key),
                        value: self.node(entry.value),
                        optional: entry.optional,
                    }),
                    EntryExpr::StructField(_) => None,
                });
                Kind::Map(entries.collect())
            }
            Expr::Struct(message) => {
                if message.type_name.trim_start_matches('.').starts_with("google.") {
                    self.refuse(id, &format!("messages are not supported: {}", message.type_name));
                }
                Kind::Message(message.type_name)
            }
            Expr::Comprehension(_) => {
                self.refuse(id, "unexpected comprehension");
                Kind::Literal(Value::Null)
            }
        };
        Node { id, kind }
    }

    /// A number below zero begins with its sign.
    fn place_sign(&mut self, id: u64, value: &Value<'_>) {
        let is_negative = match value {
            Value::Int(number) => *number < 0,
            Value::Double(number) => number.is_sign_negative(),
            _ => false,
        };
        if let Some((start, _)) = self.info.offset_for(id).filter(|_| is_negative) {
            let before = self.source.text().get(..start as usize).unwrap_or_default();
            if let Some(sign) = before.trim_end().strip_suffix('-').map(str::len) {
                self.source.set_start(id, sign);
            }
        }
    }

    fn place(&mut self, id: u64) {
        if let Some((start, _)) = self.info.offset_for(id) {
            self.source.set_start(id, start as usize);
        }
    }

    /// Says, once, that the expansions of macros are too large.
    pub(crate) fn refuse_size(&mut self) {
        if !std::mem::replace(&mut self.too_large, true) {
            self.issues.add(
                NOWHERE,
                "the expression is too large with its macros expanded".to_owned(),
            );
        }
    }

    pub(crate) fn refuse(&mut self, id: u64, message: &str) {
        let location = self.source.location(id);
        self.issues.add(location, message.to_owned());
    }
}

fn value(literal: &LiteralValue) -> Value<'static> {
    match literal {
        LiteralValue::Boolean(truth) => Value::Bool(*truth.inner()),
        LiteralValue::Bytes(bytes) => Value::Bytes(Arc::from(bytes.inner())),
        LiteralValue::Double(number) => Value::Double(*number.inner()),
        LiteralValue::Int(number) => Value::Int(*number.inner()),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(text) => Value::String(Text::Made(Arc::from(text.inner()))),
        LiteralValue::UInt(number) => Value::Uint(*number.inner()),
    }
}
