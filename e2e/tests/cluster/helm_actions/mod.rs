//! What the Helm deployer does to a release, compared with what the real `helm` does to the same chart.

mod client_side;
mod crds;
mod hooks;
mod install;
mod uninstall;
mod upgrade;
mod world;
