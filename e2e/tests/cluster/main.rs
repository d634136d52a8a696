//! Everything that needs a cluster: one binary, so that the tests share one control plane.

mod sources;
mod sources_outages;
mod stock_deploys;
