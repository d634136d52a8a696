//! Everything that needs a cluster: one binary, so that the tests share one control plane.

mod stock_deploys;
