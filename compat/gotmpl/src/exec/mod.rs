//! Running templates.

mod builtins;
mod call;
mod compare;
mod escape;
mod eval;
mod run;
mod slot;
mod walk;
