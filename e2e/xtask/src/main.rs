//! Development tasks of the repository: `cargo xtask <task>`.

fn main() {}
