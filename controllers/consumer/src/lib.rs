//! Library to write a controller that consumes Artifact resources.
