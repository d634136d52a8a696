//! What is refused although the types fit: mixed types in one list or map, and formats that do not fit their arguments.

use super::Checked;
use crate::ast::{Kind, Node};
use crate::functions::{Clause, Formatter, interpolate};
use crate::source::{Issues, Source};
use crate::types::Type;
use crate::value::Value;

/// Arguments of this function may be of different types.
const FORMAT: &str = "format";

pub(super) fn validate(root: &Node, checked: &Checked, source: &Source, issues: &mut Issues) {
    let mut lists = Vec::new();
    let mut maps = Vec::new();
    let mut formats = Vec::new();
    root.visit(&mut Vec::new(), &mut |node, inside| {
        let is_exempt = inside.contains(&FORMAT);
        match &node.kind {
            Kind::List { .. } if !is_exempt => lists.push(node),
            Kind::Map(_) if !is_exempt => maps.push(node),
            Kind::Call { function, .. } if function == FORMAT => formats.push(node),
            _ => {}
        }
    });
    let mut mixed = |node: &Node, expected: &Type, actual: &Type| {
        let message = format!("expected type '{expected}' but found '{actual}'");
        issues.add(source.location(node.id), message);
    };
    for node in lists {
        let Kind::List { items, optional } = &node.kind else {
            continue;
        };
        let mut first: Option<&Type> = None;
        for (item, optional) in items.iter().zip(optional) {
            let of = of_item(checked.type_of(item), *optional);
            match first {
                None => first = Some(of),
                Some(first) if first == of => {}
                Some(first) => {
                    mixed(item, first, of);
                    break;
                }
            }
        }
    }
    for node in maps {
        let Kind::Map(entries) = &node.kind else { continue };
        let mut first: Option<(&Type, &Type)> = None;
        for entry in entries {
            let key = checked.type_of(&entry.key);
            let value = of_item(checked.type_of(&entry.value), entry.optional);
            let (first_key, first_value) = *first.get_or_insert((key, value));
            if first_key != key {
                mixed(&entry.key, first_key, key);
            }
            if first_value != value {
                mixed(&entry.value, first_value, value);
            }
        }
    }
    for node in formats {
        validate_format(node, checked, source, issues);
    }
}

fn of_item(of: &Type, optional: bool) -> &Type {
    if optional { of.unwrap_optional().0 } else { of }
}

fn validate_format(node: &Node, checked: &Checked, source: &Source, issues: &mut Issues) {
    let Kind::Call {
        target: Some(target),
        args,
        ..
    } = &node.kind
    else {
        return;
    };
    let (Kind::Literal(Value::String(format)), [list]) = (&target.kind, args.as_slice()) else {
        return;
    };
    let Kind::List { items, .. } = &list.kind else {
        return;
    };
    let mut types = Types {
        items,
        checked,
        seen: 0,
        culprit: None,
    };
    match interpolate(format.as_str(), &mut types) {
        Err(reason) => {
            let id = types.culprit.unwrap_or(node.id);
            issues.add(source.location(id), reason);
        }
        Ok(_) if items.len() > types.seen => {
            let message = format!(
                "too many arguments supplied to string.format (expected {}, got {})",
                types.seen,
                items.len()
            );
            issues.add(source.location(node.id), message);
        }
        Ok(_) => {}
    }
}

/// The arguments of a format by their types.
struct Types<'t> {
    items: &'t [Node],
    checked: &'t Checked,
    seen: usize,
    culprit: Option<u64>,
}

impl Formatter for Types<'_> {
    fn size(&self) -> usize {
        self.items.len()
    }

    fn format(&mut self, index: usize, clause: Clause) -> Result<String, String> {
        self.seen += 1;
        let item = &self.items[index];
        match self.unsuited(item, clause) {
            None => Ok(String::new()),
            Some(culprit) => {
                self.culprit = Some(culprit.id);
                Err(clause.refusal(self.checked.type_of(culprit).runtime_name()))
            }
        }
    }

    fn checks_size_first(&self) -> bool {
        false
    }
}

impl Types<'_> {
    /// The part of an argument that cannot be formatted so.
    fn unsuited<'n>(&self, node: &'n Node, clause: Clause) -> Option<&'n Node> {
        let of = self.checked.type_of(node);
        let fits = match (clause, of) {
            (_, Type::Dyn) => true,
            (Clause::Text, other) => !matches!(other, Type::Optional(_) | Type::Error | Type::Param(_)),
            (Clause::Binary, Type::Bool) => true,
            (Clause::Decimal | Clause::Fixed(_) | Clause::Scientific(_), Type::Double) => true,
            (Clause::Hex { .. }, Type::String | Type::Bytes) => true,
            (_, Type::Int | Type::Uint) => true,
            _ => false,
        };
        if !fits {
            return Some(node);
        }
        match (&node.kind, clause) {
            (Kind::List { items, .. }, Clause::Text) => {
                items.iter().find_map(|item| self.unsuited(item, clause))
            }
            (Kind::Map(entries), Clause::Text) => entries.iter().find_map(|entry| {
                self.unsuited(&entry.key, clause)
                    .or_else(|| self.unsuited(&entry.value, clause))
            }),
            _ => None,
        }
    }
}
