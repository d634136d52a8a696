//! Running templates.

mod builtins;
mod call;
mod compare;
mod escape;
mod eval;
mod slot;
mod walk;

pub(crate) use builtins::Builtin;
pub(crate) use slot::Slot;
pub(crate) use walk::run;
