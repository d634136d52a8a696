//! The ways to clusters of each provider, and what is asked on them.

mod aws;
mod azure;
mod gcp;
mod generic;
