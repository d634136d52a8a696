//! How long everything takes.

use std::time::Instant;

use crate::say;

/// Prints elapsed seconds before each line.
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn say(&self, line: &str) {
        if line.is_empty() {
            say("");
        } else {
            say(&format!("{:7.1} s  {line}", self.0.elapsed().as_secs_f64()));
        }
    }
}
