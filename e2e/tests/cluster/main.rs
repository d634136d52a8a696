//! Everything that needs a cluster: one binary, so that the tests share one control plane.

mod api_server;
mod app;
mod artifacts;

mod bad_manifests;
mod bridge;
mod builds;
mod cost;
mod crash;
mod deletion;
mod depends_on;
mod drift;
mod flux_cli;
mod force;
mod hand_over;
mod health;
mod impersonation;
mod install;
mod interlock;
mod large_status;
mod leadership;
mod odd_objects;
mod operations;
mod ours_deploys;
mod prune;
mod references;
mod selector;
mod side_by_side;
mod sources;
mod sources_outages;
mod stages;
mod stock_deploys;
mod substitution;
mod suspend;
mod untrusted_artifacts;
mod webhooks;
