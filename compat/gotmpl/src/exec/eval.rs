//! Pipelines, commands, fields, variables, constants.

use crate::limits::Limits;
use crate::parse::{Callee, Ident, NodeId, NodeKind};
use crate::set::MissingKey;
use crate::value::Value;
use crate::value::types::{Kind, Type};
use go_std::quote;

use super::call::Invocation;
use super::slot::{Slot, Want};
use super::walk::{Exec, Result};

impl Exec<'_, '_> {
    /// Evaluates a pipeline and its declarations; what comes out is never in an interface.
    pub(super) fn eval_pipeline(&mut self, dot: &Slot, id: NodeId) -> Result<Slot> {
        self.at = id;
        let ast = self.ast;
        let NodeKind::Pipe(pipe) = ast.kind(id) else {
            return Ok(Slot::INVALID);
        };
        let mut value: Option<Slot> = None;
        for command in &pipe.commands {
            value = Some(self.eval_command(dot, *command, value)?.unwrapped());
        }
        let value = value.unwrap_or_default();
        for var in &pipe.decls {
            if pipe.assign {
                self.set_var(var, value.clone())?;
            } else {
                self.vars.push((var.id, value.clone()));
            }
        }
        Ok(value)
    }

    fn eval_command(&mut self, dot: &Slot, id: NodeId, piped: Option<Slot>) -> Result<Slot> {
        self.step()?;
        let ast = self.ast;
        let NodeKind::Command(args) = ast.kind(id) else {
            return Ok(Slot::INVALID);
        };
        let Some((&first, rest)) = args.split_first() else {
            return Ok(Slot::INVALID);
        };
        match ast.kind(first) {
            NodeKind::Field(fields) => self.eval_field_node(dot, first, fields, rest, piped),
            NodeKind::Chain { node, fields } => self.eval_chain(dot, first, *node, fields, rest, piped),
            NodeKind::Function { name, callee } => {
                self.at = first;
                self.eval_function(
                    dot,
                    callee,
                    Invocation {
                        name,
                        node: id,
                        args: rest,
                        piped,
                    },
                )
            }
            NodeKind::Pipe(_) => {
                self.not_a_function(first, rest, piped.as_ref())?;
                crate::deep(|| self.eval_pipeline(dot, first))
            }
            NodeKind::Variable { var, fields } => self.eval_variable(dot, first, var.id, fields, rest, piped),
            kind => {
                self.at = first;
                self.not_a_function(first, rest, piped.as_ref())?;
                match kind {
                    NodeKind::Nil => self.fail("nil is not a command"),
                    _ => self.eval_constant(dot, first),
                }
            }
        }
    }

    fn not_a_function(&self, first: NodeId, rest: &[NodeId], piped: Option<&Slot>) -> Result<()> {
        if rest.is_empty() && piped.is_none() {
            return Ok(());
        }
        self.fail(format!(
            "can't give argument to non-function {}",
            self.ast.source(first)
        ))
    }

    /// Evaluates a constant where nothing asks for a type; also the dot.
    pub(super) fn eval_constant(&mut self, dot: &Slot, id: NodeId) -> Result<Slot> {
        self.at = id;
        let ast = self.ast;
        Ok(match ast.kind(id) {
            NodeKind::Dot => dot.clone(),
            NodeKind::Bool(value) => Slot::concrete(Value::Bool(*value)),
            NodeKind::Str { value, .. } => Slot::concrete(value.clone()),
            NodeKind::Number(number) => match &number.ideal {
                Some(value) => Slot::concrete(value.clone()),
                None => return self.fail(format!("{} overflows int", number.text)),
            },
            _ => {
                return self.fail(format!("can't evaluate command {}", quote(&ast.source_bytes(id))));
            }
        })
    }

    pub(super) fn eval_field_node(
        &mut self,
        dot: &Slot,
        id: NodeId,
        fields: &[Ident],
        args: &[NodeId],
        piped: Option<Slot>,
    ) -> Result<Slot> {
        self.at = id;
        self.eval_fields(dot, dot.clone(), id, fields, args, piped)
    }

    pub(super) fn eval_chain(
        &mut self,
        dot: &Slot,
        id: NodeId,
        node: NodeId,
        fields: &[Ident],
        args: &[NodeId],
        piped: Option<Slot>,
    ) -> Result<Slot> {
        self.at = id;
        let receiver = self.eval_arg(dot, Want::Raw, node)?;
        self.eval_fields(dot, receiver, id, fields, args, piped)
    }

