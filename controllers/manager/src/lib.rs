//! The binary that runs the Open Flux controllers.
