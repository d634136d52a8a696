//! Compares what random rules say about random paths with Flux's library; see `cargo xtask fuzz sourceignore`.

#[path = "../tests/case/mod.rs"]
mod case;
#[path = "../../archive/tests/differential/mod.rs"]
mod differential;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    differential::run("ignores", case::check)
}
