//! Calls of functions and methods: arity, arguments, conversions.

use crate::error::FuncError;
use crate::limits::Limits;
use crate::parse::{Builtin, NodeId, NodeKind, Shape};
use crate::value::Value;
use crate::value::func::Func;
use crate::value::types::{IntType, Kind, Type, UintType};

use super::slot::{Slot, Want};
use super::walk::{Exec, Result};

/// A function name with its arguments.
pub(super) struct Invocation<'a> {
    pub name: &'a str,
    /// Where an error of the function is reported.
    pub node: NodeId,
    pub args: &'a [NodeId],
    /// The value of the previous stage of the pipeline: the last argument.
    pub piped: Option<Slot>,
}

/// What every call of a function takes, however little it does.
const STEPS_PER_CALL: u64 = 16;

/// How many steps it is worth to go through a value once.
fn work(value: &Value) -> u64 {
    match value {
        Value::Str(text) => text.len() as u64 / Limits::BYTES_PER_STEP,
        Value::List(list) => list.len() as u64 / Limits::ITEMS_PER_STEP,
        Value::Map(map) => map.len() as u64 / Limits::ITEMS_PER_STEP,
        _ => 0,
    }
}

/// How many bytes of values a function may make of an argument before it returns.
fn unpacked(argument: &Value) -> u64 {
    match argument {
        Value::List(list) => list.size_as_values(),
        _ => 0,
    }
}

/// How many bytes a value counts that a function made of others; one that it only passes on counts nothing.
fn made(value: &Value, arguments: &[Value]) -> u64 {
    let is_passed_on = || {
        arguments.iter().any(|argument| match (value, argument) {
            (Value::Str(value), Value::Str(argument)) => value.is_part_of(argument),
            (Value::Map(value), Value::Map(argument)) => value.ptr_eq(argument),
            _ => false,
        })
    };
    let bytes = match value {
        Value::Str(text) => text.len() as u64,
        Value::List(list) => list.size(),
        Value::Map(map) => Limits::map_bytes(map.len()),
        _ => return 0,
    };
    if is_passed_on() { 0 } else { bytes }
}

impl Exec<'_, '_> {
    pub(super) fn call_func(&mut self, dot: &Slot, func: &Func, call: Invocation<'_>) -> Result<Slot> {
        let signature = func.signature();
        let params = &signature.params;
        self.check_arity(&call, params.len(), signature.variadic)?;
        let last = params.len().saturating_sub(1);
        let want = |at: usize| {
            let at = if signature.variadic { at.min(last) } else { at };
            Want::Typed(params.get(at).copied().unwrap_or(Type::Any))
        };
        let mut values = Vec::with_capacity(call.args.len() + 1);
        for (at, arg) in call.args.iter().enumerate() {
            values.push(self.eval_arg(dot, want(at), *arg)?.value);
        }
        if let Some(piped) = call.piped {
            values.push(self.validate(piped, want(values.len()))?.value);
        }
        let arguments = values.iter().map(work).fold(STEPS_PER_CALL, u64::saturating_add);
        self.charge_work(call.node, arguments)?;
        self.charge_values(
            call.node,
            values.iter().map(unpacked).fold(0, u64::saturating_add),
        )?;
        match func.call(self.cx, &values) {
            Ok(value) => {
                self.charge_work(call.node, work(&value))?;
                self.charge_values(call.node, made(&value, &values))?;
                self.check_made(call.node, &value)?;
                Ok(Slot::of_type(value, signature.returns))
            }
            Err(error) => self.call_error(call.name, call.node, error),
        }
    }

