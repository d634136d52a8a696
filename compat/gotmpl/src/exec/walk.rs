//! The actions of a template: text, printing, control, calls of other templates.

use crate::error::{ExecError, FuncError, Location};
use crate::fmt::Printer;
use crate::limits::Limits;
use crate::parse::{Ast, Branch, NodeId, NodeKind, Var};
use crate::set::{Template, TemplateSet};
use crate::value::Value;
use crate::value::context::Context;
use crate::value::types::Type;
use go_std::quote;

use super::slot::Slot;

pub(super) type Result<T> = std::result::Result<T, ExecError>;

/// Executes a template on `dot`, appending to `out`.
pub(super) fn run(
    cx: &mut Context<'_>,
    set: &TemplateSet,
    template: &Template,
    dot: &Slot,
    out: &mut Vec<u8>,
) -> Result<()> {
    let vars = vec![(Var::ROOT, dot.clone())];
    let mut exec = Exec {
        cx,
        set,
        out,
        template,
        ast: &template.ast,
        at: template.root,
        vars,
    };
    crate::deep(|| exec.walk(dot, template.root)).map(|_| ())
}

/// How a node was left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

/// One template being executed.
pub(super) struct Exec<'a, 'r> {
    pub cx: &'a mut Context<'r>,
    pub set: &'a TemplateSet,
    pub out: &'a mut Vec<u8>,
    pub template: &'a Template,
    pub ast: &'a Ast,
    /// The node that an error is reported at.
    pub at: NodeId,
    /// Variables in scope, the newest last.
    pub vars: Vec<(u32, Slot)>,
}

