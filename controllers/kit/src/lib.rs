//! What every controller of this project is built from.
