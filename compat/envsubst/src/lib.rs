//! Flux post-build variable substitution.
