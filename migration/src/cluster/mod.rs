//! What all commands that ask a cluster have in common: connecting, reading, printing.

mod artifacts;
mod connect;
mod error;
mod facts;
mod local;
mod output;
mod read;
mod resources;
mod shadow;

pub(crate) use artifacts::Artifacts;
pub(crate) use connect::{Cluster, ConnectArgs, ScopeArgs, duration};
pub use error::CommandError;
pub(crate) use error::describe;
pub(crate) use facts::{facts, our_pods, tell_what_is_missing};
pub(crate) use local::LocalArgs;
pub(crate) use output::{Format, OutputArgs, Printer, StyleArgs, print_lines};
pub(crate) use read::{STOCK_AND_OURS, Wanted, list, read};
pub(crate) use resources::{get_all, get_chain};
pub(crate) use shadow::{Controller, ShadowArgs};
