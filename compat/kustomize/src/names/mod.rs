//! What refers to the name or to a value of another object: name references and vars.

pub(crate) mod nameref;
pub(crate) mod vars;
