//! Values as Go's `%#v` prints them, for the error texts that contain it.

use std::fmt::{self, Write as _};

use crate::node::{Kind, Node};
use crate::resolve::Scalar;
use go_std::{float, quote};

/// Prints nodes of the v2 flavour in Go syntax.
pub(super) struct GoSyntax;

/// Deep or wide values are cut here: the text ends in a condition or on a terminal.
const MAX_TEXT: usize = 64 << 10;

impl GoSyntax {
    pub(super) fn value(root: &Node, node: &Node) -> String {
        let mut out = String::new();
        write(&mut out, root, node, false, 0);
        out
    }
}

fn write(out: &mut String, root: &Node, node: &Node, nested: bool, depth: usize) {
    if out.len() > MAX_TEXT || depth > 64 {
        return;
    }
    match node.kind() {
        Kind::Scalar => match super::v2::scalar(node) {
            Ok(scalar) => write_scalar(out, &scalar, nested),
            Err(_) => out.push_str(&quote(node.text())),
        },
        Kind::Alias => match find_anchor(root, node.text()) {
            Some(target) => write(out, root, target, nested, depth + 1),
            None => out.push_str("<nil>"),
        },
        Kind::Sequence => {
            out.push_str("[]interface {}{");
            for (index, item) in node.items().iter().enumerate() {
                separate(out, index);
                write(out, root, item, true, depth + 1);
            }
            out.push('}');
        }
        Kind::Mapping => {
            out.push_str("map[interface {}]interface {}{");
            let mut pairs = Vec::new();
            let mut bytes = 0;
            for (key, value) in node.entries() {
                let mut text = String::new();
                write(&mut text, root, key, true, depth + 1);
                bytes += text.len();
                pairs.push((text, value));
                if bytes > MAX_TEXT {
                    break;
                }
            }
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            for (index, (key, value)) in pairs.into_iter().enumerate() {
                separate(out, index);
                out.push_str(&key);
                out.push(':');
                write(out, root, value, true, depth + 1);
            }
            out.push('}');
        }
    }
}

fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push_str(", ");
    }
}

fn write_scalar(out: &mut String, scalar: &Scalar<'_>, nested: bool) {
    match scalar {
        Scalar::Null if nested => out.push_str("interface {}(nil)"),
        Scalar::Null => out.push_str("<nil>"),
        Scalar::Bool(value) => out.push_str(&value.to_string()),
        Scalar::Int(value) => out.push_str(&value.to_string()),
        Scalar::Uint(value) => push(out, format_args!("{value:#x}")),
        Scalar::Float(value) => out.push_str(&float::format_g(*value)),
        Scalar::Str(text) => out.push_str(&quote(text.as_ref())),
        Scalar::Time(_) => out.push_str("time.Time{}"),
    }
}

fn find_anchor<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    if node.anchor() == name {
        return Some(node);
    }
    let below = |child| find_anchor(child, name);
    match node.kind() {
        Kind::Mapping => node
            .entries()
            .iter()
            .find_map(|(key, value)| below(key).or_else(|| below(value))),
        Kind::Sequence => node.items().iter().find_map(below),
        Kind::Scalar | Kind::Alias => None,
    }
}

fn push(out: &mut String, text: fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = out.write_fmt(text);
}