impl Exec<'_, '_> {
    // Errors.

    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(self.error(message.into(), None))
    }

    pub(super) fn error(&self, message: String, cause: Option<FuncError>) -> ExecError {
        let (line, column) = self.ast.line_column(self.at);
        let location = Location {
            file: self.ast.file.to_string(),
            line,
            column,
            template: self.template.name.to_string(),
            context: self.ast.source(self.at),
        };
        ExecError::at(location, message, cause)
    }

    /// Passes on the error of a used-up limit.
    pub(super) fn check<T>(&self, result: std::result::Result<T, FuncError>) -> Result<T> {
        result.map_err(|error| self.error(String::new(), Some(error)))
    }

    pub(super) fn step(&mut self) -> Result<()> {
        self.pay(1)
    }

    pub(super) fn pay(&mut self, steps: u64) -> Result<()> {
        match self.cx.charge(steps) {
            Ok(()) => Ok(()),
            Err(error) => self.check(Err(error)),
        }
    }

    // Variables.

    pub(super) fn set_var(&mut self, var: &Var, value: Slot) -> Result<()> {
        match self.vars.iter_mut().rev().find(|(id, _)| *id == var.id) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => self.fail(format!("undefined variable: {}", var.name)),
        }
    }

    /// Sets the variable that was declared `depth` places ago.
    fn set_top_var(&mut self, depth: usize, value: Slot) {
        let at = self.vars.len().wrapping_sub(depth);
        if let Some((_, slot)) = self.vars.get_mut(at) {
            *slot = value;
        }
    }

    // Nodes.

    fn walk(&mut self, dot: &Slot, id: NodeId) -> Result<Flow> {
        self.at = id;
        self.step()?;
        let ast = self.ast;
        match ast.kind(id) {
            NodeKind::List(nodes) => {
                for node in nodes {
                    let flow = self.walk(dot, *node)?;
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                }
            }
            NodeKind::Text(text) => self.write(text)?,
            NodeKind::Action(pipe) => {
                let value = self.eval_pipeline(dot, *pipe)?;
                let NodeKind::Pipe(pipe) = ast.kind(*pipe) else {
                    return Ok(Flow::Next);
                };
                if pipe.decls.is_empty() {
                    self.at = id;
                    self.print(&value)?;
                }
            }
            NodeKind::If(branch) => return self.walk_if_or_with(dot, *branch, false),
            NodeKind::With(branch) => return self.walk_if_or_with(dot, *branch, true),
            NodeKind::Range(branch) => self.walk_range(dot, *branch)?,
            NodeKind::Template { name, pipe } => self.walk_template(dot, name, *pipe)?,
            NodeKind::Break => return Ok(Flow::Break),
            NodeKind::Continue => return Ok(Flow::Continue),
            _ => return self.fail(format!("unknown node: {}", ast.source(id))),
        }
        Ok(Flow::Next)
    }

    fn walk_deep(&mut self, dot: &Slot, id: NodeId) -> Result<Flow> {
        crate::deep(|| self.walk(dot, id))
    }

    fn walk_if_or_with(&mut self, dot: &Slot, branch: Branch, with: bool) -> Result<Flow> {
        let mark = self.vars.len();
        let value = self.eval_pipeline(dot, branch.pipe)?;
        let flow = if value.value.truth() {
            self.walk_deep(if with { &value } else { dot }, branch.list)
        } else if let Some(else_list) = branch.else_list {
            self.walk_deep(dot, else_list)
        } else {
            Ok(Flow::Next)
        };
        self.vars.truncate(mark);
        flow
    }

    fn walk_range(&mut self, dot: &Slot, branch: Branch) -> Result<()> {
        let outer = self.vars.len();
        let ran = self.range_over(dot, branch)?;
        if let (false, Some(else_list)) = (ran, branch.else_list) {
            self.walk_deep(dot, else_list)?;
        }
        self.vars.truncate(outer);
        Ok(())
    }

    /// Runs the body for each element and returns whether there was one.
    fn range_over(&mut self, dot: &Slot, branch: Branch) -> Result<bool> {
        let value = self.eval_pipeline(dot, branch.pipe)?.value;
        let integer = match &value {
            Value::Object(object) => object.basic(),
            _ => None,
        };
        match integer.as_ref().unwrap_or(&value) {
            Value::Nil => Ok(false),
            Value::Int(end, ty) => {
                self.one_variable_only(branch, &value)?;
                self.iterate(
                    branch,
                    (0..*end).map(|n| (Slot::INVALID, Slot::concrete(Value::Int(n, *ty)))),
                )
            }
            Value::Uint(end, ty) => {
                self.one_variable_only(branch, &value)?;
                self.iterate(
                    branch,
                    (0..*end).map(|n| (Slot::INVALID, Slot::concrete(Value::Uint(n, *ty)))),
                )
            }
            Value::List(list) => {
                let elem = list.elem_type();
                let items = list.items().enumerate();
                self.iterate(
                    branch,
                    items
                        .map(|(at, item)| (Slot::concrete(Value::int(at as i64)), Slot::of_type(item, elem))),
                )
            }
            Value::Map(map) => {
                let elem = map.elem_type();
                let entries = map.entries();
                self.iterate(
                    branch,
                    entries.iter().map(|(key, item)| {
                        (
                            Slot::concrete(Value::Str(key.clone())),
                            Slot::of_type(item.clone(), elem),
                        )
                    }),
                )
            }
            Value::Object(object) => {
                if let Some(items) = object.iterate() {
                    return self.iterate(branch, items.map(|(k, v)| (Slot::concrete(k), Slot::concrete(v))));
                }
                self.cannot_iterate(&value)
            }
            _ => self.cannot_iterate(&value),
        }
    }

    fn cannot_iterate<T>(&self, value: &Value) -> Result<T> {
        self.fail(format!("range can't iterate over {value}"))
    }

    fn one_variable_only(&self, branch: Branch, value: &Value) -> Result<()> {
        if self.decls(branch).0.len() > 1 {
            return self.fail(format!(
                "can't use {value} to iterate over more than one variable"
            ));
        }
        Ok(())
    }

    fn decls(&self, branch: Branch) -> (&[Var], bool) {
        match self.ast.kind(branch.pipe) {
            NodeKind::Pipe(pipe) => (&pipe.decls, pipe.assign),
            _ => (&[], false),
        }
    }

    fn iterate(&mut self, branch: Branch, elements: impl Iterator<Item = (Slot, Slot)>) -> Result<bool> {
        let ast = self.ast;
        let (decls, assign): (&[Var], bool) = match ast.kind(branch.pipe) {
            NodeKind::Pipe(pipe) => (&pipe.decls, pipe.assign),
            _ => (&[], false),
        };
        let mark = self.vars.len();
        let mut ran = false;
        for (index, element) in elements {
            ran = true;
            match decls {
                [] => {}
                [only] if assign => self.set_var(only, element.clone())?,
                [first, second, ..] if assign => {
                    self.set_var(first, index)?;
                    self.set_var(second, element.clone())?;
                }
                [_] => self.set_top_var(1, element.clone()),
                [_, _, ..] => {
                    self.set_top_var(1, element.clone());
                    self.set_top_var(2, index);
                }
            }
            let flow = self.walk_deep(&element, branch.list)?;
            self.vars.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    fn walk_template(&mut self, dot: &Slot, name: &[u8], pipe: Option<NodeId>) -> Result<()> {
        let steps = self.set.lookup_steps() + name.len() as u64 / Limits::BYTES_PER_STEP;
        let charged = self.cx.charge(steps);
        self.check(charged)?;
        let Some(template) = self.set.lookup(name) else {
            return self.fail(format!("template {} not defined", quote(name)));
        };
        let limit = self.cx.limits().depth;
        if self.cx.depth >= limit {
            let message = format!("exceeded maximum template depth ({limit})");
            return self.check(Err(FuncError::limit(message)));
        }
        let dot = match pipe {
            Some(pipe) => self.eval_pipeline(dot, pipe)?,
            None => Slot::INVALID,
        };
        self.cx.depth += 1;
        let result = run(self.cx, self.set, &template, &dot, self.out);
        self.cx.depth -= 1;
        result
    }

    // Output.

    fn write(&mut self, text: &[u8]) -> Result<()> {
        if let Err(error) = self.cx.charge_output(text.len()) {
            return self.check(Err(error));
        }
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn print(&mut self, slot: &Slot) -> Result<()> {
        match &slot.value {
            Value::Nil => self.write(b"<no value>"),
            Value::Str(text) => self.write(text),
            Value::Func(_) => self.fail(format!(
                "can't print {} of type {}",
                self.ast.source(self.at),
                Type::Func
            )),
            value => {
                let mut printer = Printer::new(self.cx.limits().string_bytes);
                printer.print_dereferenced(value);
                let text = self.check(printer.finish())?;
                self.write(&text)
            }
        }
    }
}
