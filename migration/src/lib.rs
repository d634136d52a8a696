//! The `openflux` command line for people.
