//! Adapter controllers that mirror the artifacts of stock Flux sources into Artifact resources.
