//! `migrate scan`: which objects can move to our controller, which cannot, and why.

mod order;
mod report;
mod verdict;

#[cfg(test)]
mod tests;

pub use order::Wave;
pub use report::{Place, Scan, Shown};
pub use verdict::{Class, Manager, Note, Verdict, verdicts};
