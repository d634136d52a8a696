//! The parsed form of one template text.

use crate::value::Value;
use crate::value::func::Func;
use crate::value::str::Str;
use go_std::quote;

use super::builtin::Builtin;
use super::number::Number;

/// Index of a node in its [`Ast`].
pub(crate) type NodeId = u32;

/// All nodes parsed from one text, the templates that it defines included.
///
/// Nodes refer to each other by index, so that a deep tree is built, walked and dropped without
/// recursion where recursion is not wanted.
#[derive(Debug)]
pub(crate) struct Ast {
    /// The name of the text.
    pub file: Str,
    pub text: Str,
    pub nodes: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Node {
    /// Where the node starts in the text, by Go's rules.
    pub pos: usize,
    pub kind: NodeKind,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    List(Box<[NodeId]>),
    Text(Str),
    Action(NodeId),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template {
        name: Str,
        pipe: Option<NodeId>,
    },
    Break,
    Continue,
    Pipe(Pipe),
    Command(Box<[NodeId]>),
    Function {
        name: Box<str>,
        callee: Callee,
    },
    Dot,
    Nil,
    Field(Box<[Ident]>),
    Variable {
        var: Var,
        fields: Box<[Ident]>,
    },
    Chain {
        node: NodeId,
        fields: Box<[Ident]>,
    },
    Bool(bool),
    Number(Box<Number>),
    Str {
        quoted: Str,
        value: Value,
    },
    /// `{{end}}`, only seen while parsing.
    End,
    /// `{{else}}`, only seen while parsing.
    Else,
}

/// `if`, `with` or `range`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Branch {
    pub pipe: NodeId,
    pub list: NodeId,
    pub else_list: Option<NodeId>,
}

/// A pipeline with its declarations or assignments.
#[derive(Debug)]
pub(crate) struct Pipe {
    pub decls: Box<[Var]>,
    pub assign: bool,
    pub commands: Box<[NodeId]>,
}

/// A variable: its name with the `$`, and a number that is the same wherever the name is.
#[derive(Clone, Debug)]
pub(crate) struct Var {
    pub name: Str,
    pub id: u32,
}

impl Var {
    /// The number of `$` itself.
    pub(crate) const ROOT: u32 = 0;
}

/// The name of a field, method or key.
#[derive(Clone, Debug)]
pub(crate) struct Ident(pub Str);

impl Ident {
    /// Returns the name as text; identifiers are always UTF-8.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// What a function name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Callee {
    User(Func),
    Builtin(Builtin),
}

impl Ast {
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(crate) fn kind(&self, id: NodeId) -> &NodeKind {
        &self.node(id).kind
    }

    /// Returns line (from 1) and column in bytes (from 0) of a node.
    pub(crate) fn line_column(&self, id: NodeId) -> (usize, usize) {
        let before = self.text.get(..self.node(id).pos).unwrap_or_default();
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let column = before.iter().rev().take_while(|b| **b != b'\n').count();
        (line, column)
    }

    /// Returns the source of a node, printed back.
    pub(crate) fn source(&self, id: NodeId) -> String {
        String::from_utf8_lossy(&self.source_bytes(id)).into_owned()
    }