    pub(super) fn eval_variable(
        &mut self,
        dot: &Slot,
        id: NodeId,
        var: u32,
        fields: &[Ident],
        args: &[NodeId],
        piped: Option<Slot>,
    ) -> Result<Slot> {
        self.at = id;
        let Some((_, value)) = self.vars.iter().rev().find(|(known, _)| *known == var) else {
            let NodeKind::Variable { var, .. } = self.ast.kind(id) else {
                return Ok(Slot::INVALID);
            };
            return self.fail(format!("undefined variable: {}", var.name));
        };
        let value = value.clone();
        if fields.is_empty() {
            self.not_a_function(id, args, piped.as_ref())?;
            return Ok(value);
        }
        self.eval_fields(dot, value, id, fields, args, piped)
    }

    /// Follows `.X.Y.Z`; only the last one may be a method with arguments.
    fn eval_fields(
        &mut self,
        dot: &Slot,
        mut receiver: Slot,
        node: NodeId,
        fields: &[Ident],
        args: &[NodeId],
        piped: Option<Slot>,
    ) -> Result<Slot> {
        let Some((last, path)) = fields.split_last() else {
            return Ok(receiver);
        };
        for field in path {
            let invocation = Invocation {
                name: field.as_str(),
                node,
                args: &[],
                piped: None,
            };
            receiver = self.eval_field(dot, &receiver, field, invocation)?;
        }
        self.eval_field(
            dot,
            &receiver,
            last,
            Invocation {
                name: last.as_str(),
                node,
                args,
                piped,
            },
        )
    }

    fn eval_field(
        &mut self,
        dot: &Slot,
        receiver: &Slot,
        field: &Ident,
        invocation: Invocation<'_>,
    ) -> Result<Slot> {
        let missing_key = self.set.options().missing_key;
        let name = field.as_str();
        self.pay(1 + name.len() as u64 / Limits::BYTES_PER_STEP)?;
        if receiver.is_invalid() {
            if missing_key == MissingKey::Error {
                return self.fail(format!("nil data; no entry for key {}", quote(&field.0)));
            }
            return Ok(Slot::INVALID);
        }
        if receiver.is_nil_iface() {
            return self.fail(format!("nil pointer evaluating interface {{}}.{name}"));
        }
        let method = match &receiver.value {
            Value::Object(object) => object.method(name),
            value => match value.go_type() {
                Some(Type::Named(named)) => (named.method)(value, name),
                _ => None,
            },
        };
        if let Some(method) = method {
            return self.call_func(dot, &method, invocation);
        }
        let has_args = !invocation.args.is_empty() || invocation.piped.is_some();
        match &receiver.value {
            Value::Map(map) => {
                if has_args {
                    return self.fail(format!("{name} is not a method but has arguments"));
                }
                let elem = map.elem_type();
                match map.get(&field.0) {
                    Some(value) => return Ok(Slot::of_type(value, elem)),
                    None => match missing_key {
                        MissingKey::Default => return Ok(Slot::INVALID),
                        MissingKey::Zero => return Ok(Slot::of_type(Value::zero(elem), elem)),
                        MissingKey::Error => {
                            return self.fail(format!("map has no entry for key {}", quote(&field.0)));
                        }
                    },
                }
            }
            Value::Object(object)
                if matches!(receiver.value.kind(), Kind::Struct | Kind::Pointer | Kind::Map) =>
            {
                if let Some(value) = object.field(name) {
                    if has_args {
                        return self.fail(format!("{name} has arguments but cannot be invoked as function"));
                    }
                    let iface = value.is_nil();
                    return Ok(Slot { value, iface });
                }
                if object.fields().iter().any(|(field, _)| *field == name) {
                    let ty = receiver.static_type();
                    return self.fail(format!("{name} is an unexported field of struct type {ty}"));
                }
            }
            _ => {}
        }
        self.fail(format!(
            "can't evaluate field {name} in type {}",
            receiver.static_type()
        ))
    }

    pub(super) fn eval_function(
        &mut self,
        dot: &Slot,
        callee: &Callee,
        invocation: Invocation<'_>,
    ) -> Result<Slot> {
        match callee {
            Callee::User(func) => self.call_func(dot, func, invocation),
            Callee::Builtin(builtin) => self.call_builtin(dot, *builtin, invocation),
        }
    }
}
