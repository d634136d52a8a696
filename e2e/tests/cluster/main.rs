//! Everything that needs a cluster: one binary, so that the tests share one control plane.

mod app;

mod flux_cli;
mod hand_over;
mod interlock;
mod ours_deploys;
mod sources;
mod sources_outages;
mod stock_deploys;
mod untrusted_artifacts;
