//! What workload identity needs of the world (`cloud_auth`): the network, the cluster, and what is around the process.

mod accounts;
mod network;

pub use accounts::{Accounts, ProcessSurroundings};
pub use network::CloudNetwork;
