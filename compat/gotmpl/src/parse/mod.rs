//! Template text to a tree: lexer, parser, nodes.

mod ast;
mod builtin;
mod lexer;
mod number;
mod parser;

pub(crate) use ast::{Ast, Branch, Callee, Ident, NodeId, NodeKind, Var};
pub(crate) use builtin::{Builtin, Shape};
pub(crate) use parser::parse;