    /// Returns the source of a node as the bytes that it was written in.
    pub(crate) fn source_bytes(&self, id: NodeId) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out, id);
        out
    }

    fn write(&self, out: &mut Vec<u8>, id: NodeId) {
        match self.kind(id) {
            NodeKind::List(nodes) => nodes.iter().for_each(|node| self.write_deep(out, *node)),
            NodeKind::Text(text) => out.extend_from_slice(quote(text).as_bytes()),
            NodeKind::Action(pipe) => {
                out.extend_from_slice(b"{{");
                self.write(out, *pipe);
                out.extend_from_slice(b"}}");
            }
            NodeKind::If(branch) => self.write_branch(out, "if", *branch),
            NodeKind::With(branch) => self.write_branch(out, "with", *branch),
            NodeKind::Range(branch) => self.write_branch(out, "range", *branch),
            NodeKind::Template { name, pipe } => {
                out.extend_from_slice(b"{{template ");
                out.extend_from_slice(quote(name).as_bytes());
                if let Some(pipe) = pipe {
                    out.push(b' ');
                    self.write(out, *pipe);
                }
                out.extend_from_slice(b"}}");
            }
            NodeKind::Break => out.extend_from_slice(b"{{break}}"),
            NodeKind::Continue => out.extend_from_slice(b"{{continue}}"),
            NodeKind::End => out.extend_from_slice(b"{{end}}"),
            NodeKind::Else => out.extend_from_slice(b"{{else}}"),
            NodeKind::Pipe(pipe) => {
                for (at, var) in pipe.decls.iter().enumerate() {
                    if at > 0 {
                        out.extend_from_slice(b", ");
                    }
                    out.extend_from_slice(&var.name);
                }
                if !pipe.decls.is_empty() {
                    out.extend_from_slice(if pipe.assign { b" = " } else { b" := " });
                }
                for (at, command) in pipe.commands.iter().enumerate() {
                    if at > 0 {
                        out.extend_from_slice(b" | ");
                    }
                    self.write(out, *command);
                }
            }
            NodeKind::Command(args) => {
                for (at, arg) in args.iter().enumerate() {
                    if at > 0 {
                        out.push(b' ');
                    }
                    self.write_operand(out, *arg);
                }
            }
            NodeKind::Function { name, .. } => out.extend_from_slice(name.as_bytes()),
            NodeKind::Dot => out.push(b'.'),
            NodeKind::Nil => out.extend_from_slice(b"nil"),
            NodeKind::Field(fields) => write_fields(out, fields),
            NodeKind::Variable { var, fields } => {
                out.extend_from_slice(&var.name);
                write_fields(out, fields);
            }
            NodeKind::Chain { node, fields } => {
                self.write_operand(out, *node);
                write_fields(out, fields);
            }
            NodeKind::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            NodeKind::Number(number) => out.extend_from_slice(&number.text),
            NodeKind::Str { quoted, .. } => out.extend_from_slice(quoted),
        }
    }

    fn write_deep(&self, out: &mut Vec<u8>, id: NodeId) {
        crate::deep(|| self.write(out, id));
    }

    fn write_operand(&self, out: &mut Vec<u8>, id: NodeId) {
        if matches!(self.kind(id), NodeKind::Pipe(_)) {
            out.push(b'(');
            self.write_deep(out, id);
            out.push(b')');
        } else {
            self.write_deep(out, id);
        }
    }

    fn write_branch(&self, out: &mut Vec<u8>, keyword: &str, branch: Branch) {
        out.extend_from_slice(format!("{{{{{keyword} ").as_bytes());
        self.write(out, branch.pipe);
        out.extend_from_slice(b"}}");
        self.write(out, branch.list);
        if let Some(else_list) = branch.else_list {
            out.extend_from_slice(b"{{else}}");
            self.write(out, else_list);
        }
        out.extend_from_slice(b"{{end}}");
    }

    /// Returns whether a list has nothing but space, so that it never replaces another template.
    pub(crate) fn is_empty_list(&self, list: NodeId) -> bool {
        let NodeKind::List(nodes) = self.kind(list) else {
            return false;
        };
        nodes.iter().all(|node| match self.kind(*node) {
            NodeKind::Text(text) => is_blank(text),
            _ => false,
        })
    }
}

fn write_fields(out: &mut Vec<u8>, fields: &[Ident]) {
    for field in fields {
        out.push(b'.');
        out.extend_from_slice(&field.0);
    }
}

fn is_blank(text: &[u8]) -> bool {
    go_std::unicode::runes(text).all(|(_, rune, valid)| valid && rune.is_whitespace())
}