    /// Lets a call pay for what it reads and makes: a loop that grows a text or a list by copying it takes quadratic time.
    fn charge_work(&mut self, node: NodeId, steps: u64) -> Result<()> {
        match self.cx.charge(steps) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.at = node;
                self.check(Err(error))
            }
        }
    }

    /// Whatever the arguments were, no text is longer than a string may be: the next function makes a multiple of it.
    fn check_made(&mut self, node: NodeId, value: &Value) -> Result<()> {
        match self.cx.check_length(value.as_str().map_or(0, |text| text.len())) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.at = node;
                self.check(Err(error))
            }
        }
    }

    fn charge_values(&mut self, node: NodeId, bytes: u64) -> Result<()> {
        match self.cx.charge_values(bytes) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.at = node;
                self.check(Err(error))
            }
        }
    }

    pub(super) fn call_error<T>(&mut self, name: &str, node: NodeId, error: FuncError) -> Result<T> {
        self.at = node;
        Err(self.error(format!("error calling {name}: "), Some(error)))
    }

    fn check_arity(&self, call: &Invocation<'_>, params: usize, variadic: bool) -> Result<()> {
        let count = call.args.len() + usize::from(call.piped.is_some());
        let name = call.name;
        if variadic {
            let fixed = params - 1;
            if count < fixed {
                let got = call.args.len();
                return self.fail(format!(
                    "wrong number of args for {name}: want at least {fixed} got {got}"
                ));
            }
        } else if count != params {
            return self.fail(format!(
                "wrong number of args for {name}: want {params} got {count}"
            ));
        }
        Ok(())
    }

    pub(super) fn call_builtin(
        &mut self,
        dot: &Slot,
        builtin: Builtin,
        call: Invocation<'_>,
    ) -> Result<Slot> {
        let Shape { params, variadic } = builtin.shape();
        self.check_arity(&call, params, variadic)?;
        if matches!(builtin, Builtin::And | Builtin::Or) {
            return self.and_or(dot, builtin == Builtin::Or, call);
        }
        let mut slots = Vec::with_capacity(call.args.len() + 1);
        for (at, arg) in call.args.iter().enumerate() {
            slots.push(self.eval_arg(dot, builtin.want(at), *arg)?);
        }
        let callee_name = match (builtin, call.args.first(), &call.piped) {
            (Builtin::Call, Some(first), _) => self.ast.source(*first),
            (Builtin::Call, None, Some(piped)) => match &piped.value {
                Value::Str(name) => name.to_string(),
                Value::Nil => "<invalid Value>".to_owned(),
                value => format!("<{} Value>", value.type_name()),
            },
            _ => String::new(),
        };
        if let Some(piped) = call.piped {
            slots.push(self.validate(piped, builtin.want(slots.len()))?);
        }
        if builtin.compares() {
            let texts = slots.iter().filter_map(|slot| slot.value.as_str());
            self.charge_work(
                call.node,
                texts.map(|text| text.len() as u64 / Limits::BYTES_PER_STEP).sum(),
            )?;
        }
        if builtin.prints() {
            self.charge_work(call.node, STEPS_PER_CALL)?;
        }
        match builtin.call(self.cx, &slots, &callee_name) {
            Ok(slot) => Ok(slot),
            Err(error) => self.call_error(call.name, call.node, error),
        }
    }

    /// `and` and `or` return the operand that decides, and evaluate no further.
    fn and_or(&mut self, dot: &Slot, stop_at: bool, call: Invocation<'_>) -> Result<Slot> {
        let mut value = Slot::INVALID;
        for arg in call.args {
            value = self.eval_arg(dot, Want::Raw, *arg)?;
            if value.value.truth() == stop_at {
                return Ok(value);
            }
        }
        Ok(call.piped.unwrap_or(value))
    }

    /// Evaluates an argument for a parameter.
    pub(super) fn eval_arg(&mut self, dot: &Slot, want: Want, id: NodeId) -> Result<Slot> {
        self.at = id;
        self.step()?;
        let ast = self.ast;
        let slot = match ast.kind(id) {
            NodeKind::Dot => dot.clone(),
            NodeKind::Nil => {
                return match want {
                    Want::Raw => Ok(Slot::INVALID),
                    Want::Typed(ty) if ty.can_be_nil() => Ok(Slot::of_type(Value::zero(ty), ty)),
                    Want::Typed(ty) => self.fail(format!("cannot assign nil to {ty}")),
                };
            }
            NodeKind::Field(fields) => self.eval_field_node(dot, id, fields, &[], None)?,
            NodeKind::Variable { var, fields } => self.eval_variable(dot, id, var.id, fields, &[], None)?,
            NodeKind::Pipe(_) => crate::deep(|| self.eval_pipeline(dot, id))?,
            NodeKind::Function { name, callee } => self.eval_function(
                dot,
                callee,
                Invocation {
                    name,
                    node: id,
                    args: &[],
                    piped: None,
                },
            )?,
            NodeKind::Chain { node, fields } => self.eval_chain(dot, id, *node, fields, &[], None)?,
            _ => return self.eval_constant_as(dot, want, id),
        };
        self.validate(slot, want)
    }

    /// Evaluates a constant, which adapts to the type of the parameter.
    fn eval_constant_as(&mut self, dot: &Slot, want: Want, id: NodeId) -> Result<Slot> {
        let ty = match want {
            Want::Raw | Want::Typed(Type::Any) => return self.eval_constant(dot, id),
            Want::Typed(ty) => ty,
        };
        let ast = self.ast;
        let node = ast.kind(id);
        let number = if let NodeKind::Number(number) = node {
            Some(number)
        } else {
            None
        };
        let (value, expected) = match ty.kind() {
            Kind::Bool => {
                let value = if let NodeKind::Bool(value) = node {
                    Some(Value::Bool(*value))
                } else {
                    None
                };
                (value, "bool")
            }
            Kind::String => {
                let value = if let NodeKind::Str { value, .. } = node {
                    Some(value.clone())
                } else {
                    None
                };
                (value, "string")
            }
            Kind::Int(int) => {
                let value = number.and_then(|number| number.int);
                (value.map(|n| Value::Int(wrap_int(n, int), int)), "integer")
            }
            Kind::Uint(uint) => {
                let value = number.and_then(|number| number.uint);
                (
                    value.map(|n| Value::Uint(wrap_uint(n, uint), uint)),
                    "unsigned integer",
                )
            }
            Kind::Float32 | Kind::Float64 => {
                (number.and_then(|number| number.float).map(Value::Float), "float")
            }
            Kind::Complex128 => {
                let value = number.and_then(|number| number.complex);
                (value.map(|(re, im)| Value::Complex(re, im)), "complex")
            }
            _ => return self.fail(format!("can't handle {} for arg of type {ty}", ast.source(id))),
        };
        match value {
            Some(value) => Ok(Slot::concrete(value)),
            None => self.fail(format!("expected {expected}; found {}", ast.source(id))),
        }
    }

    /// Makes sure that a value suits a parameter, and converts it as Go's assignment does.
    fn validate(&self, slot: Slot, want: Want) -> Result<Slot> {
        let Want::Typed(ty) = want else { return Ok(slot) };
        if slot.is_invalid() {
            if ty.can_be_nil() {
                return Ok(Slot::of_type(Value::zero(ty), ty));
            }
            return self.fail(format!("invalid value; expected {ty}"));
        }
        if ty == Type::Any {
            let copied = if let Value::Object(object) = &slot.value {
                object.copied()
            } else {
                None
            };
            return Ok(Slot {
                value: copied.unwrap_or(slot.value),
                iface: true,
            });
        }
        let Some(own) = slot.value.go_type() else {
            return self.fail(format!("wrong type for value; expected {ty}; got interface {{}}"));
        };
        if own == ty {
            return Ok(slot.unwrapped());
        }
        if own.assignable_to(ty) || points_to(own, ty) {
            return Ok(Slot::concrete(match slot.value {
                Value::Map(map) => Value::Map(map.with_type(ty)),
                Value::List(list) => Value::List(list.with_type(ty)),
                other => other,
            }));
        }
        self.fail(format!("wrong type for value; expected {ty}; got {own}"))
    }
}

/// Returns whether the first type is a pointer to the second.
fn points_to(pointer: Type, target: Type) -> bool {
    match (pointer, target) {
        (Type::Named(pointer), Type::Named(target)) => pointer.name.strip_prefix('*') == Some(target.name),
        _ => false,
    }
}

fn wrap_int(n: i64, ty: IntType) -> i64 {
    match ty {
        IntType::Int8 => i64::from(n as i8),
        IntType::Int16 => i64::from(n as i16),
        IntType::Int32 => i64::from(n as i32),
        IntType::Int | IntType::Int64 => n,
    }
}

fn wrap_uint(n: u64, ty: UintType) -> u64 {
    match ty {
        UintType::Uint8 => u64::from(n as u8),
        UintType::Uint16 => u64::from(n as u16),
        UintType::Uint32 => u64::from(n as u32),
        UintType::Uint | UintType::Uint64 | UintType::Uintptr => n,
    }
}
