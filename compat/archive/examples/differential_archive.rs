//! Compares the tar of random trees with that of source-controller's library; see `cargo xtask fuzz archive`.

#[path = "../tests/case/mod.rs"]
mod case;
#[path = "../tests/differential/mod.rs"]
mod differential;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    differential::run("tars", case::check)
}
